"""Scores of whole columns: F and R²."""

from __future__ import annotations

from typing import Any

from gpunet import config, ops
from gpunet.autograd.tape import no_grad
from gpunet.autograd.variable import Variable
from gpunet.losses.reduction import same_rank
from gpunet.metrics.metric import Metric, catalog
from gpunet.ops.operands import operand


def _check_matrices(what: str, y_true_shape: Any, y_pred_shape: Any) -> None:
    defined = None not in (y_pred_shape[-1], y_true_shape[-1])
    if len(y_pred_shape) != 2 or len(y_true_shape) != 2 or not defined:
        raise ValueError(
            f"{what} expects 2D inputs with shape (batch_size, output_dim)"
            f"{'' if defined else ', with output_dim fully defined (not None)'}. "
            f"Received input shapes: y_pred.shape={y_pred_shape} and y_true.shape={y_true_shape}."
        )


def _check_float(name: str, value: Any) -> None:
    if not isinstance(value, float):
        raise ValueError(
            f"Invalid `{name}` argument value. It should be a Python float. "
            f"Received: {name}={value} of type '{type(value)}'"
        )


class FBetaScore(Metric):
    """(1 + β²)·precision·recall / (β²·precision + recall), for each class or averaged.

    Args:
        average: None for a score per class; "micro" counts all classes together, "macro" averages the scores,
            "weighted" by the number of labels.
        beta: how much more recall matters than precision.
        threshold: above it a prediction is a yes; where None, the largest of each sample is.

    Raises:
        ValueError: on other values.
    """

    _direction = "up"

    true_positives: Variable
    false_positives: Variable
    false_negatives: Variable
    intermediate_weights: Variable

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"Invalid `average` argument value. Expected one of: {{None, 'micro', 'macro', 'weighted'}}. "
                f"Received: average={average}"
            )
        _check_float("beta", beta)
        if beta <= 0.0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: beta={beta}")
        if threshold is not None:
            _check_float("threshold", threshold)
            if not 0.0 < threshold <= 1.0:
                raise ValueError(
                    f"Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                    f"Received: threshold={threshold}"
                )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0

    def _build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        _check_matrices("FBetaScore", y_true_shape, y_pred_shape)
        classes = y_pred_shape[-1]
        shape = () if self.axis is None else (classes,)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(shape, "zeros", name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        with no_grad():
            y_true, y_pred = (ops.cast(operand(y), self.dtype) for y in (y_true, y_pred))
            if not self._variables:
                self._build(y_true.shape, y_pred.shape)
            yes = ops.cast(self._decided(y_pred), self.dtype)
            weight = 1.0 if sample_weight is None else ops.expand_dims(ops.cast(operand(sample_weight), self.dtype), 1)
            for total, values in (
                (self.true_positives, yes * y_true),
                (self.false_positives, yes * (1.0 - y_true)),
                (self.false_negatives, (1.0 - yes) * y_true),
                (self.intermediate_weights, y_true),
            ):
                total.assign_add(ops.sum(values * weight, axis=self.axis))

    def _decided(self, y_pred: Any) -> Any:
        if self.threshold is not None:
            return y_pred > self.threshold
        largest = ops.max(y_pred, axis=-1, keepdims=True)
        return ops.logical_and(y_pred >= largest, ops.absolute(y_pred) > 1e-9)

    def result(self) -> Any:
        epsilon, factor = config.epsilon(), self.beta**2
        precision = self.true_positives / (self.true_positives + self.false_positives + epsilon)
        recall = self.true_positives / (self.true_positives + self.false_negatives + epsilon)
        score = precision * recall / (factor * precision + recall + epsilon) * (1.0 + factor)
        if self.average == "weighted":
            return ops.sum(score * self.intermediate_weights / (ops.sum(self.intermediate_weights) + epsilon))
        return score if self.average is None else ops.mean(score)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"average": self.average, "beta": self.beta, "threshold": self.threshold}


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; arguments as for `FBetaScore`."""

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score", dtype: Any = None
    ):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "beta"}


AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """1 − the squared errors over the variance of the targets: 1 where all is explained.

    Args:
        class_aggregation: the mean over columns, "uniform_average" or "variance_weighted_average"; None for a list.
        num_regressors: adjusts the score for so many explaining variables.

    Raises:
        ValueError: on other values.
    """

    _direction = "up"

    squared_sum: Variable
    sum: Variable
    total_mse: Variable
    count: Variable

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in AGGREGATIONS:
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Expected one of {AGGREGATIONS}. "
                f"Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                f"Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={num_regressors}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")

    def _build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        _check_matrices("R2Score", y_true_shape, y_pred_shape)
        columns = y_pred_shape[-1]
        for attribute, name in (("squared_sum",) * 2, ("sum",) * 2, ("total_mse", "residual"), ("count",) * 2):
            setattr(self, attribute, self.add_variable((columns,), "zeros", name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        with no_grad():
            y_true, y_pred = same_rank(*(ops.cast(operand(y), self.dtype) for y in (y_true, y_pred)))
            if len(self._variables) == 1:
                self._build(y_true.shape, y_pred.shape)
            weight = ops.ones_like(y_true) if sample_weight is None else ops.cast(operand(sample_weight), self.dtype)
            weight = ops.expand_dims(weight, 1) if len(weight.shape) == 1 else weight
            weight = ops.broadcast_to(weight, y_true.shape)
            self.sum.assign_add(ops.sum(y_true * weight, axis=0))
            self.squared_sum.assign_add(ops.sum(y_true * y_true * weight, axis=0))
            self.total_mse.assign_add(ops.sum(ops.square(y_true - y_pred) * weight, axis=0))
            self.count.assign_add(ops.sum(weight, axis=0))
            self.num_samples.assign_add(float(y_true.size))

    def result(self) -> Any:
        spread = self.squared_sum - self.sum * self.sum / self.count
        scores = 1.0 - ops.divide_no_nan(self.total_mse, spread)
        scores = ops.where(ops.equal(spread, 0), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.sum(spread * scores) / ops.sum(spread)
        if not self.num_regressors:
            return scores
        rest = self.num_samples - float(self.num_regressors) - 1.0
        adjusted = 1.0 - ops.divide_no_nan((1.0 - scores) * (self.num_samples - 1.0), rest)
        return ops.where(rest > 0, adjusted, scores)  # with too few samples the score as it is

    def get_config(self) -> dict[str, Any]:
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return super().get_config() | own


for _cls in (FBetaScore, F1Score, R2Score):
    catalog.add(_cls)
