"""Softmax, log-softmax and cross-entropies along one axis, and their backward."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gpunet.backend.cuda import cuda
from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, target, vector
from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.rows import LARGEST, rows_along
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.primitives import nn as prim

SOFTMAX = Family("softmax.cu", TYPE=("float", "double", "float16"))
_TYPES = tuple(map(np.dtype, ("float32", "float64", "float16")))
_LABELS = {np.dtype("int32"): "", np.dtype("int64"): "_long"}


@functools.lru_cache(1024)
def _rows(shape: tuple[int, ...], axis: int, dtype: np.dtype) -> tuple[int, np.ndarray]:
    """The number of blocks and the kernels' struct for rows along `axis`."""
    blocks, fields = rows_along(shape, axis, dtype)
    return blocks, SOFTMAX(TYPE=C_TYPES[dtype])["softmax"].struct("rows", **fields)


def _launch(name, like, axis, *arguments):
    blocks, rows = _rows(like.shape, axis % like.ndim, like.dtype)
    SOFTMAX(TYPE=C_TYPES[like.dtype])[name](blocks, *arguments, rows)


def _is_covered(x, *others, **_):
    """Arrays of one shape and a dtype with kernels, with elements."""
    return (
        x.dtype in _TYPES
        and x.ndim > 0
        and 0 < x.size < LARGEST
        and all((a.shape, a.dtype) == (x.shape, x.dtype) for a in others)
    )


def _map(name, axis, out, *arrays):
    result = target(out, arrays[0], arrays[0].shape)
    _launch(name, result, axis, *map(vector, arrays), result)
    return deliver(result, out)


@implements(prim.softmax, where=_is_covered)
def softmax(x, *, axis=-1, out=None):
    return _map("softmax", axis, out, x)


@implements(prim.softmax_grad, where=_is_covered)
def softmax_grad(g, y, *, axis=-1, out=None):
    return _map("softmax_grad", axis, out, g, y)


@implements(prim.log_softmax, where=_is_covered)
def log_softmax(x, *, axis=-1, out=None):
    return _map("log_softmax", axis, out, x)


@implements(prim.log_softmax_grad, where=_is_covered)
def log_softmax_grad(g, y, *, axis=-1, out=None):
    return _map("log_softmax_grad", axis, out, g, y)


def _labels_fit(x: Any, labels: Any) -> bool:
    return _is_covered(x) and labels.dtype in _LABELS and labels.shape == x.shape[:-1]


def _gradient_fits(g: Any, x: Any) -> bool:
    return (g.shape, g.dtype) == (x.shape[:-1], x.dtype)


def _loss(name, logits, other, out, residuals):
    logits = vector(logits)
    loss = target(out, logits, logits.shape[:-1])
    probabilities = empty(logits, logits.shape) if residuals else None
    _launch(name, logits, -1, logits, other, loss, probabilities)
    return deliver(loss, out), (probabilities,) if residuals else ()


def _by_row(g):
    """A gradient for each row as a kernel takes it: the array and the step between rows, 0 where all have the same."""
    return (g, 0) if not any(g.strides) else (contiguous(g), 1)


@implements(prim.sparse_softmax_crossentropy, where=_labels_fit)
def sparse_softmax_crossentropy(logits, labels, *, out=None, residuals=False):
    name = f"sparse_crossentropy{_LABELS[labels.dtype]}"
    return _loss(name, logits, contiguous(labels), out, residuals)


def _sparse_grad_fits(g, labels, probabilities):
    return _labels_fit(probabilities, labels) and _gradient_fits(g, probabilities)


@implements(prim.sparse_softmax_crossentropy_grad, where=_sparse_grad_fits)
def sparse_softmax_crossentropy_grad(g, labels, probabilities, *, out=None):
    result = target(out, probabilities, probabilities.shape)
    name = f"sparse_crossentropy{_LABELS[labels.dtype]}_grad"
    _launch(name, result, -1, vector(probabilities), contiguous(labels), *_by_row(g), result)
    return deliver(result, out)


@implements(prim.softmax_crossentropy, where=_is_covered)
def softmax_crossentropy(logits, targets, *, out=None, residuals=False):
    return _loss("crossentropy", logits, vector(targets), out, residuals)


def _grad_fits(g, targets, probabilities):
    return _is_covered(probabilities, targets) and _gradient_fits(g, probabilities)


@implements(prim.softmax_crossentropy_grad, where=_grad_fits)
def softmax_crossentropy_grad(g, targets, probabilities, *, out=None):
    result = target(out, probabilities, probabilities.shape)
    _launch("crossentropy_grad", result, -1, vector(targets), vector(probabilities), *_by_row(g), result)
    return deliver(result, out)


@cuda.implements(prim.check_labels)
def check_labels(labels, *, classes):
    """Nothing: to look at the labels would stall the device."""
