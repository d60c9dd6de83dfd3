"""What recurrent cells share: weights, dropout masks that stay the same for all steps, and their configuration."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import activations, constraints, initializers, ops, random, regularizers
from gpunet.autograd.variable import scopes
from gpunet.layers.layer import Layer

_KINDS: dict[str, Any] = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}
_PARTS = ("kernel", "recurrent", "bias")


def check_units(units: Any) -> int:
    """A positive integer as an int.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(units, bool) or not isinstance(units, int | np.integer) or units < 1:
        raise ValueError(
            f"Received an invalid value for argument `units`, expected a positive integer. Received: units={units!r}"
        )
    return int(units)


class RecurrentCell(Layer):
    """A cell whose step is split in two: `project` is what can be computed for all steps at once, `advance` the rest.

    A subclass sets `gates`, the number of parts side by side in its kernels, and calls `_add_weights` in `build`.

    Args:
        given: what the subclass's constructor was given, by name: `activation`, `use_bias`, `kernel_initializer`,
            `recurrent_regularizer`, `bias_constraint` and the like, `dropout`, `recurrent_dropout` and `seed`.
        mask_count: how many masks there are of each kind: one, or one for each gate.
    """

    gates = 1
    bias_initializer: Any

    def __init__(self, given: dict[str, Any], mask_count: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(given["activation"])
        self.use_bias = given["use_bias"]
        for part in _PARTS:
            for kind, module in _KINDS.items():
                setattr(self, f"{part}_{kind}", module.get(given[f"{part}_{kind}"]))
        self.dropout = min(1.0, max(0.0, given["dropout"]))
        self.recurrent_dropout = min(1.0, max(0.0, given["recurrent_dropout"]))
        self.seed = given["seed"]
        self.seed_generator = random.SeedGenerator(self.seed)
        self.mask_count = mask_count
        self.kernel: Any = None
        self.recurrent_kernel: Any = None
        self.bias: Any = None
        self.reset_dropout_mask()
        self.reset_recurrent_dropout_mask()

    def _add_weights(self, kernel: tuple, recurrent: tuple, bias: tuple, bias_initializer: Any = None) -> None:
        shapes = {"kernel": kernel, "recurrent_kernel": recurrent} | ({"bias": bias} if self.use_bias else {})
        for name, shape in shapes.items():
            part = name.partition("_")[0]
            options = {kind: getattr(self, f"{part}_{kind}") for kind in _KINDS}
            if name == "bias" and bias_initializer is not None:
                options["initializer"] = bias_initializer
            setattr(self, name, self.add_weight(name=name, shape=shape, **options))

    def project(self, inputs: Any, training: bool = False) -> Any:
        """The inputs' share of every gate, for one step or for (steps, batch, ...)."""
        raise NotImplementedError

    def advance(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """(output, new states) of one step, from what `project` made of its inputs."""
        raise NotImplementedError

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        return self.advance(self.project(inputs, training), states, training)

    def get_dropout_mask(self, step_input: Any) -> Any:
        """The masks of inputs like this, the same ones until `reset_dropout_mask`: a list, empty without dropout."""
        return self._masks("_dropout_mask", step_input, self.dropout)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """The masks of states like this, the same ones until `reset_recurrent_dropout_mask`."""
        return self._masks("_recurrent_dropout_mask", step_input, self.recurrent_dropout)

    def _masks(self, name: str, like: Any, rate: float) -> list:
        kept = getattr(self, name)
        if kept is None:
            kept = [self._mask(like, rate) for _ in range(self.mask_count)] if rate > 0 else []
            if not scopes.abstract:
                object.__setattr__(self, name, kept)  # not a change of the layer that would end recordings
        return kept

    def _mask(self, like: Any, rate: float) -> Any:
        return random.dropout(ops.ones_like(ops.stop_gradient(like)), rate, seed=self.seed_generator)

    def reset_dropout_mask(self) -> None:
        """Forget the inputs' masks, so that the next step draws new ones."""
        object.__setattr__(self, "_dropout_mask", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Forget the states' masks."""
        object.__setattr__(self, "_recurrent_dropout_mask", None)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
        for part in _PARTS:
            for kind, module in _KINDS.items():
                config[f"{part}_{kind}"] = module.serialize(getattr(self, f"{part}_{kind}"))
        return config


class DenseCell(RecurrentCell):
    """A cell of matrix products: kernels (in, gates·units) and (units, gates·units)."""

    def __init__(self, given: dict[str, Any], mask_count: int = 1, **kwargs: Any):
        units = check_units(given["units"])
        super().__init__(given, mask_count, **kwargs)
        self.units = units
        self.state_size: Any = units
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        wide = self.gates * self.units
        self._add_weights((input_shape[-1], wide), (self.units, wide), self._bias_shape(wide), self._first_bias())

    def _bias_shape(self, wide: int) -> tuple:
        return (wide,)

    def _first_bias(self) -> Any:
        """The bias's initializer where it is not `bias_initializer` itself."""
        return None

    @property
    def input_bias(self) -> Any:
        """The bias that the projection adds."""
        return self.bias

    def project(self, inputs: Any, training: bool = False) -> Any:
        masks = self.get_dropout_mask(inputs if inputs.ndim == 2 else inputs[0]) if training else []
        if len(masks) < 2:
            inputs = inputs * masks[0] if masks else inputs
            return ops.linear(inputs, self.kernel, self.input_bias)
        y = _masked_product(inputs, masks, self.kernel)
        return y if self.input_bias is None else ops.add(y, self.input_bias)

    def recur(self, state: Any, training: bool, kernel: Any = None) -> Any:
        """The state's share of every gate."""
        kernel = self.recurrent_kernel if kernel is None else kernel
        masks = self.get_recurrent_dropout_mask(state) if training else []
        return _masked_product(state, masks, kernel) if masks else ops.matmul(state, kernel)

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Zeros."""
        sizes = self.state_size if isinstance(self.state_size, list | tuple) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units}


def _masked_product(x: Any, masks: list, kernel: Any) -> Any:
    """x @ kernel, where each part of the kernel sees x through a mask of its own."""
    parts = ops.split(kernel, len(masks), axis=1)
    return ops.concatenate([ops.matmul(x * mask, part) for mask, part in zip(masks, parts)], axis=-1)
