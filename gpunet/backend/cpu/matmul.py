"""Matrix products on NumPy, which keep BLAS's threads out of the way of split work."""

from __future__ import annotations

import functools

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.elementwise import rectifying
from gpunet.backend.cpu.products import multiply, multiplying
from gpunet.backend.cpu.threads import blas_threads
from gpunet.backend.portable import matmul as portable
from gpunet.backend.primitives import matmul as prim


def _is_plain(*operands: np.ndarray | None) -> bool:
    """Whether all are of one dtype that BLAS knows, and matrices but for a bias."""
    kinds = {a.dtype for a in operands if a is not None}
    return len(kinds) == 1 and kinds.pop().char in "fd" and all(a is None or a.ndim < 3 for a in operands)


@cpu.implements(prim.matmul)
def matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    if a.ndim == b.ndim == 2 and _is_plain(a, b, out):
        return multiply(a.T if transpose_a else a, b.T if transpose_b else b, out)
    with blas_threads(a.size * b.shape[-2 if transpose_b else -1]):
        return portable.matmul(np, a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)


@cpu.implements(prim.linear)
def linear(x, w, b, *, activation=None, out=None):
    if x.ndim == 2 and _is_plain(x, w, b, out):
        y = multiply(x, w, out)
        _end(y, b, activation)()
        return y
    with blas_threads(x.size * w.shape[1]):
        return portable.linear(np, x, w, b, activation=activation, out=out)


def _end(y, b, activation):
    """A function that adds a bias to y and ends with a ReLU, in place."""
    add = None if b is None else functools.partial(np.add, y, b, y)
    if activation != "relu":
        return add or (lambda: None)
    rectify = rectifying(y, y) if y.flags.c_contiguous else functools.partial(np.maximum, y, 0, out=y)

    def run():
        if add is not None:
            add()
        rectify()

    return run


@cpu.implements(prim.linear_weight_grad)
def linear_weight_grad(x, g, *, out=None):
    x, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    if _is_plain(x, g, out):
        return multiply(x.T, g, out)
    with blas_threads(x.size * g.shape[-1]):
        return portable.linear_weight_grad(np, x, g, out=out)


@cpu.binds(prim.matmul)
def bind_matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    if out is None or not a.ndim == b.ndim == 2 or not _is_plain(a, b, out):
        return None
    return multiplying(a.T if transpose_a else a, b.T if transpose_b else b, out)


@cpu.binds(prim.linear)
def bind_linear(x, w, b, *, activation=None, out=None):
    if out is None or x.ndim != 2 or not _is_plain(x, w, b, out):
        return None
    multiply, end = multiplying(x, w, out), _end(out, b, activation)

    def run():
        multiply()
        end()
        return out

    return run


@cpu.binds(prim.linear_weight_grad)
def bind_linear_weight_grad(x, g, *, out=None):
    if out is None or not x.ndim == g.ndim == 2 or not _is_plain(x, g, out):
        return None
    return multiplying(x.T, g, out)
