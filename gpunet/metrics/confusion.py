"""Counts of right and wrong decisions at thresholds, and what follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import ops
from gpunet.autograd.tape import no_grad
from gpunet.autograd.variable import Variable
from gpunet.losses.reduction import same_rank
from gpunet.metrics.metric import Metric, catalog
from gpunet.ops.operands import operand

COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")
_NOTHING = -1e10  # below every threshold


def parse_thresholds(thresholds: Any, default: float) -> list[float]:
    """Thresholds as a list.

    Raises:
        ValueError: if one is outside [0, 1].
    """
    if thresholds is None:
        return [default]
    found = list(thresholds) if isinstance(thresholds, list | tuple) else [thresholds]
    bad = [t for t in found if t is None or not 0 <= t <= 1]
    if bad:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {bad}")
    return found


def evenly_spaced(count: int) -> list[float]:
    """`count` thresholds from 0 to 1, or ½ alone."""
    return [0.5] if count == 1 else [i / (count - 1) for i in range(count)]


def top_k_only(y_pred: Any, k: int) -> Any:
    """Predictions other than the k largest of the last axis become far too small to count."""
    _, best = ops.top_k(y_pred, k)
    kept = ops.sum(ops.one_hot(best, y_pred.shape[-1], dtype=y_pred.dtype), axis=-2)
    return y_pred * kept + _NOTHING * (1.0 - kept)


class Confusion(Metric):
    """A metric of counts at thresholds; a subclass names those that it needs in `counts`."""

    counts: tuple[str, ...] = COUNTS
    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def __init__(
        self,
        thresholds: Any,
        name: str | None,
        dtype: Any,
        top_k: int | None = None,
        class_id: int | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self._limits = np.array(thresholds, self.dtype)
        self._add_counts((len(thresholds),))

    def _add_counts(self, shape: tuple[int, ...]) -> None:
        for count in self.counts:
            setattr(self, count, self.add_variable(shape, "zeros", name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        with no_grad():
            y_pred, y_true = operand(y_pred), operand(y_true)
            home = getattr(y_pred, "device", None)
            y_true, y_pred = same_rank(ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype))
            if self.top_k is not None:
                y_pred = top_k_only(y_pred, self.top_k)
            if self.class_id is not None:
                if len(y_pred.shape) == 1:
                    raise ValueError(
                        f"When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), "
                        f"found shape: {tuple(y_pred.shape)}"
                    )
                y_true, y_pred = y_true[..., self.class_id, None], y_pred[..., self.class_id, None]
            weight = None if sample_weight is None else self._weight(sample_weight, y_pred)
            limits = ops.reshape(ops.convert_to_tensor(self._limits), (-1, *[1] * self._kept_axes()))
            limits = limits if home is None else ops.to_device(limits, home)
            self._count(y_true, y_pred, weight, limits)

    def _kept_axes(self) -> int:
        """Axes behind the thresholds' while comparing: all values in one."""
        return 1

    def _flat(self, x: Any) -> Any:
        """Values with an axis of size 1 for the thresholds in front."""
        return ops.reshape(x, (1, -1))

    def _weight(self, weight: Any, y_pred: Any) -> Any:
        weight = ops.cast(operand(weight), self.dtype)
        missing = len(y_pred.shape) - len(weight.shape)
        weight = ops.reshape(weight, (*weight.shape, *[1] * missing)) if weight.shape and missing > 0 else weight
        return ops.broadcast_to(weight, y_pred.shape)

    def _count(self, y_true: Any, y_pred: Any, weight: Any, limits: Any) -> None:
        yes = self._flat(ops.cast(ops.not_equal(y_true, 0), self.dtype))
        says_yes = ops.cast(ops.greater(self._flat(y_pred), limits), self.dtype)
        weight = 1.0 if weight is None else self._flat(weight)
        values = {
            "true_positives": lambda: yes * says_yes,
            "false_positives": lambda: (1.0 - yes) * says_yes,
            "true_negatives": lambda: (1.0 - yes) * (1.0 - says_yes),
            "false_negatives": lambda: yes * (1.0 - says_yes),
        }
        for count in self.counts:
            getattr(self, count).assign_add(ops.sum(values[count]() * weight, axis=1))

    def _single(self, values: Any) -> Any:
        """A scalar where there is one threshold."""
        return values[0] if len(self.thresholds) == 1 else values


