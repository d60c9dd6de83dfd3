"""Matrix products: batched `matmul`, and `linear`, a Dense layer's product with its epilogue."""

from __future__ import annotations

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives.elementwise import broadcast_shapes


def _infer_matmul(a, b, *, transpose_a=False, transpose_b=False):
    rows, inner = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    inner_b, columns = b.shape[-2:][::-1] if transpose_b else b.shape[-2:]
    if inner != inner_b:
        raise ValueError(f"matmul: inner dimensions differ. Received shapes: {a.shape} and {b.shape}")
    batch = broadcast_shapes(AbstractArray(a.shape[:-2], a.dtype), AbstractArray(b.shape[:-2], b.dtype))
    return AbstractArray((*batch, rows, columns), a.dtype)


# a: (..., m, k), b: (..., k, n), at least 2-D, one dtype; a transposed operand has its last two axes swapped.
matmul = Primitive("matmul", _infer_matmul)

# act(x @ w + b): x (..., k), w (k, n), b (n,) or None; activation None or "relu".
linear = Primitive("linear", lambda x, w, b, *, activation=None: AbstractArray((*x.shape[:-1], w.shape[1]), x.dtype))
# The gradient of linear in w: sum over all leading axes of x (..., k) and g (..., n) → (k, n).
linear_weight_grad = Primitive("linear_weight_grad", lambda x, g: AbstractArray((x.shape[-1], g.shape[-1]), x.dtype))
