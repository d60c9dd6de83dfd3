"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import constraints, initializers, ops, regularizers
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer


class BatchNormalization(Layer):
    """gamma·(x − mean) / √(variance + epsilon) + beta per channel (Ioffe and Szegedy, arXiv:1502.03167).

    Training uses the batch's statistics and moves the running ones: moving = momentum·moving + (1 − momentum)·batch,
    with the biased variance. Inference, and a layer with `trainable=False`, use the running ones.

    Args:
        axis: the channel axis.
        center, scale: whether beta and gamma exist.

    Raises:
        NotImplementedError: with `synchronized=True`, which needs a distribution.
    """

    fused_activation = "linear"
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
        self.synchronized = synchronized
        self.supports_masking = True
        self.gamma: Any = None
        self.beta: Any = None

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
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=shape,
            initializer=self.moving_mean_initializer,
            trainable=False,
            autocast=False,
        )
        self.moving_variance = self.add_weight(
            name="moving_variance",
            shape=shape,
            initializer=self.moving_variance_initializer,
            trainable=False,
            autocast=False,
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self._observer is not None:
            self._observer(self, inputs, mask)
        if mask is not None and training and self.trainable:
            return self._masked(inputs, mask)
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
        return bool(training and self.trainable and self._observer is None)

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

    def _masked(self, inputs: Any, mask: Any) -> Any:
        """Statistics over the places where the mask, of the inputs' leading axes, is True."""
        _, mean, variance = self.moments(inputs, mask)
        self._move(mean, variance)
        return ops.batch_normalization(inputs, mean, variance, self.axis, self.beta, self.gamma, self.epsilon)

    def _move(self, mean: Any, variance: Any) -> None:
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            batch = ops.cast(ops.stop_gradient(batch), moving.dtype)
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))

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
        }
