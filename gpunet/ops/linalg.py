"""Linear algebra, with the names of `keras.ops.linalg`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet.autograd import transforms
from gpunet.ops.factorizations import cholesky, cholesky_inverse, eigh, lu_factor, matrix_rank, qr, svd
from gpunet.ops.norms import norm
from gpunet.ops.solving import det, inv, lstsq, pinv, solve, solve_triangular


def jvp(fun: Callable, primals: Any, tangents: Any, has_aux: bool = False) -> tuple:
    """`fun(*primals)` and its derivative along the tangents.

    Args:
        has_aux: whether `fun` returns a pair, whose second part comes back as a third result.

    Raises:
        ValueError: if there is not one tangent of the same shape for each primal.
    """
    if not has_aux:
        return transforms.jvp(fun, tuple(primals), tuple(tangents))
    aux: list[Any] = []

    def first(*arguments):
        value, more = fun(*arguments)
        aux[:] = [more]
        return value

    value, along = transforms.jvp(first, tuple(primals), tuple(tangents))
    return value, along, aux[0]


__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eigh",
    "inv",
    "jvp",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_triangular",
    "svd",
]
