"""Cross-entropy on NumPy, and a scale and shift of channels with what ends it."""

from __future__ import annotations

import numpy as np

from gpunet.backend.bound import giving
from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.batch_norm import each_block, widened
from gpunet.backend.cpu.elementwise import rectify
from gpunet.backend.cpu.reduction import row_maximum, row_sum
from gpunet.backend.memory import empty
from gpunet.backend.portable import nn as portable
from gpunet.backend.primitives import nn as prim


@cpu.implements(prim.sparse_softmax_crossentropy)
def sparse_softmax_crossentropy(logits, labels, *, out=None, residuals=False):
    if logits.ndim != 2 or not logits.size or logits.dtype.char not in "fd":
        return portable.sparse_softmax_crossentropy(np, logits, labels, out=out, residuals=residuals)
    return _ready_crossentropy(logits, labels, out, residuals)()


def _ready_crossentropy(logits, labels, out, residuals):
    """A function that computes losses and, as residual, probabilities."""
    rows = len(labels)
    loss, total = np.empty(rows, logits.dtype) if out is None else out, np.empty(rows, logits.dtype)
    column = total[:, None]
    shifted, numbers = np.empty(logits.shape, logits.dtype), np.arange(rows)
    find_tops, find_sums = row_maximum(logits, total), row_sum(shifted, total)
    found = loss, (shifted,) if residuals else ()

    def run():
        find_tops()
        np.subtract(logits, column, out=shifted)
        picked = shifted[numbers, labels]
        np.exp(shifted, out=shifted)
        find_sums()
        if residuals:
            np.divide(shifted, column, out=shifted)
        np.subtract(np.log(total, out=total), picked, out=loss)
        return found

    return giving(run, loss, *found[1])


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

    def map_block(_, rows):
        part = np.multiply(wide[rows], scale, out=target[rows])
        np.add(part, shift, out=part)

    each_block(map_block, wide)
    return out


@cpu.implements(prim.scale_shift_relu)
def scale_shift_relu(x, scale, shift, addend, *, out=None):
    if not _in_rows(x) or not (addend is None or (_in_rows(addend) and addend.dtype is x.dtype)):
        return portable.scale_shift_relu(np, x, scale, shift, addend, out=out)
    out = empty(x.shape, x.dtype) if out is None else out
    wide, scale, shift = widened(x, scale, shift)
    target, addend = out.reshape(wide.shape), None if addend is None else addend.reshape(wide.shape)

    def map_block(_, rows):
        part = np.multiply(wide[rows], scale, out=target[rows])
        np.add(part, shift, out=part)
        if addend is not None:
            np.add(part, addend[rows], out=part)
        rectify(part, part)

    each_block(map_block, wide)
    return out


def _in_rows(x):
    """Whether x is a matrix of rows of channels, as it lies."""
    return x.size and x.dtype.char in "fd" and x.flags.c_contiguous
