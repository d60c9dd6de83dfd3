"""Linear equations, inverses and determinants."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backend.abstract import AbstractArray
from gpunet.ops import elementwise as el
from gpunet.ops.library import library_function, wide
from gpunet.ops.operands import promote
from gpunet.ops.products import matmul, tril, triu
from gpunet.ops.reduction import unbroadcast
from gpunet.ops.views import expand_dims, squeeze, swapaxes
from gpunet.symbolic.ops import symbolic_op


def transposed(x: Any) -> Any:
    """x with its last two axes exchanged."""
    return swapaxes(x, -1, -2)


def matrix(x: Any, name: str) -> Any:
    """x as floats of LAPACK; ValueError unless it is a matrix or a stack of them."""
    x = wide(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: Expected input to have rank >= 2. Received input with shape {tuple(x.shape)}.")
    return x


def square_matrix(x: Any, name: str) -> Any:
    """The same, and square."""
    x = matrix(x, name)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: Expected a square matrix. Received input with shape {tuple(x.shape)}.")
    return x


def _solve_gradient(g, r):
    gb = _solve(transposed(r.inputs[0]), g)
    ga = el.negative(matmul(gb, transposed(r.out))) if r.needs[0] else None
    return (
        None if ga is None else unbroadcast(ga, r.shapes[0]),
        unbroadcast(gb, r.shapes[1]) if r.needs[1] else None,
    )


def _solved_shape(a, b):
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return AbstractArray((*lead, *b.shape[-2:]), b.dtype)


# `ops.solve` for b of the rank of a, which it broadcasts with.
_solve = library_function("solve", lambda xp, a, b: xp.linalg.solve(a, b), _solved_shape, _solve_gradient, "xyo")
_inverse = library_function(
    "inv",
    lambda xp, x: xp.linalg.inv(x),
    lambda x: AbstractArray(x.shape, x.dtype),
    lambda g, r: (el.negative(matmul(matmul(transposed(r.out), g), transposed(r.out))),),
    "o",
)


def _scaled_inverse(g: Any, x: Any) -> Any:
    """g · x⁻ᵀ for a number g per matrix."""
    return el.multiply(expand_dims(expand_dims(g, -1), -1), transposed(_inverse(x)))


_det = library_function(
    "det",
    lambda xp, x: xp.linalg.det(x),
    lambda x: AbstractArray(x.shape[:-2], x.dtype),
    lambda g, r: (_scaled_inverse(el.multiply(g, r.out), r.inputs[0]),),
)
_slogdet = library_function(
    "slogdet",
    lambda xp, x: xp.linalg.slogdet(x),
    lambda x: (AbstractArray(x.shape[:-2], x.dtype),) * 2,
    lambda g, r: (None if g[1] is None else _scaled_inverse(g[1], r.inputs[0]),),
    "x",
)


@symbolic_op
def solve(a: Any, b: Any) -> Any:
    """The x with a·x = b, for square matrices a (…, n, n) and b (…, n, k) or (…, n).

    Raises:
        ValueError: if the shapes do not fit.
    """
    a, b = _equation(a, b, "solve")
    return _column_by_column(_solve, a, b)


@symbolic_op
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """The same for triangular matrices a; what is on the other side of their diagonal is not read."""
    a, b = _equation(a, b, "solve_triangular")
    return _column_by_column(_solve, tril(a) if lower else triu(a), b)


def _equation(a: Any, b: Any, name: str) -> tuple[Any, Any]:
    a, b = promote(square_matrix(a, name), wide(b))
    rows = b.shape[-2] if b.ndim == a.ndim else b.shape[-1] if b.ndim == a.ndim - 1 else None
    if rows != a.shape[-1]:
        raise ValueError(
            f"{name}: expected `a` of shape (…, n, n) and `b` of shape (…, n, k) or (…, n). "
            f"Received: a.shape={tuple(a.shape)}, b.shape={tuple(b.shape)}"
        )
    return a, b


def _column_by_column(function: Any, a: Any, b: Any) -> Any:
    """The function of a and b, where b may be vectors."""
    if b.ndim == a.ndim:
        return function(a, b)
    return squeeze(function(a, expand_dims(b, -1)), -1)


@symbolic_op
def inv(x: Any) -> Any:
    """The inverses of square matrices (…, n, n)."""
    return _inverse(square_matrix(x, "inv"))


@symbolic_op
def det(x: Any) -> Any:
    """The determinants of square matrices (…, n, n); their gradient needs regular ones."""
    return _det(square_matrix(x, "det"))


@symbolic_op
def slogdet(x: Any) -> Any:
    """The sign of the determinant of square matrices (…, n, n), and the logarithm of its absolute value."""
    return _slogdet(square_matrix(x, "slogdet"))


def rank_tolerance(x: Any) -> float:
    """The share of the largest singular value below which others count as 0: max(m, n)·ε."""
    return max(x.shape[-2:]) * float(np.finfo(x.dtype).eps)


def _pseudo_inverse(xp, x, *, rcond):
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    large = s > rcond * xp.max(s, axis=-1, keepdims=True)
    inverse = xp.where(large, 1 / xp.where(large, s, 1), 0).astype(x.dtype)
    return xp.matmul(vh.swapaxes(-1, -2) * inverse[..., None, :], u.swapaxes(-1, -2))


def _pseudo_inverse_gradient(g, r):
    """Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973), for matrices of constant rank."""
    a, p = r.inputs[0], r.out
    gt, pt = transposed(g), transposed(p)
    one = el.negative(matmul(matmul(pt, g), pt))
    left, right = matmul(gt, matmul(p, pt)), matmul(matmul(pt, p), gt)
    two = el.subtract(left, matmul(a, matmul(p, left)))
    three = el.subtract(right, matmul(matmul(right, p), a))
    return (el.add(one, el.add(two, three)),)


_pinv = library_function(
    "pinv",
    _pseudo_inverse,
    lambda x, *, rcond: AbstractArray((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype),
    _pseudo_inverse_gradient,
)


@symbolic_op
def pinv(x: Any, rcond: float | None = None) -> Any:
    """The Moore–Penrose inverses of matrices (…, m, n), (…, n, m).

    Args:
        rcond: singular values below this share of the largest count as 0; max(m, n)·ε where None.
    """
    x = matrix(x, "pinv")
    return _pinv(x, rcond=rank_tolerance(x) if rcond is None else float(rcond))


@symbolic_op
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """The shortest x with the least |a·x − b|, for a (m, n) and b (m,) or (m, k).

    Args:
        rcond: as for `pinv`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    a, b = promote(matrix(a, "lstsq"), wide(b))
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(
            f"lstsq: Leading shapes of input arrays incompatible; expected (m, n) and (m,) or (m, k). "
            f"Received: a.shape={tuple(a.shape)}, b.shape={tuple(b.shape)}"
        )
    return matmul(pinv(a, rcond), b)
