"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import constraints, initializers, ops, regularizers
from gpunet.backend.dtypes import result_type
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer


class BatchNormalization(Layer):
    """gamma·(x − mean) / √(variance + epsilon) + beta per channel (Ioffe and Szegedy, arXiv:1502.03167).

    Training uses the batch's statistics and moves the running ones: moving = momentum·moving + (1 − momentum)·batch,
    with the biased variance. Inference, and a layer with `trainable=False`, use the running ones.

    Args:
        axis: the channel axis.
        center, scale: whether beta and gamma exist.
        renorm: batch renormalisation: training, too, gives what running statistics do, by the factor r = σ/σ' and the
            addend d = (µ − µ')/σ', which count as constants; µ' and σ' are running means and standard deviations of
            their own (Ioffe, arXiv:1702.03275).
        renorm_clipping: limits "rmin" and "rmax" of r and "dmax" of |d|, each of which may be missing.
        renorm_momentum: the momentum of µ' and σ'.

    Raises:
        ValueError: for other keys or a wrong order in `renorm_clipping`.
        NotImplementedError: with `synchronized=True`, which needs a distribution.
    """

    moving_mean: Any
    moving_variance: Any
    moving_stddev: Any
    renorm_mean: Any
    renorm_stddev: Any
    fuses_addend = True
    _observer: Callable[[BatchNormalization, Any, Any], None] | None = None  # is shown inputs and masks

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if synchronized:
            raise NotImplementedError("BatchNormalization: synchronized=True needs several devices.")
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.renorm = renorm
        self.renorm_clipping = checked_clipping(renorm_clipping) if renorm else renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized
        self.supports_masking = True
        self.gamma: Any = None
        self.beta: Any = None

    @property
    def fused_activation(self) -> str | None:  # type: ignore[override]  # a renormalised batch is scaled anew
        return None if self.renorm else "linear"

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        size = input_shape[self.axis] if -rank <= self.axis < rank else None
        if size is None:
            raise ValueError(
                f"BatchNormalization needs inputs whose axis {self.axis} exists and has a known size. "
                f"Received: shape={tuple(input_shape)}"
            )
        shape = (size,)
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        statistics = {"moving_mean": self.moving_mean_initializer, "moving_variance": self.moving_variance_initializer}
        if self.renorm:
            stddev = root_of(self.moving_variance_initializer)
            statistics |= {"moving_stddev": stddev}
            statistics |= {"renorm_mean": self.moving_mean_initializer, "renorm_stddev": stddev}
        for name, initializer in statistics.items():
            weight = self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, autocast=False)
            setattr(self, name, weight)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self._observer is not None:
            self._observer(self, inputs, mask)
        if training and self.trainable and (self.renorm or mask is not None):
            return self._of_moments(inputs, mask)
        return self._normalised(inputs, training, False, None)

    def call_fused(self, inputs: Any, training: bool | None, relu: bool, addend: Any = None) -> Any:
        if self._observer is not None:
            self._observer(self, inputs, None)
        return self._normalised(inputs, training, relu, addend)

    def call_behind(self, convolution: Any, inputs: Any, relu: bool, addend: Any = None) -> Any:
        """In training, the same for what `convolution` makes of the inputs, whose channels are this layer's axis."""
        y, mean, variance = convolution.call_normalised(
            inputs,
            gamma=self.gamma,
            beta=self.beta,
            addend=addend,
            activation="relu" if relu else None,
            epsilon=self.epsilon,
        )
        self._move(mean, variance)
        return y

    def uses_batch(self, training: bool | None) -> bool:
        """Whether nothing but the batch's own statistics is wanted of the inputs."""
        return bool(training and self.trainable and self._observer is None and not self.renorm)

    def _normalised(self, inputs: Any, training: bool | None, relu: bool, addend: Any) -> Any:
        more = {"addend": addend} if relu else {}
        if not (training and self.trainable):
            normalise = ops.batch_norm_relu if relu else ops.batch_normalization
            moving = self.moving_mean, self.moving_variance
            return normalise(inputs, *moving, self.axis, self.beta, self.gamma, self.epsilon, **more)
        normalise = ops.batch_norm_relu_training if relu else ops.batch_norm_training
        y, mean, variance = normalise(inputs, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon, **more)
        self._move(mean, variance)
        return y

    def moments(self, inputs: Any, mask: Any = None) -> tuple[Any, Any, Any]:
        """How many values each channel has, their mean and their variance; where the mask, of leading axes, is True."""
        axes = tuple(d for d in range(inputs.ndim) if d != self.axis % inputs.ndim)
        if mask is None:
            count = ops.full(inputs.shape[self.axis], inputs.size // inputs.shape[self.axis], inputs.dtype)
            return count, ops.mean(inputs, axes), ops.var(inputs, axes)
        weights = ops.cast(mask, inputs.dtype)
        weights = ops.reshape(weights, (*weights.shape, *(1,) * (inputs.ndim - weights.ndim)))
        weights = ops.broadcast_to(weights, inputs.shape)
        count = ops.sum(weights, axes, keepdims=True)
        mean = ops.divide_no_nan(ops.sum(inputs * weights, axes, keepdims=True), count)
        variance = ops.divide_no_nan(ops.sum(ops.square(inputs - mean) * weights, axes, keepdims=True), count)
        return ops.reshape(count, (-1,)), ops.reshape(mean, (-1,)), ops.reshape(variance, (-1,))

    def _of_moments(self, inputs: Any, mask: Any) -> Any:
        """Statistics over the places where the mask, of the inputs' leading axes, is True; renormalised if wanted."""
        x = ops.cast(inputs, result_type(inputs.dtype, "float32"))
        _, mean, variance = self.moments(x, mask)
        gamma, beta = self.gamma, self.beta
        if self.renorm:
            gamma, beta = self._renormalised(ops.stop_gradient(mean), ops.stop_gradient(variance))
        else:
            self._move(mean, variance)
        y = ops.batch_normalization(x, mean, variance, self.axis, beta, gamma, self.epsilon)
        return ops.cast(y, inputs.dtype)

    def _renormalised(self, mean: Any, variance: Any) -> tuple[Any, Any]:
        """gamma and beta for a batch of these statistics, which the running ones then take in."""
        rmin, rmax, dmax = (self.renorm_clipping.get(key) for key in ("rmin", "rmax", "dmax"))
        stddev = ops.sqrt(variance + self.epsilon)
        around = ops.maximum(self.renorm_stddev, self.epsilon**0.5)
        r, d = stddev / around, (mean - self.renorm_mean) / around
        r = r if rmin is None else ops.maximum(r, rmin)
        r = r if rmax is None else ops.minimum(r, rmax)
        d = d if dmax is None else ops.clip(d, -dmax, dmax)
        self._average(self.renorm_mean, mean, self.renorm_momentum)
        self._average(self.renorm_stddev, stddev, self.renorm_momentum)
        self._average(self.moving_mean, mean, self.momentum)
        self._average(self.moving_stddev, stddev, self.momentum)
        self.moving_variance.assign(ops.relu(ops.square(self.moving_stddev) - self.epsilon))
        gamma = r if self.gamma is None else r * self.gamma
        beta = d if self.gamma is None else d * self.gamma
        return gamma, beta if self.beta is None else beta + self.beta

    def _move(self, mean: Any, variance: Any) -> None:
        self._average(self.moving_mean, mean, self.momentum)
        self._average(self.moving_variance, variance, self.momentum)

    def set_statistics(self, mean: Any, variance: Any) -> None:
        """Make these the running mean and variance."""
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        if self.renorm:
            self.moving_stddev.assign(ops.sqrt(self.moving_variance + self.epsilon))

    def _average(self, moving: Any, batch: Any, momentum: float) -> None:
        """Move a running statistic towards that of a batch."""
        batch = ops.cast(ops.stop_gradient(batch), moving.dtype)
        moving.assign(moving * momentum + batch * (1.0 - momentum))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }


def checked_clipping(limits: Any) -> dict[str, float | None]:
    """`renorm_clipping` as a dict.

    Raises:
        ValueError: for unknown keys, rmax below rmin and a negative dmax.
    """
    limits = dict(limits or {})
    rmin, rmax, dmax = map(limits.get, ("rmin", "rmax", "dmax"))
    if set(limits) - {"rmin", "rmax", "dmax"}:
        raise ValueError(
            f"Received invalid keys for `renorm_clipping` argument. Supported values: ['rmax', 'rmin', 'dmax']. "
            f"Received: renorm_clipping={limits}"
        )
    if rmax is not None and rmin is not None and rmax < rmin:
        raise ValueError(
            f"rmax should be greater than rmin in the `renorm_clipping` argument. Received: renorm_clipping={limits}"
        )
    if dmax is not None and dmax < 0:
        raise ValueError(
            f"dmax should be non-negative in the `renorm_clipping` argument. Received: renorm_clipping={limits}"
        )
    return limits


def root_of(initializer: Callable) -> Callable:
    """An initializer of the square roots of another's values."""
    return lambda shape, dtype=None: ops.sqrt(initializer(shape, dtype=dtype))
