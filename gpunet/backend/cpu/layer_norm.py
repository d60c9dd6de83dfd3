"""Layer and RMS normalisation on NumPy: one pass over blocks of rows that stay in cache.

Gradients of gamma and beta are summed per block in the arrays' dtype, then in float64; the blocks depend on the shape
alone, and so results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.reduction import sum_rows
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.cpu.threads import split
from gpunet.backend.memory import empty
from gpunet.backend.portable import layer_norm as portable
from gpunet.backend.primitives import nn as prim

_BLOCK, _ROWS = 512 * 1024, 1024  # bytes, and rows, of so many of which float32 sums stay accurate


def _each_block(function, matrix) -> None:
    """Call `function(number, rows)` for blocks of rows, in several threads if there are many."""
    count, step = block_count(matrix)

    def part(first, last):
        for number in range(first, last):
            function(number, slice(number * step, (number + 1) * step))

    split(part, count, matrix.nbytes)


def block_count(matrix) -> tuple[int, int]:
    """Into how many blocks of how many rows a matrix is cut."""
    step = min(max(1, _BLOCK // (matrix.shape[1] * matrix.itemsize)), _ROWS)
    return -(-matrix.shape[0] // step), step


def totals(sums, parameters: int) -> list[np.ndarray]:
    """Sums over the blocks: gradients of gamma and beta, as many as are asked for."""
    return list(sums[:, :parameters].sum(axis=0, dtype=np.float64).astype(sums.dtype))


def _suits(*arrays) -> bool:
    """Whether there are elements, all arrays are of one dtype, float32 or float64, and lie row by row."""
    x = arrays[0]
    return x.size and x.dtype.char in "fd" and all(a is None or _lies(a, x.dtype) for a in arrays)


def _lies(array, dtype) -> bool:
    return array.dtype == dtype and array.flags.c_contiguous


def _centre(x, shift, out):
    """x minus its rows' means, which are `shift` from their first elements."""
    return np.subtract(np.subtract(x, x[:, :1], out=out), shift, out=out)


@cpu.implements(prim.layer_norm)
def layer_norm(x, gamma, beta, *, epsilon, centred, out=None, residuals=False):
    if not _suits(x, gamma, beta, out):
        options = {"epsilon": epsilon, "centred": centred, "out": out, "residuals": residuals}
        return portable.layer_norm(np, x, gamma, beta, **options)
    y = empty(x.shape, x.dtype) if out is None else out
    shift, inverse = (np.empty((*x.shape[:-1], 1), x.dtype) for _ in range(2))
    matrix, target, shifts, inverses = (a.reshape(-1, a.shape[-1]) for a in (x, y, shift, inverse))
    share = x.dtype.type(1 / x.shape[-1])

    def normalise(_, rows):
        part, to, scale = matrix[rows], target[rows], inverses[rows]
        if centred:
            np.subtract(part, part[:, :1], out=to)
            means = np.add.reduce(to, 1, None, shifts[rows], True)
            np.multiply(means, share, out=means)
            part = np.subtract(to, means, out=to)
        np.einsum("ij,ij->i", part, part, out=scale[:, 0])
        np.multiply(scale, share, out=scale)
        np.add(scale, x.dtype.type(epsilon), out=scale)
        np.reciprocal(np.sqrt(scale, out=scale), out=scale)
        np.multiply(part, scale, out=to)
        if gamma is not None:
            np.multiply(to, gamma, out=to)
        if beta is not None:
            np.add(to, beta, out=to)

    _each_block(normalise, matrix)
    return y, ((shift, inverse) if centred else (inverse,)) if residuals else ()


@cpu.implements(prim.layer_norm_grad)
def layer_norm_grad(g, x, gamma, *statistics, centred, parameters, out=None):
    if not _suits(x, g, gamma, out):
        options = {"centred": centred, "parameters": parameters, "out": out}
        return portable.layer_norm_grad(np, g, x, gamma, *statistics, **options)
    dx = empty(x.shape, x.dtype) if out is None else out
    matrix, gradient, target, *statistics = (a.reshape(-1, a.shape[-1]) for a in (x, g, dx, *statistics))
    sums = np.empty((block_count(matrix)[0], 2, x.shape[-1]), x.dtype)
    share = x.dtype.type(1 / x.shape[-1])

    def differentiate(number, rows):
        part, h, to, inverse = matrix[rows], gradient[rows], target[rows], statistics[-1][rows]
        normalised = scratch("normalised", part.shape, part.dtype)
        if centred:
            part = _centre(part, statistics[0][rows], normalised)
        np.multiply(part, inverse, out=normalised)
        if parameters:
            np.einsum("ij,ij->j", h, normalised, out=sums[number, 0])
        if parameters > 1:
            sums[number, 1] = sum_rows(h)
        if gamma is not None:
            h = np.multiply(h, gamma, out=to)
        along = np.einsum("ij,ij->i", h, normalised)[:, None]
        mean = np.add.reduce(h, 1, keepdims=True) if centred else None
        np.multiply(normalised, along * share, out=normalised)
        np.subtract(h, normalised, out=to)
        if mean is not None:
            np.subtract(to, mean * share, out=to)
        np.multiply(to, inverse, out=to)

    _each_block(differentiate, matrix)
    return dx, *totals(sums, parameters)
