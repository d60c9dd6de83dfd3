"""Matrix products on NumPy, which keep BLAS's threads out of the way of split work."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.threads import blas_threads
from gpunet.backend.portable import matmul as portable
from gpunet.backend.primitives import matmul as prim


@cpu.implements(prim.matmul)
def matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    with blas_threads(a.size * b.shape[-2 if transpose_b else -1]):
        return portable.matmul(np, a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)


@cpu.implements(prim.linear)
def linear(x, w, b, *, activation=None, out=None):
    with blas_threads(x.size * w.shape[1]):
        return portable.linear(np, x, w, b, activation=activation, out=out)


@cpu.implements(prim.linear_weight_grad)
def linear_weight_grad(x, g, *, out=None):
    with blas_threads(x.size * g.shape[-1]):
        return portable.linear_weight_grad(np, x, g, out=out)
