"""Matrix products by the namespace's BLAS; 16-bit floats multiply in float32."""

from __future__ import annotations

from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import matmul as prim


def _swap(x, transposed):
    return x.swapaxes(-1, -2) if transposed else x


@portable.implements(prim.matmul)
def matmul(xp, a, b, *, transpose_a=False, transpose_b=False, out=None):
    a, b = _swap(a, transpose_a), _swap(b, transpose_b)
    if a.dtype.itemsize == 2 and a.dtype.kind != "i" and a.dtype.kind != "u":
        return _into(xp, xp.matmul(a.astype("float32"), b.astype("float32")).astype(a.dtype), out)
    return xp.matmul(a, b, out=out)


@portable.implements(prim.linear)
def linear(xp, x, w, b, *, activation=None, out=None):
    y = matmul(xp, x.reshape(-1, x.shape[-1]), w, out=None if out is None else out.reshape(-1, w.shape[1]))
    if b is not None:
        xp.add(y, b, out=y)
    if activation == "relu":
        xp.maximum(y, 0, out=y)
    return y.reshape(*x.shape[:-1], w.shape[1])


@portable.implements(prim.linear_weight_grad)
def linear_weight_grad(xp, x, g, *, out=None):
    return matmul(xp, x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1]), transpose_a=True, out=out)
