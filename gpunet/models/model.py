"""`Model`: a layer that can be trained. Subclass it, or make one from symbolic inputs and outputs."""

from __future__ import annotations

from typing import Any, cast

from gpunet import tree
from gpunet.layers.building import default
from gpunet.layers.layer import Layer
from gpunet.models.summary import print_summary
from gpunet.models.trainer import Trainer
from gpunet.serialization import custom_object_scope, serialize
from gpunet.symbolic import KerasTensor


def _is_functional(args: tuple, kwargs: dict) -> bool:
    """True for `Model(inputs, outputs)` in any of its spellings."""
    leaves = tree.flatten([*args[:2], kwargs.get("inputs"), kwargs.get("outputs")])
    return any(isinstance(x, KerasTensor) for x in leaves)


class Model(Trainer):
    """A layer with `compile`, `fit`, `evaluate` and `predict`.

    Three ways to make one: `Model(inputs, outputs)` from symbolic tensors, `Sequential([...])`, or a subclass with
    `call`, and `train_step` for a training of its own.

    Example:
        >>> inputs = gpunet.Input((784,))
        >>> outputs = gpunet.layers.Dense(10)(gpunet.layers.Dense(128, activation="relu")(inputs))
        >>> model = gpunet.Model(inputs, outputs)
    """

    def __new__(cls, *args: Any, **kwargs: Any):
        if cls is Model and _is_functional(args, kwargs):
            from gpunet.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any):
        if _is_functional(args, kwargs):
            # A subclass that passes inputs and outputs on becomes functional, with its own methods kept.
            from gpunet.models.functional import Functional, as_functional_class

            if not isinstance(self, Functional):
                object.__setattr__(self, "__class__", as_functional_class(type(self)))
            Functional.__init__(cast(Functional, self), *args, **kwargs)
            return
        if args or "inputs" in kwargs or "outputs" in kwargs:
            raise ValueError(
                f"All `inputs` and `outputs` values must be KerasTensors, from `Input` and from layers called on them. "
                f"Received: {[type(x).__name__ for x in tree.flatten([args, kwargs])]}"
            )
        Layer.__init__(self, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly below this model."""
        return list(self._layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or number.

        Raises:
            ValueError: if there is none, or both or neither are given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer expected exactly one of `name` and `index`.")
        if index is not None:
            if index >= len(self.layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(self.layers)} layers."
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in self.layers]}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Args:
            line_length: the width of the table, that of the terminal where None.
            positions: the relative widths of the columns.
            print_fn: called with the text instead of printing it.
            expand_nested: list the layers of nested models too.
            show_trainable: show which layers are trainable.
            layer_range: the names of the first and the last layer to list.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def recalibrate_batchnorm(self, x: Any, batch_size: int | None = None) -> None:
        """Set the moving statistics of all batch normalisations to exact ones over the data, after training.

        Moving averages lag behind the weights, and see each batch through layers that use that batch's statistics.
        This pass goes layer by layer, from the first to the last: each gets the mean and the variance of its inputs
        over all samples, as the layers before it give them in inference with statistics that are exact already.
        Masked places are left out, and layers with `trainable=False` left as they are.

        Args:
            x: all training samples, as for `predict`; what yields batches is read once per layer.
            batch_size: samples per batch, 32 where None. The result does not depend on it, but for rounding.

        Raises:
            ValueError: if `x` can be read only once.
        """
        from gpunet.data import make_batches
        from gpunet.models.recalibration import recalibrate

        recalibrate(self, make_batches(x, None, None, batch_size))

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the model to a `.keras` or `.h5` file; see `gpunet.saving.save_model`."""
        from gpunet.saving import save_model

        save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Write the weights to a file; see `gpunet.saving.save_weights`."""
        from gpunet.saving import save_weights

        save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Set the weights from a file; see `gpunet.saving.load_weights`."""
        from gpunet.saving import load_weights

        load_weights(self, filepath, skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON text; `kwargs` are those of `json.dumps`."""
        import json

        return json.dumps(serialize(self), **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The model of a configuration; `custom_objects` has classes and functions that are not registered."""
        from gpunet.models.graph import FUNCTIONAL_KEYS, functional_arguments, is_functional_config

        if not is_functional_config(config):
            with custom_object_scope(custom_objects or {}):
                return super().from_config(config)
        with custom_object_scope(custom_objects or {}):
            inputs, outputs = functional_arguments(config)
        others = {key: value for key, value in config.items() if key not in FUNCTIONAL_KEYS}
        return cls(inputs=inputs, outputs=outputs, **others)

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build from the shapes of `get_build_config`, by running the model without data."""
        shapes = config.get("input_shape", config)
        if not self.built and shapes is not None:
            self.build(shapes)

    @default
    def build(self, input_shape: Any) -> None:
        """Make the variables by calling the model on inputs of these shapes without data."""
        symbols = tree_of_symbols(input_shape, self.input_dtype)
        self._run((symbols,), {})
        self._after_build((input_shape,), {})


def tree_of_symbols(shape: Any, dtype: str) -> Any:
    """KerasTensors for a shape or a structure of shapes."""
    if isinstance(shape, dict):
        return {k: tree_of_symbols(v, dtype) for k, v in shape.items()}
    if isinstance(shape, list | tuple) and shape and isinstance(shape[0], list | tuple | dict):
        return type(shape)(tree_of_symbols(v, dtype) for v in shape)
    return KerasTensor(shape, dtype)
