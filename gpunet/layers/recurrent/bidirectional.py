"""A recurrent layer in both directions."""

from __future__ import annotations

from typing import Any

from gpunet import ops, tree
from gpunet.layers.calling import signature_of
from gpunet.layers.layer import Layer
from gpunet.serialization import deserialize, serialize

_MERGES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Layer):
    """Runs a recurrent layer forwards and a copy of it backwards, and merges their outputs.

    Args:
        layer: a recurrent layer; both directions are made of its configuration.
        merge_mode: "concat" along the last axis, "sum", "mul", "ave", or None for a pair of outputs.
        weights: arrays to begin with, those of the forward layer first.
        backward_layer: another layer for the way back.

    Raises:
        ValueError: if a layer is none, the merge mode has another name, or the two layers do not fit together.
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, backward_layer: Any = None, **kwargs
    ):
        for name, value in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(value, Layer) and (value is not None or name == "layer"):
                raise ValueError(
                    f"Please initialize `Bidirectional` with `{name}` a `Layer` instance. Received: {name}={value!r}"
                )
        if merge_mode not in _MERGES:
            raise ValueError(f"Invalid merge mode: it should be one of {_MERGES}. Received: merge_mode={merge_mode!r}")
        super().__init__(**kwargs)
        self.forward_layer = _renamed(layer, "forward")
        self.backward_layer = backward_layer or _renamed(layer, "backward", go_backwards=True)
        self._check_directions()
        for direction in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn"):
                direction.use_cudnn = layer.use_cudnn
            if getattr(direction, "zero_output_for_mask", None) is not None:
                direction.zero_output_for_mask = direction.return_sequences
        self.merge_mode = merge_mode
        self._first_weights = weights
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_directions(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards={forward.go_backwards}, backward_layer.go_backwards="
                f"{backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            values = getattr(forward, name), getattr(backward, name)
            if values[0] != values[1]:
                raise ValueError(
                    f'Forward layer and backward layer are expected to have the same value for attribute "{name}". '
                    f"Received: {values[0]} for the forward layer and {values[1]} for the backward layer"
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._first_weights:
            self.set_weights(self._first_weights)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        half = None if initial_state is None else len(initial_state) // 2
        found = [
            self._one_way(self.forward_layer, sequences, initial_state and initial_state[:half], mask, training),
            self._one_way(self.backward_layer, sequences, initial_state and initial_state[half:], mask, training),
        ]
        states: tuple = ()
        if self.return_state:
            states = (*found[0][1:], *found[1][1:])
            found = [found[0][0], found[1][0]]
        forward, backward = (ops.cast(y, self.compute_dtype) for y in found)
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        output = self._merged(forward, backward)
        if not self.return_state:
            return output
        return (*output, *states) if self.merge_mode is None else (output, *states)

    def _one_way(self, layer: Any, sequences: Any, state: Any, mask: Any, training: Any) -> Any:
        signature = signature_of(layer)
        options = {"training": training} if signature.takes_training else {}
        options |= {"mask": mask} if signature.takes_mask else {}
        options |= {} if state is None else {"initial_state": state}
        return layer(sequences, **options)

    def _merged(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode == "concat":
            return ops.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "mul":
            return ops.multiply(forward, backward)
        if self.merge_mode is None:
            return forward, backward
        total = ops.add(forward, backward)
        return ops.divide(total, 2) if self.merge_mode == "ave" else total

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = self.forward_layer.compute_output_shape(sequences_shape)
        output, states = (shape[0], shape[1:]) if self.return_state else (shape, ())
        if self.merge_mode == "concat":
            output = (*output[:-1], 2 * output[-1])
        if self.merge_mode is None:
            return (output, output, *states, *states)
        return (output, *states, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the sequences where they are returned; states have none."""
        mask = tree.flatten(mask)[0] if self.return_sequences else None
        outputs = [mask] if self.merge_mode else [mask, mask]
        states = len(self.forward_layer.state_size) if self.return_state else 0
        return [*outputs, *[None] * (2 * states)] if states or not self.merge_mode else mask

    def reset_state(self) -> None:
        """Begin the next call of a stateful layer with zeros.

        Raises:
            AttributeError: if the layer is not stateful.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    @property
    def states(self) -> Any:
        """The states of both directions, None where there are none."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return (*forward, *backward) if forward and backward else None

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "merge_mode": self.merge_mode,
            "layer": serialize(self.forward_layer),
            "backward_layer": serialize(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration, and the layers inside it."""
        inner = {name: deserialize(config[name]) for name in ("layer", "backward_layer") if config.get(name)}
        return super().from_config(config | inner)


def _renamed(layer: Any, direction: str, **changes: Any) -> Any:
    """A copy of the layer, made of its configuration, that is named after the direction."""
    config = serialize(layer)
    config["config"] |= {"name": f"{direction}_{layer.name.removeprefix(f'{direction}_')}", **changes}
    return deserialize(config)
