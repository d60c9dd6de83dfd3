"""Several optimizers, each for some of the variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

from gpunet.autograd.variable import Variable
from gpunet.optimizers.loss_scale_optimizer import LossScaleOptimizer
from gpunet.optimizers.optimizer import Optimizer, catalog
from gpunet.serialization import deserialize, serialize


class OptimizerMap(MutableMapping):
    """The optimizer of a variable by its path: an exact key, else a pattern that all of it matches, else the default.

    Raises:
        TypeError: if the default is no optimizer, or the map no dict.
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"default_optimizer must be a Keras Optimizer instance. Received: {default_optimizer}")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dictionary. Received: {optimizer_map}")
        self.default_optimizer = default_optimizer
        self._optimizer_map = optimizer_map or {}

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matching = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {key}. Received: {matching}")
        return self._optimizer_map[matching[0]] if matching else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._optimizer_map:
            raise ValueError(
                f"'{key}' already exists in the OptimizerMap with value {self._optimizer_map[key]}. Please make sure "
                f"to not use duplicated keys."
            )
        if not isinstance(key, str):
            raise ValueError(f"key must be a string. Received: {key}")
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"optimizer must be a Keras Optimizer instance. Received: {optimizer}")
        for kind in (LossScaleOptimizer, MultiOptimizer):
            if isinstance(optimizer, kind):
                raise ValueError(f"optimizer cannot be {kind.__name__}. Received: {optimizer!r}")
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Variable) -> Optimizer:
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        found = {"default_optimizer": self.default_optimizer, "optimizer_map": self._optimizer_map}
        return {key: serialize(value) for key, value in found.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> OptimizerMap:
        return cls(**{key: deserialize(value, custom_objects) for key, value in config.items()})


class MultiOptimizer(Optimizer):
    """Hands each variable to an optimizer of its own; what these have, such as learning rates, is in `optimizers`.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from a variable to its optimizer.
        loss_scale_factor: takes the place of that of the optimizers.
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ):
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        self.optimizers: list[Optimizer] = []
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._add(optimizer)

    def _chosen(self, variable: Variable) -> int:
        """The number of the variable's optimizer."""
        optimizer = self._optimizer_map(variable)
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"Each variable needs an Optimizer instance. Received: {optimizer!r} for {variable.path}")
        for kind in (LossScaleOptimizer, MultiOptimizer):
            if isinstance(optimizer, kind):
                raise ValueError(f"{kind.__name__} cannot be used inside an MultiOptimizer. Received: {optimizer!r}")
        return self._add(optimizer)

    def _add(self, optimizer: Optimizer) -> int:
        """The number of an optimizer, which becomes one of these if it is not."""
        if not any(optimizer is known for known in self.optimizers):
            optimizer.loss_scale_factor = self.loss_scale_factor
            self.optimizers.append(optimizer)
        return next(i for i, known in enumerate(self.optimizers) if known is optimizer)

    @property
    def loss_scale_factor(self) -> float | None:
        """That of all the optimizers."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for optimizer in self.__dict__.get("optimizers", ()):
            optimizer.loss_scale_factor = value

    def build(self, variables: Iterable[Variable]) -> None:
        if self.built:
            return
        variables = list(variables)
        self._index = {id(v): self._chosen(v) for v in variables}
        for i, optimizer in enumerate(self.optimizers):
            own = [v for v in variables if self._index[id(v)] == i]
            if own:
                optimizer.build(own)
        self._trainable_variables = variables
        self.built = True

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *(v for optimizer in self.optimizers for v in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """There is none: the optimizers have theirs."""
        raise AttributeError(
            "Learning rate cannot be accessed on a MultiOptimizer. Access the learning rate on the individual "
            "sub-optimizers instead."
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            "Learning rate cannot be set on a MultiOptimizer. Set the learning rate on the individual sub-optimizers "
            "instead."
        )

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables, each by its optimizer; errors as in `Optimizer.apply`."""
        grads = list(grads)
        if not grads:
            return
        variables = self._checked_variables(grads, trainable_variables)
        if self.loss_scaling is not None:
            raise ValueError("LossScaleOptimizer cannot be used around a MultiOptimizer: an inf must stop all updates.")
        for i, optimizer in enumerate(self.optimizers):
            own = [(g, v) for g, v in zip(grads, variables) if self._index[id(v)] == i]
            if any(g is not None for g, _ in own):
                optimizer.apply([g for g, _ in own], [v for _, v in own])
        self.iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        variables = list(var_list)
        for i, optimizer in enumerate(self.optimizers):
            optimizer.finalize_variable_values([v for v in variables if self._index[id(v)] == i])

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialize(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MultiOptimizer:
        return cls(**config | {"optimizer_map": deserialize(config["optimizer_map"])})


catalog.add(OptimizerMap)
catalog.add(MultiOptimizer)
