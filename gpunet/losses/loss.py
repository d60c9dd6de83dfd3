"""`Loss`: a function of targets and predictions, with weights, masks and a reduction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpunet import config, ops, tree
from gpunet.autograd.tensor import Tensor
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.losses.reduction import apply_mask, reduce_values, same_rank, standardize_reduction
from gpunet.serialization import Catalog, deserialize, serialize
from gpunet.symbolic import KerasTensor
from gpunet.symbolic.operation import auto_name, snake_case

catalog = Catalog("loss", "keras.losses")


class Loss:
    """The base of losses; a subclass implements `call(y_true, y_pred)` with one value per sample or element.

    Args:
        reduction: "sum_over_batch_size" (the mean over all values, also with weights), "sum", "mean",
            "mean_with_sample_weight" (divided by the sum of the weights) or None.
        dtype: what values are computed in, `floatx()` where None.

    Raises:
        ValueError: on another reduction.
    """

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        self.name = name or auto_name(snake_case(type(self).__name__))
        self.reduction = standardize_reduction(reduction)
        self._dtype = as_dtype(getattr(dtype, "compute_dtype", dtype) or config.floatx())

    @property
    def dtype(self) -> str:
        return self._dtype.name

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss, a tensor.

        Args:
            sample_weight: broadcasts to the values, from the left: (batch,) weighs samples.
        """
        masks = [getattr(y, "_keras_mask", None) for y in (y_pred, y_true)]
        y_pred = tree.map_structure(self._convert, y_pred)
        home = getattr(next(iter(tree.flatten(y_pred)), None), "device", None)
        values = self.call(tree.map_structure(lambda y: self._convert_target(y, home), y_true), y_pred)
        mask = _common([*masks, getattr(values, "_keras_mask", None)])
        weight = apply_mask(sample_weight, mask, values, self.reduction)
        return reduce_values(values, weight, self.reduction)

    def _convert(self, x: Any) -> Any:
        x = x if isinstance(x, Tensor | KerasTensor) else Tensor(x)
        return x if x.dtype == self._dtype else ops.cast(x, self._dtype)

    def _convert_target(self, x: Any, home: Any) -> Any:
        """A tensor, of a plain array one on the device `home`; floats in the loss's dtype, integers (labels) as is."""
        x = x if isinstance(x, Tensor | KerasTensor) else Tensor(x, device=home)
        return ops.cast(x, self._dtype) if is_float(x.dtype) and x.dtype != self._dtype else x

    def call(self, y_true: Any, y_pred: Any) -> Any:
        raise NotImplementedError("A loss implements call(self, y_true, y_pred).")

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        return cls(**deserialize(config))


def _common(masks: list[Any]) -> Any:
    """True where every mask that there is holds; None if there is none."""
    given = [mask for mask in masks if mask is not None]
    return functools.reduce(ops.logical_and, given) if given else None


class LossFunctionWrapper(Loss):
    """A loss made of a function `(y_true, y_pred, **kwargs)`."""

    def __init__(
        self,
        fn: Callable,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name or getattr(fn, "__name__", None), reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if not tree.is_nested(y_true) and not tree.is_nested(y_pred):
            y_true, y_pred = same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"fn": serialize(self.fn)} | serialize(self._fn_kwargs)


class FunctionLoss(LossFunctionWrapper):
    """A named loss: a subclass sets `function`, and passes its own arguments to `__init__` as keywords."""

    function: Callable

    def __init__(self, reduction: str | None, name: str | None, dtype: Any, **kwargs: Any):
        super().__init__(type(self).function, reduction, name, dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return Loss.get_config(self) | self._fn_kwargs


class PlainLoss(FunctionLoss):
    """A named loss without arguments of its own, called like its function."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None):
        super().__init__(reduction, name, dtype)
