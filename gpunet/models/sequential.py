"""Sequential models: one layer after another."""

from __future__ import annotations

from typing import Any

from gpunet import tree
from gpunet.layers.building import as_declared
from gpunet.layers.core.input_layer import InputLayer
from gpunet.layers.layer import Layer
from gpunet.models.functional import Functional
from gpunet.models.model import Model
from gpunet.serialization import deserialize, serialize
from gpunet.symbolic import KerasTensor


class Sequential(Model):
    """A plain stack of layers, built when the input shape is known: from an `Input`, or at the first call.

    Args:
        layers: to `add` one by one; an `Input` may come first.
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None):
        Layer.__init__(self, trainable=trainable, name=name)
        self._functional: Functional | None = None
        self._stack: list[Layer] = []
        for layer in layers or []:
            self.add(layer, rebuild=False)
        self._maybe_rebuild()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end.

        Raises:
            ValueError: if it is not a layer, a layer of that name is there already, or an input comes second.
        """
        if isinstance(layer, KerasTensor) and layer._keras_history:
            layer = layer._keras_history[0].operation
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Only instances of `gpunet.Layer` can be added to a Sequential model. Received: {layer!r} "
                f"(of type {type(layer).__name__})"
            )
        if not self._stack and layer._input_shape_argument is not None:
            self.add(InputLayer(layer._input_shape_argument), rebuild=False)
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"All layers added to a Sequential model should have unique names. Name '{layer.name}' is already the "
                f"name of a layer in this model. Update the `name` argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(
                f"Sequential model '{self.name}' has an input or layers already: an Input must come first."
            )
        self._stack.append(layer)
        self._reset()
        if rebuild:
            self._maybe_rebuild()

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer off and return it."""
        layer = self._stack.pop()
        self._reset()
        if rebuild:
            self._maybe_rebuild()
        return layer

    def _reset(self) -> None:
        self.built = False
        object.__setattr__(self, "_functional", None)
        self._tracker.locked = None
        object.__setattr__(self, "_quick", False)

    def _maybe_rebuild(self) -> None:
        """Build if the input is known and something follows it."""
        if len(self._stack) > 1 and isinstance(self._stack[0], InputLayer):
            self.build(self._stack[0].batch_shape)
        elif self._stack and isinstance(self._stack[0], Functional | Sequential):
            shape = getattr(self._stack[0], "input_shape", None)  # a Sequential may not know it yet
            if shape is not None:
                self.build(shape)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    @property
    def _layers(self) -> list[Layer]:
        return self.layers

    def build(self, input_shape: Any = None) -> None:
        """Build all layers for this input shape; nothing yet where the first layer takes several inputs.

        Raises:
            ValueError: if there are no layers, no shape, or the input has another shape already.
        """
        if not self.layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        input_shape = as_declared(input_shape)
        if not isinstance(self._stack[0], InputLayer):
            if input_shape is None:
                raise ValueError(f"Sequential model '{self.name}' needs the shape of its input. Received: None")
            if isinstance(input_shape, dict) or any(isinstance(n, list | tuple | dict) for n in input_shape):
                self._after_build((input_shape,), {})
                return
            entrance = InputLayer(batch_shape=tuple(input_shape), dtype=self.layers[0].input_dtype)
            self._stack.insert(0, entrance)
        x = inputs = self._entrance_for(input_shape)
        for layer in self.layers:
            x = layer(x)
        object.__setattr__(self, "_functional", Functional(inputs, x))
        self._after_build((inputs.shape,), {})

    def _entrance_for(self, input_shape: Any) -> KerasTensor:
        inputs = self._stack[0].output
        if input_shape is not None and tuple(input_shape) != inputs.shape:
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape {inputs.shape}. You "
                f"cannot build it with input_shape {tuple(input_shape)}"
            )
        return inputs

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self._functional is not None:
            return self._functional.call(inputs, training=training, mask=mask)
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_spec(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if self._functional is None:
            return super().compute_output_spec(inputs, training=training, mask=mask)
        return self._functional.compute_output_spec(inputs, training=training, mask=mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape for an input shape; builds the layers that are not built."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def _functional_or_raise(self) -> Functional:
        if self._functional is None:
            raise AttributeError(
                f"Sequential model '{self.name}' has no defined inputs yet: start with an Input, build it or call it."
            )
        return self._functional

    @property
    def inputs(self) -> list[KerasTensor]:
        return self._functional_or_raise().inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        return self._functional_or_raise().outputs

    @property
    def input(self) -> Any:
        return self._functional_or_raise().input

    @property
    def output(self) -> Any:
        return self._functional_or_raise().output

    @property
    def input_shape(self) -> Any:
        return self._functional_or_raise().input_shape

    @property
    def output_shape(self) -> Any:
        return self._functional_or_raise().output_shape

    @property
    def fusions(self) -> list[tuple[str, ...]]:
        """The names of layers that are computed together, as in `Functional.fusions`; none while it is not built."""
        return [] if self._functional is None else self._functional.fusions

    def get_config(self) -> dict[str, Any]:
        config = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        config["layers"] = [serialize(layer) for layer in self._stack]
        if self._functional is not None:
            config["build_input_shape"] = tree.flatten(self._functional.input)[0].shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Sequential:
        """The model of a configuration; `custom_objects` has classes and functions that are not registered."""
        model = cls(name=config.get("name"))
        if config.get("dtype") is not None:
            model.dtype_policy = deserialize(config["dtype"], custom_objects)
        for layer in config["layers"]:
            model.add(deserialize(layer, custom_objects), rebuild=False)
        shape = config.get("build_input_shape")
        if not model.built and shape:
            model.build(tuple(shape))
        return model
