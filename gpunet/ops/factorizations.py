"""Factorizations of matrices, and what is read off them.

The gradients are those of Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", Walter and Lehmann (2010) for QR, and Townsend (2016) for the singular value decomposition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import device_of, to_device
from gpunet.backend.dtypes import INT32
from gpunet.ops import elementwise as el
from gpunet.ops.indexing import argsort, getitem, take_along_axis
from gpunet.ops.joining import concatenate
from gpunet.ops.library import library_function, outputs_of
from gpunet.ops.operands import cast_to
from gpunet.ops.products import diagonal, matmul, tril, triu
from gpunet.ops.reduction import broadcast_to
from gpunet.ops.reduction import max as max_
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.solving import matrix, rank_tolerance, solve_triangular, square_matrix, transposed
from gpunet.ops.views import expand_dims
from gpunet.symbolic.ops import symbolic_op


def _symmetric(x: Any) -> Any:
    return el.multiply(el.add(x, transposed(x)), 0.5)


def _half_lower(x: Any) -> Any:
    """The lower triangle, with half the diagonal."""
    return el.multiply(el.add(tril(x), tril(x, -1)), 0.5)


def _like(x: Any) -> AbstractArray:
    return AbstractArray(x.shape, x.dtype)


def _cholesky_gradient(g, r):
    factor = r.out
    inner = _half_lower(matmul(transposed(factor), g))
    half = solve_triangular(transposed(factor), inner)  # L⁻ᵀ·Φ(Lᵀ·g)
    return (_symmetric(transposed(solve_triangular(transposed(factor), transposed(half)))),)


_cholesky = library_function(
    "cholesky",
    lambda xp, x: xp.linalg.cholesky((x + x.swapaxes(-1, -2)) / 2),
    _like,
    _cholesky_gradient,
    "o",
)


@symbolic_op
def cholesky(x: Any, upper: bool = False) -> Any:
    """The lower triangular L with L·Lᵀ = x, for symmetric, positive definite matrices (…, n, n); Lᵀ with `upper`.

    The symmetric part of x is taken.

    Raises:
        ValueError: if x is not square.
        numpy.linalg.LinAlgError: if it is not positive definite.
    """
    factor = _cholesky(square_matrix(x, "cholesky"))
    return transposed(factor) if upper else factor


@symbolic_op
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor is x: (L·Lᵀ)⁻¹, or (Uᵀ·U)⁻¹ with `upper`."""
    x = square_matrix(x, "cholesky_inverse")
    inverse = solve_triangular(x, _identity_like(x), lower=not upper)
    return matmul(inverse, transposed(inverse)) if upper else matmul(transposed(inverse), inverse)


def _identity_like(x: Any) -> Any:
    """The identity as a constant beside x, repeated along its leading axes."""
    return broadcast_to(_identity(x), x.shape)


def _identity(x: Any) -> Any:
    """The identity of the size of x's last axis, beside x."""
    return to_device(np.eye(x.shape[-1], dtype=x.dtype), device_of(raw(x)))


@symbolic_op
def logdet(x: Any) -> Any:
    """The logarithms of the determinants of symmetric, positive definite matrices (…, n, n)."""
    return el.multiply(sum_(el.log(diagonal(cholesky(x), axis1=-2, axis2=-1)), -1), 2)


def _qr_gradient(g, r):
    """Of a matrix with at least as many rows as columns."""
    gq, gr = g
    if r.attributes["mode"] == "complete" and r.shapes[0][-1] != r.shapes[0][-2]:
        raise ValueError("qr has a gradient with mode='reduced' only, for matrices that are not square")
    q, upper = outputs_of(r, _qr)
    zero = el.zeros_like(upper)
    inner = zero if gr is None else matmul(upper, transposed(gr))
    if gq is not None:
        inner = el.subtract(inner, matmul(transposed(gq), q))
    whole = matmul(q, el.add(tril(inner), transposed(tril(inner, -1))))
    whole = whole if gq is None else el.add(whole, gq)
    return (transposed(solve_triangular(upper, transposed(whole))),)


def _qr_shapes(x, *, mode):
    *lead, m, n = x.shape
    k = min(m, n) if mode == "reduced" else m
    return AbstractArray((*lead, m, k), x.dtype), AbstractArray((*lead, k, n), x.dtype)


_qr = library_function("qr", lambda xp, x, *, mode: xp.linalg.qr(x, mode=mode), _qr_shapes, _qr_gradient)