class _Count(Confusion):
    """One of the counts, as it is."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        self.init_thresholds = thresholds
        super().__init__(parse_thresholds(thresholds, 0.5), name, dtype)

    def result(self) -> Any:
        return self._single(getattr(self, self.counts[0]).value)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"thresholds": self.init_thresholds}


class TruePositives(_Count):
    """The number of predictions above a threshold whose label is 1."""

    counts = ("true_positives",)


class FalsePositives(_Count):
    """The number of predictions above a threshold whose label is 0."""

    counts = ("false_positives",)


class TrueNegatives(_Count):
    """The number of predictions up to a threshold whose label is 0."""

    counts = ("true_negatives",)


class FalseNegatives(_Count):
    """The number of predictions up to a threshold whose label is 1."""

    counts = ("false_negatives",)


class _Share(Confusion):
    """The share of true positives in the sum of both counts."""

    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        self.init_thresholds = thresholds
        found = parse_thresholds(thresholds, 0.5 if top_k is None else _NOTHING)
        super().__init__(found, name, dtype, top_k, class_id)

    def result(self) -> Any:
        true, other = (getattr(self, count) for count in self.counts)
        return self._single(ops.divide_no_nan(true, true + other))

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return super().get_config() | own


class Precision(_Share):
    """The share of the predictions above a threshold whose label is 1.

    Args:
        thresholds: one or several, ½ where None.
        top_k: count the k largest predictions of each sample, instead of those above a threshold.
        class_id: look at one class only.
    """

    counts = ("true_positives", "false_positives")


class Recall(_Share):
    """The share of the labels 1 whose prediction is above a threshold; arguments as for `Precision`."""

    counts = ("true_positives", "false_negatives")


class _Best(Confusion):
    """The best of one rate at the thresholds where another one is at least `bound`."""

    _direction = "up"

    bound_name: str

    def __init__(
        self,
        bound: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        if not 0 <= bound <= 1:
            what = self.bound_name
            raise ValueError(f"Argument `{what}` must be in the range [0, 1]. Received: {what}={bound}")
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self.value = bound
        setattr(self, self.bound_name, bound)
        self.num_thresholds = num_thresholds
        super().__init__(evenly_spaced(num_thresholds), name, dtype, class_id=class_id)

    def rates(self) -> tuple[Any, Any]:
        """What is bounded, and what is wanted large, at each threshold."""
        raise NotImplementedError

    def _rate(self, part: Any, other: Any) -> Any:
        return ops.divide_no_nan(part, part + other)

    def result(self) -> Any:
        bounded, wanted = self.rates()
        return ops.max(ops.where(ops.greater_equal(bounded, self.value), wanted, 0.0))

    def get_config(self) -> dict[str, Any]:
        own = {"num_thresholds": self.num_thresholds, "class_id": self.class_id, self.bound_name: self.value}
        return super().get_config() | own

    def _sensitivity(self) -> Any:
        return self._rate(self.true_positives, self.false_negatives)

    def _specificity(self) -> Any:
        return self._rate(self.true_negatives, self.false_positives)

    def _precision(self) -> Any:
        return self._rate(self.true_positives, self.false_positives)


class SensitivityAtSpecificity(_Best):
    """The largest share of labels 1 found where at least `specificity` of the labels 0 are told."""

    bound_name = "specificity"

    def __init__(self, specificity: float, *arguments: Any, **options: Any):
        super().__init__(specificity, *arguments, **options)

    def rates(self) -> tuple[Any, Any]:
        return self._specificity(), self._sensitivity()


class SpecificityAtSensitivity(_Best):
    """The largest share of labels 0 told where at least `sensitivity` of the labels 1 are found."""

    bound_name = "sensitivity"

    def __init__(self, sensitivity: float, *arguments: Any, **options: Any):
        super().__init__(sensitivity, *arguments, **options)

    def rates(self) -> tuple[Any, Any]:
        return self._sensitivity(), self._specificity()


class PrecisionAtRecall(_Best):
    """The largest precision where recall is at least `recall`."""

    bound_name = "recall"

    def __init__(self, recall: float, *arguments: Any, **options: Any):
        super().__init__(recall, *arguments, **options)

    def rates(self) -> tuple[Any, Any]:
        return self._sensitivity(), self._precision()


class RecallAtPrecision(_Best):
    """The largest recall where precision is at least `precision`."""

    bound_name = "precision"

    def __init__(self, precision: float, *arguments: Any, **options: Any):
        super().__init__(precision, *arguments, **options)

    def rates(self) -> tuple[Any, Any]:
        return self._precision(), self._sensitivity()


for _cls in (
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
    Precision,
    Recall,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    PrecisionAtRecall,
    RecallAtPrecision,
):
    catalog.add(_cls)
