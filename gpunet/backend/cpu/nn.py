"""Batch normalisation and cross-entropy on NumPy: channel sums by BLAS, elementwise work in cache-sized chunks."""

from __future__ import annotations

import numpy as np

from gpunet.backend.bound import giving
from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.reduction import is_narrow, sum_rows
from gpunet.backend.cpu.scratch import chunks, scratch
from gpunet.backend.memory import empty
from gpunet.backend.portable import nn as portable
from gpunet.backend.primitives import nn as prim

_ROW_ITEMS = 1024  # rows are widened to about so many items, since a short inner loop costs more than its work


def widened(x, *vectors):
    """x as a matrix with several rows side by side, and channel vectors repeated to match.

    (rows, channels) becomes (rows / r, r·channels) with r dividing the number of rows.
    """
    channels = x.shape[-1]
    rows = x.size // channels
    repeat = 1
    while repeat * channels < _ROW_ITEMS and rows % (repeat * 2) == 0:
        repeat *= 2
    return x.reshape(rows // repeat, repeat * channels), *(np.tile(v, repeat) for v in vectors)


def _channel_sum(wide_sum, channels):
    return wide_sum.reshape(-1, channels).sum(axis=0)


def _row_chunks(matrix):
    return chunks(matrix.shape[0], matrix.shape[1] * matrix.itemsize, limit=256 * 1024)


@cpu.implements(prim.batch_norm)
def batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    if not x.size or x.dtype.char not in "fd":
        return portable.batch_norm(np, x, gamma, beta, epsilon=epsilon, out=out, residuals=residuals)
    x = np.ascontiguousarray(x)
    channels = x.shape[-1]
    count = x.size // channels
    matrix = x.reshape(count, channels)
    mean = sum_rows(matrix) / x.dtype.type(count)
    wide, wide_mean = widened(x, mean)
    squares = np.zeros(wide.shape[1], x.dtype)
    for a, b in _row_chunks(wide):
        centred = np.subtract(wide[a:b], wide_mean, out=scratch("centred", wide[a:b].shape, x.dtype))
        np.multiply(centred, centred, out=centred)
        squares += sum_rows(centred)
    variance = _channel_sum(squares, channels) / x.dtype.type(count)
    inverse = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    scale = inverse if gamma is None else inverse * gamma
    y = empty(x.shape, x.dtype) if out is None else out
    _normalise(wide, y.reshape(wide.shape), wide_mean, *_tiled(wide, channels, scale, beta))
    return (y, mean, variance), (mean, inverse) if residuals else ()


def _tiled(wide, channels, *vectors):
    repeat = wide.shape[1] // channels
    return [None if v is None else np.tile(v, repeat) for v in vectors]


def _normalise(x, y, mean, scale, beta):
    """y = (x − mean)·scale + beta: the difference first, so that a large mean costs no accuracy."""
    for a, b in _row_chunks(x):
        part = np.subtract(x[a:b], mean, out=y[a:b])
        np.multiply(part, scale, out=part)
        if beta is not None:
            np.add(part, beta, out=part)


@cpu.implements(prim.batch_norm_grad)
def batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    if not x.size or x.dtype.char not in "fd":
        return portable.batch_norm_grad(np, g, x, gamma, mean, inverse, epsilon=epsilon, out=out)
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    channels, kind = x.shape[-1], x.dtype.type
    count = x.size // channels
    dbeta = sum_rows(g.reshape(count, channels))
    wide_x, wide_mean = widened(x, mean)
    wide_g = g.reshape(wide_x.shape)
    products = np.zeros(wide_x.shape[1], x.dtype)
    for a, b in _row_chunks(wide_x):
        part = np.subtract(wide_x[a:b], wide_mean, out=scratch("centred", wide_x[a:b].shape, x.dtype))
        np.multiply(part, wide_g[a:b], out=part)
        products += sum_rows(part)
    dgamma = _channel_sum(products, channels) * inverse
    scale = inverse if gamma is None else inverse * gamma
    slope = -scale * inverse * dgamma / kind(count)  # of (x − mean)
    offset = -scale * dbeta / kind(count)
    dx = empty(x.shape, x.dtype) if out is None else out
    _combine(wide_g, wide_x, dx.reshape(wide_x.shape), wide_mean, *_tiled(wide_x, channels, scale, slope, offset))
    return dx, dgamma, dbeta


def _combine(g, x, dx, mean, scale, slope, offset):
    """dx = g·scale + (x − mean)·slope + offset."""
    for a, b in _row_chunks(x):
        centred = np.subtract(x[a:b], mean, out=scratch("centred", x[a:b].shape, x.dtype))
        np.multiply(centred, slope, out=centred)
        part = np.multiply(g[a:b], scale, out=dx[a:b])
        np.add(part, centred, out=part)
        np.add(part, offset, out=part)


@cpu.implements(prim.sparse_softmax_crossentropy)
def sparse_softmax_crossentropy(logits, labels, *, out=None, residuals=False):
    if logits.ndim != 2 or not logits.size or logits.dtype.char not in "fd":
        return portable.sparse_softmax_crossentropy(np, logits, labels, out=out, residuals=residuals)
    return _ready_crossentropy(logits, labels, out, residuals)()


def _ready_crossentropy(logits, labels, out, residuals):
    """A function that computes losses and, as residual, probabilities."""
    rows = len(labels)
    loss, total = np.empty(rows, logits.dtype) if out is None else out, np.empty(rows, logits.dtype)
    probabilities = np.empty(logits.shape, logits.dtype)
    make = _soften_columns if is_narrow(logits) else _soften_rows
    soften = make(logits, labels, total, probabilities, residuals)
    found = loss, (probabilities,) if residuals else ()

    def run():
        picked = soften()
        np.subtract(np.log(total, total), picked, loss)
        return found

    return giving(run, loss, *found[1])


def _soften_rows(logits, labels, total, probabilities, divide):
    """A function that returns the labels' logits minus each row's largest, and computes the denominators of the softmax
    and, if `divide`, probabilities.
    """
    column, numbers = total[:, None], np.arange(len(labels))

    def run():
        np.maximum.reduce(logits, 1, None, total)
        np.subtract(logits, column, probabilities)
        picked = probabilities[numbers, labels]
        np.exp(probabilities, probabilities)
        np.add.reduce(probabilities, 1, None, total)
        if divide:
            np.divide(probabilities, column, probabilities)
        return picked

    return run


def _soften_columns(logits, labels, total, probabilities, divide):
    """The same by columns, all rows at once, as rows are short; each is summed from left to right."""
    columns, numbers = np.empty(logits.shape[::-1], logits.dtype), np.arange(len(labels))
    given, found = logits.T, columns.T

    def run():
        np.copyto(columns, given)
        np.maximum.reduce(columns, 0, None, total)
        np.subtract(columns, total, columns)
        picked = columns[labels, numbers]
        np.exp(columns, columns)
        np.add.reduce(columns, 0, None, total)
        if divide:
            np.divide(columns, total, columns)
            np.copyto(probabilities, found)
        return picked

    return run


@cpu.implements(prim.sparse_softmax_crossentropy_grad)
def sparse_softmax_crossentropy_grad(g, labels, probabilities, *, out=None):
    if (
        probabilities.ndim != 2
        or not probabilities.flags.c_contiguous
        or (out is not None and not out.flags.c_contiguous)
    ):
        return portable.sparse_softmax_crossentropy_grad(np, g, labels, probabilities, out=out)
    out = np.empty(probabilities.shape, probabilities.dtype) if out is None else out
    return _ready_crossentropy_grad(g, labels, probabilities, out)()


def _ready_crossentropy_grad(g, labels, probabilities, out):
    rows, classes = probabilities.shape
    column, flat = g[:, None], out.reshape(-1)
    starts, places = np.arange(0, rows * classes, classes), np.empty(rows, np.intp)

    def run():
        np.multiply(probabilities, column, out=out)
        np.copyto(places, labels, casting="unsafe")
        np.add(places, starts, out=places)
        flat[places] -= g
        return out

    return run


@cpu.binds(prim.sparse_softmax_crossentropy)
def bind_crossentropy(logits, labels, *, out=None, residuals=False):
    if logits.ndim != 2 or not logits.size or logits.dtype.char not in "fd":
        return None
    return _ready_crossentropy(logits, labels, out, residuals)


@cpu.binds(prim.sparse_softmax_crossentropy_grad)
def bind_crossentropy_grad(g, labels, probabilities, *, out=None):
    if probabilities.ndim != 2 or out is None or not (probabilities.flags.c_contiguous and out.flags.c_contiguous):
        return None
    return _ready_crossentropy_grad(g, labels, probabilities, out)


@cpu.implements(prim.check_labels)
def check_labels(labels, *, classes):
    portable.check_labels(np, labels, classes=classes)


@cpu.binds(prim.check_labels)
def bind_check_labels(labels, *, classes):
    if not labels.size:
        return None
    unsigned = labels.view(f"u{labels.itemsize}")  # a negative label is a large one there

    def run():
        if np.maximum.reduce(unsigned, None) >= classes:
            portable.check_labels(np, labels, classes=classes)

    return run


@cpu.implements(prim.scale_shift)
def scale_shift(x, scale, shift, *, out=None):
    if not _in_rows(x):
        return portable.scale_shift(np, x, scale, shift, out=out)
    out = empty(x.shape, x.dtype) if out is None else out
    wide, scale, shift = widened(x, scale, shift)
    target = out.reshape(wide.shape)
    for a, b in _row_chunks(wide):
        part = np.multiply(wide[a:b], scale, out=target[a:b])
        np.add(part, shift, out=part)
    return out


@cpu.implements(prim.scale_shift_relu)
def scale_shift_relu(x, scale, shift, addend, *, out=None):
    if not _in_rows(x) or not (addend is None or (_in_rows(addend) and addend.dtype is x.dtype)):
        return portable.scale_shift_relu(np, x, scale, shift, addend, out=out)
    out = empty(x.shape, x.dtype) if out is None else out
    wide, scale, shift = widened(x, scale, shift)
    target, addend = out.reshape(wide.shape), None if addend is None else addend.reshape(wide.shape)
    for a, b in _row_chunks(wide):
        part = np.multiply(wide[a:b], scale, out=target[a:b])
        np.add(part, shift, out=part)
        if addend is not None:
            np.add(part, addend[a:b], out=part)
        np.maximum(part, 0, out=part)
    return out


def _in_rows(x):
    """Whether x is a matrix of rows of channels, as it lies."""
    return x.size and x.dtype.char in "fd" and x.flags.c_contiguous
