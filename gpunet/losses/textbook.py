"""Losses of lectures that Keras has not: half the squared error, and the divergence of Gaussians."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.losses.loss import PlainLoss, catalog
from gpunet.losses.reduction import pair
from gpunet.ops.operands import operand


def half_squared_error(y_true: Any, y_pred: Any) -> Any:
    """½·Σ (y_true − y_pred)² over the last axis, whose gradient is y_pred − y_true."""
    y_true, y_pred = pair(y_true, y_pred)
    return 0.5 * ops.sum(ops.square(y_true - y_pred), axis=-1)


def gaussian_kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """KL(y_pred ‖ y_true) of Gaussians with diagonal covariance, given by means and log variances.

    Both have shape (..., 2·n): n means, then n logarithms of variances; zeros are the standard normal distribution, so
    that `gaussian_kl_divergence(zeros, codes)` is the penalty of a variational autoencoder. A sum over the n, in nats.

    Raises:
        ValueError: if the last axis is odd, or the shapes do not fit.
    """
    y_true, y_pred = pair(y_true, y_pred)
    if y_pred.shape[-1] % 2:
        raise ValueError(
            f"gaussian_kl_divergence expected means and log variances, an even last axis. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}"
        )
    n = y_pred.shape[-1] // 2
    mean, log_variance, wanted_mean, wanted_log_variance = (
        y[..., part] for y in (operand(y_pred), operand(y_true)) for part in (slice(None, n), slice(n, None))
    )
    ratio = log_variance - wanted_log_variance
    distance = ops.square(mean - wanted_mean) * ops.exp(-wanted_log_variance)
    return 0.5 * ops.sum(ops.exp(ratio) + distance - 1.0 - ratio, axis=-1)


class HalfSquaredError(PlainLoss):
    """Half the sum of squared errors of each sample."""

    function = staticmethod(half_squared_error)


class GaussianKLDivergence(PlainLoss):
    """The divergence of predicted Gaussians, means and log variances, from the wanted ones."""

    function = staticmethod(gaussian_kl_divergence)


for _entry in (half_squared_error, gaussian_kl_divergence, HalfSquaredError, GaussianKLDivergence):
    catalog.add(_entry)
