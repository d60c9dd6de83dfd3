"""Softmax, cross-entropy and batch normalisation in simple array functions."""

from __future__ import annotations

import numpy as np

from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import elementwise
from gpunet.backend.primitives import nn as prim
from gpunet.backend.primitives.conv import conv


@portable.implements(prim.softmax)
def softmax(xp, x, *, axis=-1, out=None):
    out = xp.subtract(x, xp.max(x, axis=axis, keepdims=True), out=out)
    xp.exp(out, out=out)
    return xp.divide(out, xp.sum(out, axis=axis, keepdims=True), out=out)


@portable.implements(prim.softmax_grad)
def softmax_grad(xp, g, y, *, axis=-1, out=None):
    inner = xp.sum(g * y, axis=axis, keepdims=True)
    out = xp.subtract(g, inner, out=out)
    return xp.multiply(out, y, out=out)


@portable.implements(prim.log_softmax)
def log_softmax(xp, x, *, axis=-1, out=None):
    out = xp.subtract(x, xp.max(x, axis=axis, keepdims=True), out=out)
    return xp.subtract(out, xp.log(xp.sum(xp.exp(out), axis=axis, keepdims=True)), out=out)


@portable.implements(prim.log_softmax_grad)
def log_softmax_grad(xp, g, y, *, axis=-1, out=None):
    out = xp.multiply(xp.exp(y), xp.sum(g, axis=axis, keepdims=True), out=out)
    return xp.subtract(g, out, out=out)


@portable.implements(prim.check_labels)
def check_labels(xp, labels, *, classes):
    if not labels.size:
        return
    # Read as unsigned, a negative label is a large one: one reduction finds both.
    if np.maximum.reduce(labels.view(f"u{labels.itemsize}"), axis=None) >= classes:
        bad = labels[(labels < 0) | (labels >= classes)].ravel()[0]
        raise ValueError(
            f"labels must be integers from 0 to {classes - 1}, for {classes} classes in the predictions. "
            f"Received: a label {bad}"
        )


def _rows(xp, labels):
    """Index arrays that pick each row's label from (..., classes) flattened to (rows, classes)."""
    return xp.arange(labels.size), labels.reshape(-1)


@portable.implements(prim.sparse_softmax_crossentropy)
def sparse_softmax_crossentropy(xp, logits, labels, *, out=None, residuals=False):
    logp = log_softmax(xp, logits)
    loss = -logp.reshape(-1, logits.shape[-1])[_rows(xp, labels)].reshape(labels.shape)
    return _into(xp, loss, out), (xp.exp(logp),) if residuals else ()


@portable.implements(prim.sparse_softmax_crossentropy_grad)
def sparse_softmax_crossentropy_grad(xp, g, labels, probabilities, *, out=None):
    out = _into(xp, probabilities, out) if out is not None else probabilities.copy()
    out.reshape(-1, out.shape[-1])[_rows(xp, labels)] -= 1
    return xp.multiply(out, g[..., None], out=out)


@portable.implements(prim.softmax_crossentropy)
def softmax_crossentropy(xp, logits, targets, *, out=None, residuals=False):
    logp = log_softmax(xp, logits)
    loss = -xp.sum(targets * logp, axis=-1)
    return _into(xp, xp.asarray(loss), out), (xp.exp(logp),) if residuals else ()


@portable.implements(prim.softmax_crossentropy_grad)
def softmax_crossentropy_grad(xp, g, targets, probabilities, *, out=None):
    out = xp.multiply(probabilities, xp.sum(targets, axis=-1, keepdims=True), out=out)
    xp.subtract(out, targets, out=out)
    return xp.multiply(out, g[..., None], out=out)


@portable.implements(prim.batch_norm)
def batch_norm(xp, x, gamma, beta, *, epsilon, out=None, residuals=False):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axis=axes)
    out = xp.subtract(x, mean, out=out)
    variance = xp.square(out).mean(axis=axes)
    inverse = 1 / xp.sqrt(variance + epsilon)
    xp.multiply(out, inverse if gamma is None else inverse * gamma, out=out)
    if beta is not None:
        xp.add(out, beta, out=out)
    return (out, mean, variance), (mean, inverse) if residuals else ()


@portable.implements(prim.batch_norm_grad)
def batch_norm_grad(xp, g, x, gamma, mean, inverse, *, epsilon, out=None):
    axes = tuple(range(x.ndim - 1))
    normalised = (x - mean) * inverse
    dbeta = g.sum(axis=axes)
    dgamma = (g * normalised).sum(axis=axes)
    count = x.size // x.shape[-1]
    scale = inverse if gamma is None else inverse * gamma
    dx = (g - dbeta / count - normalised * (dgamma / count)) * scale
    return _into(xp, dx, out), dgamma, dbeta


@portable.implements(prim.batch_norm_relu)
def batch_norm_relu(xp, x, gamma, beta, addend, *, epsilon, out=None, residuals=False):
    """By the other primitives, so that a provider that has them serves this one too."""
    (y, *statistics), kept = prim.batch_norm(x, gamma, beta, epsilon=epsilon, out=out, residuals=residuals)
    if addend is not None:
        y = elementwise.BINARY["add"](y, addend, out=y)
    y = elementwise.UNARY["relu"](y, out=y)
    return (y, *statistics), (*kept, y) if residuals else ()


@portable.implements(prim.batch_norm_relu_grad)
def batch_norm_relu_grad(xp, g, x, gamma, mean, inverse, y, *, epsilon, with_addend, out=None):
    through = elementwise.relu_grad(g, y)
    gradients = prim.batch_norm_grad(through, x, gamma, mean, inverse, epsilon=epsilon, out=out)
    return (*gradients, through) if with_addend else gradients


@portable.implements(prim.conv_batch_norm)
def conv_batch_norm(
    xp,
    x,
    w,
    b,
    gamma,
    beta,
    addend,
    *,
    strides,
    padding,
    dilation,
    groups,
    epsilon,
    relu,
    out=None,
    residuals=False,
):
    """By the other primitives. A bias cancels in the normalisation, and is added to the mean alone."""
    z = conv(x, w, None, strides=strides, padding=padding, dilation=dilation, groups=groups)
    options = {"epsilon": epsilon, "out": out, "residuals": residuals}
    if relu:
        (y, mean, variance), kept = prim.batch_norm_relu(z, gamma, beta, addend, **options)
    else:
        (y, mean, variance), kept = prim.batch_norm(z, gamma, beta, **options)
    shifted = mean if b is None else elementwise.BINARY["add"](mean, b)
    return (y, shifted, variance), (z, *kept) if residuals else ()


@portable.implements(prim.scale_shift)
def scale_shift(xp, x, scale, shift, *, out=None):
    out = xp.multiply(x, scale, out=out)
    return xp.add(out, shift, out=out)


@portable.implements(prim.scale_shift_relu)
def scale_shift_relu(xp, x, scale, shift, addend, *, out=None):
    y = scale_shift(xp, x, scale, shift, out=out)
    if addend is not None:
        y = xp.add(y, addend, out=y)
    return elementwise.UNARY["relu"](y, out=y)
