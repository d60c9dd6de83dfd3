"""Matrix products on NumPy, which keep BLAS's threads out of the way of split work."""

from __future__ import annotations

import functools

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.constants import ZERO
from gpunet.backend.cpu.threads import ONE_THREAD, blas_threads
from gpunet.backend.portable import matmul as portable
from gpunet.backend.primitives import matmul as prim


@cpu.implements(prim.matmul)
def matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    with blas_threads(a.size * b.shape[-2 if transpose_b else -1]):
        return portable.matmul(np, a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)


@cpu.implements(prim.linear)
def linear(x, w, b, *, activation=None, out=None):
    multiplications = x.size * w.shape[1]
    if x.ndim == 2 and _is_bindable(multiplications, x):
        return _plain_linear(x, w, b, activation, out)
    with blas_threads(multiplications):
        return portable.linear(np, x, w, b, activation=activation, out=out)


def _plain_linear(x, w, b, activation, out):
    y = np.matmul(x, w) if out is None else np.matmul(x, w, out)
    if b is not None:
        np.add(y, b, y)
    if activation == "relu":
        np.maximum(y, ZERO.get(y.dtype.char, 0), out=y)
    return y


@cpu.implements(prim.linear_weight_grad)
def linear_weight_grad(x, g, *, out=None):
    with blas_threads(x.size * g.shape[-1]):
        return portable.linear_weight_grad(np, x, g, out=out)


def _is_bindable(multiplications: int, *operands: np.ndarray | None) -> bool:
    """Whether the product is a plain one that BLAS does in one thread of its own accord."""
    return multiplications <= ONE_THREAD and all(a is None or (a.ndim < 3 and a.dtype.itemsize > 2) for a in operands)


@cpu.binds(prim.matmul)
def bind_matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    if out is None or b.ndim != 2 or not _is_bindable(a.size * b.shape[-2 if transpose_b else -1], a, b):
        return None
    return functools.partial(np.matmul, a.T if transpose_a else a, b.T if transpose_b else b, out=out)


@cpu.binds(prim.linear)
def bind_linear(x, w, b, *, activation=None, out=None):
    if out is None or x.ndim != 2 or not _is_bindable(x.size * w.shape[1], x, w, b):
        return None
    return functools.partial(_plain_linear, x, w, b, activation, out)


@cpu.binds(prim.linear_weight_grad)
def bind_linear_weight_grad(x, g, *, out=None):
    if out is None or x.ndim != 2 or g.ndim != 2 or not _is_bindable(x.size * g.shape[-1], x, g):
        return None
    return functools.partial(np.matmul, x.T, g, out=out)
