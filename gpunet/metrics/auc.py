"""The area under a curve of two rates at many thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import config, ops
from gpunet.metrics.confusion import Confusion, evenly_spaced
from gpunet.metrics.metric import catalog
from gpunet.ops.operands import operand

CURVES = ("ROC", "PR", "PRGAIN")
SUMMATIONS = ("interpolation", "minoring", "majoring")


class AUC(Confusion):
    """The area under the curve of true against false positive rate, or of precision against recall.

    Args:
        num_thresholds: at so many evenly spaced thresholds.
        curve: "ROC", "PR" or "PRGAIN" (Flach and Kull, NeurIPS 2015).
        summation_method: "interpolation", "minoring" or "majoring": the height of the curve between two thresholds.
        thresholds: these, 0 and 1, rather than evenly spaced ones.
        multi_label: one curve for each label (column), and the mean of the areas.
        num_labels: with `multi_label`, to have the variables before the first update.
        label_weights: weights of the labels.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: on another curve or summation, fewer than two thresholds, or `num_labels` without `multi_label`.
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ):
        if str(curve).upper() not in CURVES:
            raise ValueError(f'Invalid AUC curve value: "{curve}". Expected values are {list(CURVES)}')
        if str(summation_method).lower() not in SUMMATIONS:
            raise ValueError(
                f'Invalid AUC summation method value: "{summation_method}". Expected values are {list(SUMMATIONS)}'
            )
        if num_labels and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
            )
        self.curve = str(curve).upper()
        self.summation_method = str(summation_method).lower()
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = label_weights
        self.from_logits = from_logits
        self.given = None if thresholds is None else sorted(thresholds)
        inner = evenly_spaced(num_thresholds)[1:-1] if self.given is None else self.given
        self.num_thresholds = len(inner) + 2
        edge = config.epsilon()  # so that 0 is above the first and 1 below the last
        super().__init__([-edge, *inner, 1.0 + edge], name, dtype)

    def _add_counts(self, shape: tuple[int, ...]) -> None:
        if not self.multi_label:
            super()._add_counts(shape)
        elif self.num_labels:
            super()._add_counts((*shape, self.num_labels))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = operand(y_pred)
        if self.multi_label and not self._variables:
            if len(y_pred.shape) != 2:
                raise ValueError(
                    f"`y_pred` must have rank 2 when `multi_label=True`. Received: y_pred.shape={y_pred.shape}"
                )
            super()._add_counts((self.num_thresholds, y_pred.shape[1]))
        super().update_state(y_true, ops.sigmoid(y_pred) if self.from_logits else y_pred, sample_weight)

    def _kept_axes(self) -> int:
        return 2 if self.multi_label else 1

    def _flat(self, x: Any) -> Any:
        return ops.expand_dims(x, 0) if self.multi_label else super()._flat(x)

    def _count(self, y_true: Any, y_pred: Any, weight: Any, limits: Any) -> None:
        if self.label_weights is not None and not self.multi_label:
            of_labels = ops.broadcast_to(ops.convert_to_tensor(np.array(self.label_weights, self.dtype)), y_pred.shape)
            weight = of_labels if weight is None else weight * of_labels
        super()._count(y_true, y_pred, weight, limits)

    def result(self) -> Any:
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._of_labels(self._interpolated_pr())
        x, y = self._points()
        middle = {
            "interpolation": lambda a, b: (a + b) / 2.0,
            "minoring": ops.minimum,
            "majoring": ops.maximum,
        }[self.summation_method]
        return self._of_labels((x[:-1] - x[1:]) * middle(y[:-1], y[1:]))

    def _points(self) -> tuple[Any, Any]:
        true, false = self.true_positives, self.false_positives
        recall = ops.divide_no_nan(true, true + self.false_negatives)
        if self.curve == "ROC":
            return ops.divide_no_nan(false, false + self.true_negatives), recall
        if self.curve == "PR":
            return recall, ops.divide_no_nan(true, true + false)
        odds = ops.divide_no_nan(true + self.false_negatives, self.true_negatives + false)
        none = ops.equal(true, 0.0)
        gains = [1.0 - odds * ops.divide_no_nan(x, true) for x in (self.false_negatives, false)]
        return ops.maximum(ops.where(none, 0.0, gains[0]), 0.0), ops.where(none, 1.0, gains[1])

    def _interpolated_pr(self) -> Any:
        """Areas in which both counts, not precision, go in straight lines (Davis and Goadrich, 2006)."""
        true = self.true_positives
        claimed = true + self.false_positives
        rise = true[:-1] - true[1:]
        slope = ops.divide_no_nan(rise, ops.maximum(claimed[:-1] - claimed[1:], 0.0))
        intercept = true[1:] - slope * claimed[1:]
        both = ops.logical_and(claimed[:-1] > 0, claimed[1:] > 0)
        ratio = ops.where(both, ops.divide_no_nan(claimed[:-1], ops.maximum(claimed[1:], 0.0)), 1.0)
        positives = ops.maximum(true[1:] + self.false_negatives[1:], 0.0)
        return ops.divide_no_nan(slope * (rise + intercept * ops.log(ratio)), positives)

    def _of_labels(self, areas: Any) -> Any:
        total = ops.sum(areas, axis=0)
        if not self.multi_label:
            return total
        if self.label_weights is None:
            return ops.mean(total)
        weights = ops.cast(ops.convert_to_tensor(self.label_weights), self.dtype)
        return ops.divide_no_nan(ops.sum(total * weights), ops.sum(weights))

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        return super().get_config() | own | ({} if self.given is None else {"thresholds": self.given})


catalog.add(AUC)
