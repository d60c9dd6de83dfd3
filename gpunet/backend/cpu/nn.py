"""Cross-entropy on NumPy, and a scale and shift of channels with what ends it."""

from __future__ import annotations

import numpy as np

from gpunet.backend.bound import giving
from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.batch_norm import each_block, widened
from gpunet.backend.cpu.elementwise import rectify
from gpunet.backend.cpu.reduction import is_narrow
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
