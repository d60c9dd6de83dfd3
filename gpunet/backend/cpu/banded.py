"""The input gradient of small images with few channels, as one product with a banded matrix.

A row of g holds all its columns and channels; multiplied by a matrix that is banded along the columns it gives, for
each row of the filter, its share of a row of dx. No windows are gathered, and the product has wide operands where the
ordinary one would have `channels` columns, too few for BLAS.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.cpu.threads import split

_FEW_CHANNELS = 8
_LARGEST_WASTE = 4  # how many times the arithmetic of the convolution itself is worth it
_LARGEST_MATRIX = 1 << 18


def suits(g, w, dx_shape, strides, dilation, groups) -> bool:
    """True where this was measured to be faster than gathering windows."""
    if len(strides) != 2 or groups != 1 or any(s != 1 for s in strides) or any(d != 1 for d in dilation):
        return False
    height, width, channels, _ = w.shape
    waste = dx_shape[2] / width
    matrix = g.shape[2] * g.shape[3] * height * dx_shape[2] * channels
    return channels <= _FEW_CHANNELS and waste <= _LARGEST_WASTE and matrix <= _LARGEST_MATRIX and g.shape[0] >= 16


def input_grad(g, w, dx, padding):
    """dx[n, h, x, c] = Σ g[n, i, j, o]·w[h − i + top, x − j + left, c, o], for contiguous g and dx."""
    (top, _), (left, _) = padding
    band = _band(w, g.shape[2], dx.shape[2], left)
    height, columns, channels = w.shape[0], dx.shape[2], dx.shape[3]

    def part(first, last):
        rows = g[first:last].reshape(-1, g.shape[2] * g.shape[3])
        shares = scratch("shares", (len(rows), band.shape[1]), g.dtype)
        np.matmul(rows, band, out=shares)
        shares = shares.reshape(last - first, g.shape[1], height, columns, channels)
        target = dx[first:last]
        target[...] = 0
        for k in range(height):
            start = k - top  # the row of dx that row 0 of g reaches with row k of the filter
            a, b = max(0, -start), min(g.shape[1], dx.shape[1] - start)
            if a < b:
                target[:, start + a : start + b] += shares[:, a:b, k]

    split(part, g.shape[0], g.shape[0] * g.shape[1] * band.size // 8)


def _band(w, g_columns, columns, left):
    """(g's columns × out channels, filter rows × dx's columns × channels): w along diagonals, zeros elsewhere."""
    height, width, channels, out = w.shape
    band = np.zeros((g_columns, out, height, columns, channels), w.dtype)
    j = np.arange(g_columns)
    for k in range(width):
        x = j + k - left
        inside = (x >= 0) & (x < columns)
        band[j[inside], :, :, x[inside]] = w[:, k].transpose(2, 0, 1)
    return band.reshape(g_columns * out, -1)
