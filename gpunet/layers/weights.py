"""The variables of a layer and its sub-layers, in Keras's order: own trainable, own others, then each sub-layer's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gpunet import constraints, initializers, regularizers
from gpunet.autograd.variable import Variable, name_scope, structure
from gpunet.backend.devices import Device, default_device
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.layers.tracking import Tracker
from gpunet.random import SeedGenerator


def is_variable(x: Any) -> bool:
    return isinstance(x, Variable)


def is_metric(x: Any) -> bool:
    return all(hasattr(x, name) for name in ("update_state", "reset_state", "result"))


def is_layer(x: Any) -> bool:
    return isinstance(x, WeightOwner)


def is_seed_generator(x: Any) -> bool:
    return isinstance(x, SeedGenerator)


def _unique(variables: Iterable[Variable]) -> list[Variable]:
    return list({id(v): v for v in variables}.values())


def _kept(compute: Callable) -> Callable:
    """Decorator: compute a list once, and again only after something was added, removed or frozen somewhere."""
    key = compute.__name__

    @functools.wraps(compute)
    def read(self):
        kept = self.__dict__.get("_kept_lists")
        if kept is None or kept[0] != structure.version:
            kept = (structure.version, {})
            object.__setattr__(self, "_kept_lists", kept)
        if key not in kept[1]:
            kept[1][key] = compute(self)
        return list(kept[1][key])

    return read


class WeightOwner:
    """The part of `Layer` that owns variables. `_tracker` must exist before attributes are set."""

    name: str
    built: bool
    _trainable: bool
    _tracker: Tracker
    _own_variables: list[Variable]
    _own_metrics: list[Any]
    _own_layers: list[Any]
    _own_seeds: list[SeedGenerator]

    @property
    def variable_dtype(self) -> str:
        """The dtype of variables made without one."""
        raise NotImplementedError

    def _initialize_tracking(self) -> None:
        tests: dict[str, Callable[[Any], bool]]
        tests = {"variables": is_variable, "metrics": is_metric, "layers": is_layer, "seeds": is_seed_generator}
        tracker = Tracker(tests)
        for name in tests:
            object.__setattr__(self, f"_own_{name}", tracker.found[name])
        object.__setattr__(self, "_tracker", tracker)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_tracker" not in self.__dict__:
            self._initialize_tracking()
        if self.__dict__.get(name, self) is not value:
            structure.version += 1  # a recorded step may have used the value before
        object.__setattr__(self, name, self._tracker.track(value))

    def __delattr__(self, name: str) -> None:
        self._tracker.untrack(getattr(self, name))
        object.__delattr__(self, name)

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Variable:
        """Make a variable that belongs to this layer.

        Args:
            shape: () where None.
            initializer: "glorot_uniform" for floats and "zeros" for others where None.
            dtype: the layer's variable dtype where None.

        Raises:
            ValueError: if the shape has an unknown size, or the layer's state is locked because it is built.
        """
        if isinstance(shape, str):
            raise ValueError(
                f"add_weight: the first argument is the shape; pass the name as a keyword argument: name={shape!r}"
            )
        dtype = as_dtype(self.variable_dtype if dtype is None else dtype)
        default = "glorot_uniform" if is_float(dtype) else "zeros"
        initializer = initializers.get(default if initializer is None else initializer)
        with name_scope(self.name, caller=self):
            variable = Variable(
                initializer,
                shape=() if shape is None else shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        self._tracker.track(variable)
        if not self.trainable:
            variable.trainable = False
        return variable

    def add_variable(self, shape: Any, initializer: Any, **kwargs: Any) -> Variable:
        """`add_weight`, with a shape and an initializer."""
        return self.add_weight(shape, initializer, **kwargs)

    @property
    def _layers(self) -> list[Any]:
        return self._own_layers

    @_kept
    def _flatten_layers(self) -> list[Any]:
        """This layer and all below it, each once."""
        seen: dict[int, Any] = {}
        queue = [self]
        while queue:
            layer = queue.pop(0)
            if id(layer) not in seen:
                seen[id(layer)] = layer
                queue = list(layer._layers) + queue
        return list(seen.values())

    @property
    def trainable(self) -> bool:
        """Whether the optimizer may change the trainable variables here and below."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        structure.version += 1
        object.__setattr__(self, "_trainable", bool(value))
        for variable in self._own_variables:
            if variable.trainable_at_birth:
                variable.trainable = value
        for layer in self._own_layers:
            layer.trainable = value

    def _ordered_own(self) -> list[Variable]:
        born = [v for v in self._own_variables if v.trainable_at_birth]
        return born + [v for v in self._own_variables if not v.trainable_at_birth]

    @property
    @_kept
    def variables(self) -> list[Variable]:
        """All variables here and below, the states of seed generators included."""
        own = [*self._ordered_own(), *(s.state for s in self._own_seeds)]
        return _unique([*own, *(v for layer in self._layers for v in layer.variables)])

    @property
    @_kept
    def weights(self) -> list[Variable]:
        """All variables here and below but those of metrics and seed generators."""
        return _unique([*self._ordered_own(), *(v for layer in self._layers for v in layer.weights)])

    @property
    @_kept
    def trainable_variables(self) -> list[Variable]:
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    @_kept
    def non_trainable_variables(self) -> list[Variable]:
        return [v for v in self.variables if not v.trainable] if self.trainable else self.variables

    @property
    @_kept
    def trainable_weights(self) -> list[Variable]:
        return [v for v in self.weights if v.trainable] if self.trainable else []

    @property
    @_kept
    def non_trainable_weights(self) -> list[Variable]:
        return [v for v in self.weights if not v.trainable] if self.trainable else self.weights

    def _home(self) -> Device:
        """The device of the variables, the default one before there are any."""
        variables = self.variables
        return variables[0].device if variables else default_device()

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights as NumPy arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights from arrays in the order of `weights`.

        Raises:
            ValueError: if their number or a shape differs; nothing is changed then.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{len(weights)}, but the layer was expecting {len(own)} weights."
            )
        for variable, value in zip(own, weights):
            if tuple(np.shape(value)) != variable.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {variable.shape} is not compatible with provided weight shape "
                    f"{np.shape(value)}, for {variable.path!r}."
                )
        for variable, value in zip(own, weights):
            variable.assign(value)

    def count_params(self) -> int:
        """The number of scalars in the weights.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. Build it with "
                f"`layer.build(input_shape)` or by calling it."
            )
        return sum(math.prod(v.shape) for v in self.weights)

    def save_own_variables(self, store: Any) -> None:
        """Write this layer's own variables to a dict-like store, under their numbers."""
        for i, variable in enumerate(self._ordered_own()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote.

        Raises:
            ValueError: if the number of variables differs.
        """
        own = self._ordered_own()
        if len(store.keys()) != len(own):
            raise ValueError(
                f"Layer '{self.name}' expected {len(own)} variables, but received {len(store.keys())} variables "
                f"during loading. Expected: {[v.name for v in own]}"
            )
        for i, variable in enumerate(own):
            variable.assign(store[str(i)])