@symbolic_op
def qr(x: Any, mode: str = "reduced") -> Any:
    """The orthonormal q and the upper triangular r with q·r = x, of matrices (…, m, n).

    Args:
        mode: "reduced" gives (…, m, k) and (…, k, n) with k = min(m, n), "complete" (…, m, m) and (…, m, n).

    Raises:
        ValueError: on another mode.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(
            f"`mode` argument value not supported. Expected one of {{'reduced', 'complete'}}. Received: mode={mode}"
        )
    x = matrix(x, "qr")
    rows, columns = x.shape[-2:]
    if columns <= rows:
        return _qr(x, mode=mode)
    q, left = _qr(getitem(x, (..., slice(rows))), mode="reduced")  # the other columns are q·(qᵀ·x)
    right = matmul(transposed(q), getitem(x, (..., slice(rows, None))))
    return q, concatenate([left, right], -1)


def _eigh_gradient(g, r):
    gw, gv = g
    w, v = outputs_of(r, _eigh)
    inner = _diagonal_matrix(w if gw is None else gw)
    inner = el.multiply(inner, 0.0) if gw is None else inner
    if gv is not None:
        inner = el.add(inner, el.multiply(_inverse_gaps(w), matmul(transposed(v), gv)))
    return (_symmetric(matmul(matmul(v, inner), transposed(v))),)


def _diagonal_matrix(x: Any) -> Any:
    """Vectors (…, n) as the diagonals of matrices (…, n, n)."""
    column = expand_dims(x, -1)
    return el.multiply(column, _identity(x))


def _inverse_gaps(w: Any) -> Any:
    """1 / (w_j − w_i), and 0 where both are equal."""
    gaps = el.subtract(expand_dims(w, -2), expand_dims(w, -1))
    apart = el.not_equal(gaps, 0)
    return el.where(apart, el.divide(1.0, el.where(apart, gaps, 1.0)), 0.0)


_eigh = library_function(
    "eigh",
    lambda xp, x: xp.linalg.eigh((x + x.swapaxes(-1, -2)) / 2),
    lambda x: (AbstractArray(x.shape[:-1], x.dtype), _like(x)),
    _eigh_gradient,
)


@symbolic_op
def eigh(x: Any) -> Any:
    """The eigenvalues (…, n) in ascending order and the eigenvectors (…, n, n), as columns, of symmetric matrices.

    The symmetric part of x is taken. The gradient of eigenvectors needs eigenvalues that differ.
    """
    return _eigh(square_matrix(x, "eigh"))


def _svd_gradient(g, r):
    gu, gs, gvh = g
    rows, columns = r.shapes[0][-2:]
    if r.attributes["full_matrices"] and rows != columns and not (gu is None and gvh is None):
        raise ValueError("the vectors of svd have a gradient with full_matrices=False only, unless x is square")
    x = r.inputs[0]
    u, s, vh = _svd(x, full_matrices=False) if r.attributes["full_matrices"] else outputs_of(r, _svd)
    v, scale = transposed(vh), expand_dims(s, -2)
    whole = el.zeros_like(matmul(u, vh)) if gs is None else matmul(el.multiply(u, expand_dims(gs, -2)), vh)
    gaps = _inverse_gaps(el.square(s))
    if gu is not None:
        whole = el.add(whole, matmul(_turned(u, gu, gaps, scale, rows), vh))
    if gvh is not None:
        whole = el.add(whole, matmul(u, transposed(_turned(v, transposed(gvh), gaps, scale, columns))))
    return (whole,)


def _turned(u: Any, gu: Any, gaps: Any, scale: Any, rows: int) -> Any:
    """What the gradient of singular vectors u adds to that of u·diag(s)."""
    spin = matmul(transposed(u), gu)
    inside = matmul(u, el.multiply(el.multiply(gaps, el.subtract(spin, transposed(spin))), scale))
    if u.shape[-1] == rows:
        return inside
    return el.add(inside, el.divide(el.subtract(gu, matmul(u, spin)), scale))


def _svd_shapes(x, *, full_matrices):
    *lead, m, n = x.shape
    k = min(m, n)
    left, right = (m, n) if full_matrices else (k, k)
    shapes = (*lead, m, left), (*lead, k), (*lead, right, n)
    return tuple(AbstractArray(shape, x.dtype) for shape in shapes)


_svd = library_function(
    "svd",
    lambda xp, x, *, full_matrices: xp.linalg.svd(x, full_matrices=full_matrices),
    _svd_shapes,
    _svd_gradient,
)


def _singular_values_gradient(g, r):
    u, _, vh = _svd(r.inputs[0], full_matrices=False)
    return (matmul(el.multiply(u, expand_dims(g, -2)), vh),)


_singular_values = library_function(
    "singular_values",
    lambda xp, x: xp.linalg.svd(x, compute_uv=False),
    lambda x: AbstractArray((*x.shape[:-2], min(x.shape[-2:])), x.dtype),
    _singular_values_gradient,
    "x",
)


@symbolic_op
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The orthonormal u and vh and the singular values s, descending, with u·diag(s)·vh = x, of matrices (…, m, n).

    Args:
        full_matrices: u (…, m, m) and vh (…, n, n) rather than (…, m, k) and (…, k, n) with k = min(m, n).
        compute_uv: whether u and vh are wanted, or s alone.
    """
    x = matrix(x, "svd")
    return _svd(x, full_matrices=bool(full_matrices)) if compute_uv else _singular_values(x)


