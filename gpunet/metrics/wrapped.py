"""Means of losses and of other functions with one value per sample."""

from __future__ import annotations

from typing import Any

from gpunet import config, losses, ops
from gpunet.losses.reduction import pair
from gpunet.metrics.metric import MeanMetricWrapper, catalog
from gpunet.ops.operands import operand


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between y_true and y_pred; the loss of that name is minus this."""
    return -losses.cosine_similarity(y_true, y_pred, axis=axis)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class of the one-hot target is among the k most probable ones."""
    return sparse_top_k_categorical_accuracy(ops.argmax(operand(y_true), axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """1 where the integer label is among the k most probable classes, or the first k of sorted class numbers."""
    y_pred, y_true = operand(y_pred), ops.cast(operand(y_true), "int32")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    shape = y_true.shape
    labels, rows = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1, y_pred.shape[-1]))
    if from_sorted_ids:
        first = ops.cast(rows[:, :k], "int32")
        found = ops.any(ops.equal(ops.expand_dims(labels, 1), first), axis=1)
    else:
        found = ops.in_top_k(labels, rows, k)
    return ops.reshape(ops.cast(found, config.floatx()), shape)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The correlation of y_true and y_pred along `axis`, from −1 to 1."""
    y_true, y_pred = (y - ops.mean(y, axis=axis, keepdims=True) for y in pair(y_true, y_pred))
    y_true, y_pred = (y / ops.std(y, axis=axis, keepdims=True) for y in (y_true, y_pred))
    return ops.mean(y_true * y_pred, axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Lin's concordance: correlation that also wants equal means and scales, along `axis`."""
    y_true, y_pred = pair(y_true, y_pred)
    means = [ops.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred)]
    spread = ops.var(y_true, axis=axis, keepdims=True) + ops.var(y_pred, axis=axis, keepdims=True)
    norm = spread + ops.square(means[0] - means[1]) + config.epsilon()
    return ops.mean(2.0 * (y_true - means[1]) * (y_pred - means[1]) / norm, axis=axis)


class _Named(MeanMetricWrapper):
    """The mean of `function`, called with the arguments of the class."""

    function: Any

    def __init__(self, name: str | None = None, dtype: Any = None, **arguments: Any):
        super().__init__(type(self).function, name or self.default_name(), dtype, **arguments)
        for argument, value in arguments.items():
            setattr(self, argument, value)

    @classmethod
    def default_name(cls) -> str:
        return cls.function.__name__

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self._fn_kwargs


class MeanAbsolutePercentageError(_Named):
    """The mean of absolute errors relative to the target, in percent."""

    function = staticmethod(losses.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Named):
    """The mean of squared errors of logarithms."""

    function = staticmethod(losses.mean_squared_logarithmic_error)


class LogCoshError(_Named):
    """The mean of the logarithm of the hyperbolic cosine of errors."""

    function = staticmethod(losses.log_cosh)

    @classmethod
    def default_name(cls) -> str:
        return "logcosh"


class Hinge(_Named):
    """The mean margin of yes/no labels."""

    function = staticmethod(losses.hinge)


class SquaredHinge(_Named):
    """The mean squared margin of yes/no labels."""

    function = staticmethod(losses.squared_hinge)


class CategoricalHinge(_Named):
    """The mean margin between the true class and the best other one."""

    function = staticmethod(losses.categorical_hinge)


class KLDivergence(_Named):
    """The mean Kullback–Leibler divergence."""

    function = staticmethod(losses.kl_divergence)


class Poisson(_Named):
    """The mean negative log-likelihood of counts, up to a constant."""

    function = staticmethod(losses.poisson)


class CosineSimilarity(_Named):
    """The mean cosine of the angle between target and prediction."""

    _direction = "up"

    function = staticmethod(cosine_similarity)

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(name, dtype, axis=axis)


class PearsonCorrelation(_Named):
    """The mean correlation of target and prediction."""

    _direction = "up"

    function = staticmethod(pearson_correlation)

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(name, dtype, axis=axis)


class ConcordanceCorrelation(_Named):
    """The mean concordance of target and prediction."""

    _direction = "up"

    function = staticmethod(concordance_correlation)

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(name, dtype, axis=axis)


class TopKCategoricalAccuracy(_Named):
    """How often the class of the one-hot target is among the k most probable ones."""

    _direction = "up"

    function = staticmethod(top_k_categorical_accuracy)

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(name, dtype, k=k)


class SparseTopKCategoricalAccuracy(_Named):
    """How often the integer label is among the k most probable classes."""

    _direction = "up"

    function = staticmethod(sparse_top_k_categorical_accuracy)

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(name, dtype, k=k, from_sorted_ids=from_sorted_ids)


class BinaryCrossentropy(_Named):
    """The mean cross-entropy of yes/no labels."""

    function = staticmethod(losses.binary_crossentropy)

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(name, dtype, from_logits=from_logits, label_smoothing=label_smoothing)


class CategoricalCrossentropy(_Named):
    """The mean cross-entropy of one-hot targets."""

    function = staticmethod(losses.categorical_crossentropy)

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)


class SparseCategoricalCrossentropy(_Named):
    """The mean cross-entropy of integer labels."""

    function = staticmethod(losses.sparse_categorical_crossentropy)

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis)


# Classes first: a name is a new metric of the class, as in Keras.
for _cls, *_aliases in (
    (MeanAbsolutePercentageError, "mape", "MAPE"),
    (MeanSquaredLogarithmicError, "msle", "MSLE"),
    (LogCoshError, "logcosh"),
    (Hinge,),
    (SquaredHinge,),
    (CategoricalHinge,),
    (KLDivergence, "kld", "KLD"),
    (Poisson,),
    (CosineSimilarity, "cosine"),
    (PearsonCorrelation,),
    (ConcordanceCorrelation,),
    (TopKCategoricalAccuracy,),
    (SparseTopKCategoricalAccuracy,),
    (BinaryCrossentropy, "bce", "BCE"),
    (CategoricalCrossentropy,),
    (SparseCategoricalCrossentropy,),
):
    catalog.add(_cls, *_aliases)
for _function in (
    losses.binary_crossentropy,
    losses.categorical_crossentropy,
    losses.sparse_categorical_crossentropy,
    losses.kl_divergence,
    losses.mean_absolute_percentage_error,
    losses.mean_squared_logarithmic_error,
    losses.log_cosh,
    losses.hinge,
    losses.squared_hinge,
    losses.categorical_hinge,
    losses.poisson,
    losses.huber,
    losses.binary_focal_crossentropy,
    losses.categorical_focal_crossentropy,
    top_k_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    pearson_correlation,
    concordance_correlation,
    cosine_similarity,
):
    catalog.add(_function)
