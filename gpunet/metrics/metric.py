"""`Metric`: a quantity accumulated over batches, on the device, and read when something shows it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from gpunet import config, dtype_policies, initializers, losses, ops, tree
from gpunet.autograd.stateless import holding
from gpunet.autograd.tape import no_grad
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import Variable, name_scope
from gpunet.backend.dtypes import as_dtype
from gpunet.losses.reduction import align_weight
from gpunet.ops.operands import operand
from gpunet.serialization import Catalog, deserialize, serialize
from gpunet.symbolic import KerasTensor
from gpunet.symbolic.operation import auto_name, snake_case

catalog = Catalog("metric", "keras.metrics")


class Metric:
    """The base of metrics; a subclass implements `update_state` and `result`.

    Variables made with `add_variable` (or assigned as attributes) start at their initial value again in `reset_state`.
    """

    _direction: str | None = None  # "up" where more is better, "down" where less is, for callbacks that compare

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or auto_name(snake_case(type(self).__name__))
        self._dtype_policy = dtype_policies.get(dtype or config.floatx())
        self._dtype = self._dtype_policy.compute_dtype
        self._variables: list[Variable] = []
        self._initial: list[Any] = []
        self._metrics: list[Metric] = []

    @property
    def dtype(self) -> str:
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *(v for metric in self._metrics for v in metric.variables)]

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """A variable of this metric."""
        initializer = initializers.get(initializer)
        dtype = as_dtype(self.dtype if dtype is None else dtype)
        with name_scope(self.name):
            variable = Variable(
                initializer, shape=shape, dtype=dtype, trainable=False, aggregation=aggregation, name=name
            )
        self._variables.append(variable)
        self._initial.append(initializer)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """The same under its older name, a scalar if no shape is given."""
        return self.add_variable(shape, initializer, dtype=dtype, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in ("_metrics", "_variables", "_initial"):
            return
        for item in tree.flatten(value) if isinstance(value, list | tuple | dict) else [value]:
            if isinstance(item, Metric):
                self._metrics.append(item)
            elif isinstance(item, Variable) and not any(item is v for v in self._variables):
                self._variables.append(item)
                self._initial.append(initializers.Constant(item.numpy()))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Accumulate a batch."""
        raise NotImplementedError("A metric implements update_state(self, ...).")

    def result(self) -> Any:
        """The value so far: a scalar tensor or a dict of them."""
        raise NotImplementedError("A metric implements result(self).")

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The variables' values after a batch, from the given ones; the metric itself stays as it is.

        Raises:
            ValueError: if there are not as many values as variables.
        """
        with self._holding(metric_variables):
            self.update_state(*args, **kwargs)
            return [v.detach() for v in self.variables]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The result that these values of the variables give."""
        with self._holding(metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list[Any]:
        """The values that `reset_state` would give the variables."""
        with self._holding([v.detach() for v in self.variables]):
            self.reset_state()
            return [v.detach() for v in self.variables]

    def _holding(self, values: Sequence[Any]) -> AbstractContextManager:
        if len(values) != len(self.variables):
            raise ValueError(
                f"Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"{type(self).__name__}().variables. Received list with length {len(values)}, but expected "
                f"{len(self.variables)} variables."
            )
        return holding(self.variables, values)

    def reset_state(self) -> None:
        """Start from the beginning."""
        for variable, initializer in zip(self._variables, self._initial):
            variable.assign(initializer(variable.shape, dtype=variable.dtype))
        for metric in self._metrics:
            metric.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Accumulate a batch and return the value so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        return cls(**deserialize(config))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class _Weighted(Metric):
    """A metric with a running total of weighted values."""

    def __init__(self, name: str | None, dtype: Any):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def _weighted(self, values: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Values and weights in the metric's dtype; the weight is None where every value counts once.

        A number stays one: as an array it would have to be copied to the device.
        """
        mask = getattr(values, "_keras_mask", None)
        values = ops.cast(operand(values), self.dtype)
        if sample_weight is not None and not isinstance(sample_weight, int | float):
            sample_weight = align_weight(sample_weight, values)
            if (
                mask is not None
            ):  # without weights the values that a mask leaves out are zeros, which count, as in Keras
                sample_weight = sample_weight * align_weight(mask, values)
        return values, sample_weight


def _tensor(x: Any) -> Any:
    return x if isinstance(x, Tensor | KerasTensor) else ops.convert_to_tensor(x)


class Sum(_Weighted):
    """The weighted sum of values."""

    def __init__(self, name: str = "sum", dtype: Any = None):
        super().__init__(name, dtype)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        with no_grad():
            values, weight = self._weighted(values, sample_weight)
            self.total.assign_add(ops.sum(values if weight is None else values * weight))

    def result(self) -> Tensor:
        return self.total.value


class Mean(_Weighted):
    """The weighted mean of values."""

    def __init__(self, name: str = "mean", dtype: Any = None):
        super().__init__(name, dtype)
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        with no_grad():
            values, weight = self._weighted(values, sample_weight)
            self.total.assign_add(ops.sum(values if weight is None else values * weight))
            if weight is None or isinstance(weight, int | float):
                self.count.assign_add(float(values.size if weight is None else values.size * weight))
                return
            self.count.assign_add(ops.sum(ops.broadcast_to(weight, values.shape)))

    def result(self) -> Tensor:
        return ops.divide_no_nan(self.total, self.count)


class MeanMetricWrapper(Mean):
    """The weighted mean of a function `(y_true, y_pred, **kwargs)` with one value per sample."""

    def __init__(self, fn: Any, name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=str(name or getattr(fn, "__name__", "mean_metric")), dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        if self._direction is None and losses.catalog.entries.get(getattr(fn, "__name__", "")) is fn:
            self._direction = "down"

    def get_config(self) -> dict[str, Any]:
        own = type(self) is MeanMetricWrapper  # a subclass chooses the function itself
        return super().get_config() | ({"fn": serialize(self._fn)} | serialize(self._fn_kwargs) if own else {})

    def update_state(  # type: ignore[override]  # as in Keras: other values than those of Mean
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        mask = getattr(y_pred, "_keras_mask", None)
        with no_grad():
            y_pred = tree.map_structure(_tensor, y_pred)  # whose values can have a mask
            values = self._fn(y_true, y_pred, **self._fn_kwargs)
            if mask is not None and sample_weight is not None:
                sample_weight = align_weight(sample_weight, ops.cast(mask, self.dtype)) * ops.cast(mask, self.dtype)
            elif mask is not None:
                sample_weight = mask
            super().update_state(values, sample_weight)