@symbolic_op
def matrix_rank(x: Any, tol: float | None = None) -> Any:
    """The number of singular values above `tol`, int32; above max(m, n)·ε of the largest where it is None."""
    x = matrix(x, "matrix_rank")
    s = el.stop_gradient(_singular_values(x))
    bound = el.multiply(max_(s, -1, keepdims=True), rank_tolerance(x)) if tol is None else tol
    return sum_(cast_to(el.greater(s, bound), "int32"), -1)


def _eliminated(xp, x):
    """LAPACK's getrf in whole rows: for each column the largest pivot, the swap, the elimination below."""
    *lead, m, n = x.shape
    k = min(m, n)
    work = x.reshape(-1, m, n).copy()
    every = xp.arange(len(work))
    pivots = xp.zeros((len(work), k), "int32")
    for j in range(k):
        p = xp.argmax(xp.absolute(work[:, j:, j]), axis=1) + j
        pivots[:, j] = p
        swapped = work[every, p]
        work[every, p] = work[:, j]
        work[:, j] = swapped
        pivot = work[:, j, j][:, None]
        work[:, j + 1 :, j] /= xp.where(pivot == 0, 1, pivot)
        work[:, j + 1 :, j + 1 :] -= work[:, j + 1 :, j, None] * work[:, j, None, j + 1 :]
    return work.reshape(x.shape), pivots.reshape(*lead, k)


def _lu_gradient(g, r):
    if r.shapes[0][-1] != r.shapes[0][-2]:
        raise ValueError("lu_factor has a gradient for square matrices only")
    packed, pivots = outputs_of(r, _lu)
    upper, lower = triu(packed), el.add(tril(packed, -1), _identity_like(packed))
    inner = el.add(tril(matmul(transposed(lower), tril(g[0], -1)), -1), triu(matmul(triu(g[0]), transposed(upper))))
    half = solve_triangular(transposed(lower), inner)  # L⁻ᵀ·inner
    whole = transposed(solve_triangular(upper, transposed(half)))  # … ·U⁻ᵀ
    places = argsort(_row_order(raw(pivots)), -1)  # where the swaps took each row
    return (take_along_axis(whole, expand_dims(places, -1), -2),)


def _swapped_rows(xp, pivots):
    """The order of rows after all swaps, (…, k)."""
    flat = pivots.reshape(-1, pivots.shape[-1])
    order, every = xp.zeros(flat.shape, "int32") + xp.arange(flat.shape[1], dtype="int32"), xp.arange(len(flat))
    for j in range(flat.shape[1]):
        other = order[every, flat[:, j]]
        order[every, flat[:, j]] = order[:, j]
        order[:, j] = other
    return order.reshape(pivots.shape)


_row_order = library_function("row_order", _swapped_rows, _like)
_lu = library_function(
    "lu_factor",
    _eliminated,
    lambda x: (_like(x), AbstractArray((*x.shape[:-2], min(x.shape[-2:])), INT32)),
    _lu_gradient,
)


@symbolic_op
def lu_factor(x: Any) -> tuple[Any, Any]:
    """L·U of matrices (…, m, n) with swapped rows, packed: U above and at the diagonal, L below, whose diagonal is 1.

    The second result, int32 (…, min(m, n)), says which row each row was swapped with, in order.
    """
    return _lu(matrix(x, "lu_factor"))
