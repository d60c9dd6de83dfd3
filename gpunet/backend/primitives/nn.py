"""Fused primitives of training: softmax, cross-entropy from logits, batch and layer normalisation."""

from __future__ import annotations

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import FLOAT32
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives.conv import conv


def _same(x, *_, **__):
    return AbstractArray(x.shape, x.dtype)


softmax = Primitive("softmax", _same)  # (x; axis)
softmax_grad = Primitive("softmax_grad", _same)  # (g, y; axis): y·(g − Σ g·y)
log_softmax = Primitive("log_softmax", _same)
log_softmax_grad = Primitive("log_softmax_grad", _same)  # (g, y; axis): g − exp(y)·Σ g


# (labels; classes): raises ValueError where a label is not in [0, classes). Arrays of a GPU are not looked at, which
# would stall the device.
check_labels = Primitive("check_labels", lambda labels, *, classes: None)


def _per_row(logits, labels):
    return AbstractArray(logits.shape[:-1], logits.dtype)


# (logits (..., c), integer labels (...)) → −log softmax(logits)[label], residual: the softmax.
sparse_softmax_crossentropy = Primitive("sparse_softmax_crossentropy", _per_row, has_residuals=True)
# (g (...), labels, *residuals) → (softmax − one_hot(label))·g
sparse_softmax_crossentropy_grad = Primitive(
    "sparse_softmax_crossentropy_grad",
    lambda g, labels, probabilities: AbstractArray(probabilities.shape, probabilities.dtype),
)
# (logits (..., c), targets (..., c)) → −Σ targets·log softmax(logits), residual: the softmax.
softmax_crossentropy = Primitive("softmax_crossentropy", _per_row, has_residuals=True)
# (g (...), targets, *residuals) → (softmax·Σ targets − targets)·g
softmax_crossentropy_grad = Primitive(
    "softmax_crossentropy_grad",
    lambda g, targets, probabilities: AbstractArray(targets.shape, targets.dtype),
)


def _infer_batch_norm(x, gamma, beta, *, epsilon):
    statistics = AbstractArray((x.shape[-1],), x.dtype)
    return AbstractArray(x.shape, x.dtype), statistics, statistics


# (x (..., c), gamma (c,) or None, beta (c,) or None; epsilon) → (y, mean (c,), biased variance (c,)), residuals.
batch_norm = Primitive("batch_norm", _infer_batch_norm, has_residuals=True)


def _infer_batch_norm_grad(g, x, gamma, *residuals, epsilon):
    channels = AbstractArray((x.shape[-1],), x.dtype)
    return AbstractArray(x.shape, x.dtype), channels, channels


# (g, x, gamma or None, *residuals; epsilon) → (dx, dgamma, dbeta)
batch_norm_grad = Primitive("batch_norm_grad", _infer_batch_norm_grad)


def _infer_batch_norm_relu_grad(g, x, gamma, *residuals, epsilon, with_addend):
    gradients = _infer_batch_norm_grad(g, x, gamma, epsilon=epsilon)
    return (*gradients, AbstractArray(x.shape, x.dtype)) if with_addend else gradients


# (x, gamma or None, beta or None, addend like x or None; epsilon) → (relu(y + addend), mean, variance), residuals.
batch_norm_relu = Primitive(
    "batch_norm_relu",
    lambda x, gamma, beta, addend, *, epsilon: _infer_batch_norm(x, gamma, beta, epsilon=epsilon),
    has_residuals=True,
)
# (g, x, gamma or None, *residuals; epsilon, with_addend) → (dx, dgamma, dbeta) and, with one, the addend's gradient
batch_norm_relu_grad = Primitive("batch_norm_relu_grad", _infer_batch_norm_relu_grad)


def _infer_conv_batch_norm(x, w, b, gamma, beta, addend, *, epsilon, relu, **geometry):
    return _infer_batch_norm(conv.infer(x, w, b, **geometry), gamma, beta, epsilon=epsilon)


# batch_norm(conv(x, w, b), gamma, beta), or batch_norm_relu with the addend; x, w and the geometry as in `conv`.
# Residuals: the convolution without its bias, then those of its batch normalisation.
conv_batch_norm = Primitive("conv_batch_norm", _infer_conv_batch_norm, has_residuals=True)
# (x (..., c), scale (c,), shift (c,)) → x·scale + shift
scale_shift = Primitive("scale_shift", _same)
# (x, scale (c,), shift (c,), addend like x or None) → relu(x·scale + shift + addend)
scale_shift_relu = Primitive("scale_shift_relu", lambda x, scale, shift, addend: AbstractArray(x.shape, x.dtype))

# (x (..., n), gamma (n,) or None, beta (n,) or None; epsilon, centred) → each row of x, minus its mean where `centred`,
# divided by √(its mean square + epsilon), times gamma plus beta. Where x has 16 bits it is computed in float32, which
# gamma and beta have.
layer_norm = Primitive("layer_norm", _same, has_residuals=True)


def _infer_layer_norm_grad(g, x, gamma, *residuals, centred, parameters):
    wide = AbstractArray((x.shape[-1],), FLOAT32 if x.dtype.itemsize == 2 else x.dtype)
    return AbstractArray(x.shape, x.dtype), *[wide] * parameters


# (g, x, gamma or None, *residuals; centred, parameters) → (dx, dgamma, dbeta), of which the last ones are left out:
# `parameters` says how many of gamma and beta get a gradient.
layer_norm_grad = Primitive("layer_norm_grad", _infer_layer_norm_grad)
