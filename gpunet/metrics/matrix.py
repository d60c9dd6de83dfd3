"""Metrics of the confusion matrix: itself, accuracy per class, and intersection over union."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from gpunet import config, ops
from gpunet.autograd.tape import no_grad
from gpunet.metrics.metric import Metric, catalog
from gpunet.ops.operands import operand


class _Matrix(Metric):
    """A metric of `total_cm`, where element (i, j) counts the samples of class i that were taken for j.

    Args:
        num_classes: labels are 0 … num_classes − 1; samples with others do not count.
        ignore_class: a label whose samples do not count.
        sparse_y_true, sparse_y_pred: whether targets and predictions are class numbers, else the largest along `axis`.
    """

    _direction: str | None = "up"

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(name=name, dtype=dtype or "int32")
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable((num_classes, num_classes), "zeros", name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        with no_grad():
            y_true = self._classes(operand(y_true), self.sparse_y_true)
            y_pred = self._classes(operand(y_pred), self.sparse_y_pred)
            counts = ops.logical_and(y_true >= 0, y_true < self.num_classes)
            counts = ops.logical_and(counts, ops.logical_and(y_pred >= 0, y_pred < self.num_classes))
            if self.ignore_class is not None:
                counts = ops.logical_and(counts, ops.not_equal(y_true, self.ignore_class))
            weight = ops.cast(counts, self.dtype)
            if sample_weight is not None:
                weight = weight * self._flat_weight(operand(sample_weight), y_true)
            rows = self._one_hot(ops.where(counts, y_true, 0)) * ops.expand_dims(weight, 1)
            columns = self._one_hot(ops.where(counts, y_pred, 0))
            self.total_cm.assign_add(ops.matmul(ops.transpose(rows), columns))

    def _classes(self, y: Any, sparse: bool) -> Any:
        """Class numbers of shape (samples,)."""
        return ops.reshape(ops.cast(y if sparse else ops.argmax(y, axis=self.axis), "int32"), (-1,))

    def _flat_weight(self, weight: Any, y_true: Any) -> Any:
        if "float" in str(weight.dtype) and "int" in self.dtype:
            warnings.warn(
                "You are passing weight as `float`, but dtype is `int`. This may result in an incorrect weight due to "
                "type casting. Consider using integer weights.",
                stacklevel=4,
            )
        weight = ops.cast(weight, self.dtype)
        return ops.broadcast_to(ops.reshape(weight, (-1,)) if len(weight.shape) > 1 else weight, y_true.shape)

    def _one_hot(self, classes: Any) -> Any:
        return ops.one_hot(classes, self.num_classes, dtype=self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return super().get_config() | {name: getattr(self, name) for name in own}


class ConfusionMatrix(_Matrix):
    """How many samples of each class (row) were taken for each class (column).

    In logs it is a matrix; `PerClassAccuracy` has its diagonal as numbers.

    Args:
        num_classes: the number of classes.
        normalize: "true" divides each row by the samples of its class, "pred" each column, "all" by all samples.
        sparse_y_true: whether targets are class numbers; else one-hot.
        sparse_y_pred: whether predictions are class numbers; else scores, of which the largest counts.

    Raises:
        ValueError: on another `normalize`.
    """

    _direction = None

    def __init__(
        self,
        num_classes: int,
        normalize: str | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        name: str = "confusion_matrix",
        dtype: Any = None,
    ):
        if normalize not in (None, "true", "pred", "all"):
            raise ValueError(f"normalize must be None, 'true', 'pred' or 'all'. Received: normalize={normalize!r}")
        super().__init__(num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)
        self.normalize = normalize

    def result(self) -> Any:
        if self.normalize is None:
            return self.total_cm.value
        matrix = ops.cast(self.total_cm, config.floatx())
        total = ops.sum(matrix, axis={"true": 1, "pred": 0, "all": None}[self.normalize], keepdims=True)
        return ops.divide_no_nan(matrix, total)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"normalize": self.normalize}


class PerClassAccuracy(_Matrix):
    """The share of each class's samples that were taken for it: one number per class in the logs.

    Args:
        classes: their number, or their names.
        sparse_y_true: whether targets are class numbers; else one-hot.
        sparse_y_pred: whether predictions are class numbers; else scores, of which the largest counts.
    """

    def __init__(
        self,
        classes: int | Sequence[str],
        sparse_y_true: bool = True,
        sparse_y_pred: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        name: str = "accuracy",
        dtype: Any = None,
    ):
        self.classes = classes if isinstance(classes, int) else list(classes)
        self._names = list(map(str, range(classes) if isinstance(classes, int) else classes))
        super().__init__(len(self._names), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def result(self) -> dict[str, Any]:
        """`{"accuracy_<class>": share}`, with the metric's name in front."""
        matrix = ops.cast(self.total_cm, config.floatx())
        shares = ops.divide_no_nan(ops.diagonal(matrix), ops.sum(matrix, axis=1))
        return {f"{self.name}_{name}": shares[i] for i, name in enumerate(self._names)}

    def get_config(self) -> dict[str, Any]:
        found = super().get_config() | {"classes": self.classes}
        return {key: value for key, value in found.items() if key != "num_classes"}


class IoU(_Matrix):
    """Intersection over union: TP / (TP + FP + FN), the mean of the classes `target_class_ids` that occur.

    Args:
        num_classes: labels are 0 … num_classes − 1; samples with others do not count.
        target_class_ids: the classes whose mean is wanted.
        ignore_class: a label whose samples do not count.
        sparse_y_true, sparse_y_pred: whether targets and predictions are class numbers, else the largest along `axis`.

    Raises:
        ValueError: if there is no such class.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"Target class id {max(target_class_ids)} is out of range, which is [0, {num_classes}). "
                f"Received: target_class_ids={target_class_ids}"
            )
        super().__init__(num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)
        self.target_class_ids = list(target_class_ids)

    def result(self) -> Any:
        matrix = ops.cast(self.total_cm, "float32")
        both = ops.diagonal(matrix)
        either = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - both
        both, either = (ops.take(x, self.target_class_ids, axis=0) for x in (both, either))
        occurs = ops.cast(either > 1e-9, "float32")
        share = occurs * both / (either + config.epsilon())
        return ops.sum(share) / (ops.sum(occurs) + config.epsilon())

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"target_class_ids": self.target_class_ids}

    def _without(self, *names: str) -> dict[str, Any]:
        """The configuration of a subclass that sets these arguments itself."""
        return {key: value for key, value in IoU.get_config(self).items() if key not in names}


class BinaryIoU(IoU):
    """`IoU` of the classes 0 and 1, into which predictions fall below and from `threshold`."""

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = operand(y_pred)
        super().update_state(y_true, ops.cast(y_pred >= self.threshold, "int32"), sample_weight)

    def get_config(self) -> dict[str, Any]:
        fixed = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return self._without(*fixed) | {"threshold": self.threshold}


class MeanIoU(IoU):
    """The mean of `IoU` over all classes that occur; arguments as there."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._without("target_class_ids")


class OneHotIoU(IoU):
    """`IoU` for one-hot targets, and predictions that are scores unless `sparse_y_pred`."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._without("sparse_y_true")


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot targets, and predictions that are scores unless `sparse_y_pred`."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._without("target_class_ids", "sparse_y_true")


for _cls in (ConfusionMatrix, PerClassAccuracy, IoU, BinaryIoU, MeanIoU, OneHotIoU, OneHotMeanIoU):
    catalog.add(_cls)
