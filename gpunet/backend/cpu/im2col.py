"""The dense convolution core on NumPy: windows gathered in cache-sized chunks, multiplied by BLAS.

Two ways of gathering, both measured (`benchmarks`): im2col copies each window's rows as opaque runs; lowering copies
over all spatial axes but the last and lets BLAS read overlapping windows along it, which copies kw times less and wins
where channels are few.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from gpunet.backend.cpu.elementwise import rectify
from gpunet.backend.cpu.products import multiply
from gpunet.backend.cpu.scratch import CHUNK_BYTES, as_runs, chunks, scratch
from gpunet.backend.cpu.threads import split
from gpunet.backend.portable.conv import overlap


def pad(x, padding):
    """x padded (or cropped, where a pair is negative), C-contiguous; in scratch unless it is x itself."""
    shape = (x.shape[0], *(n + lo + hi for n, (lo, hi) in zip(x.shape[1:-1], padding)), x.shape[-1])
    if not any(map(any, padding)):
        return np.ascontiguousarray(x)
    padded = scratch("pad", shape, x.dtype)
    for axis, (lo, hi) in enumerate(padding, start=1):
        whole: list = [slice(None)] * axis
        padded[(*whole, slice(0, max(lo, 0)))] = 0
        padded[(*whole, slice(max(shape[axis] - max(hi, 0), 0), None))] = 0
    target, source = overlap(x.shape[1:-1], padding)
    padded[target] = x[source]
    return padded


def _windows(padded, window, out_spatial, strides, dilation):
    """The windows of a contiguous padded input as opaque runs, of shape (n, *out, *rest of the window).

    A run is the kw·C contiguous items of a window's row, or the C items of one place where rows are dilated.
    """
    whole_rows = dilation[-1] == 1
    run = padded.shape[-1] * (window[-1] if whole_rows else 1)
    rest = window[:-1] if whole_rows else window
    steps = padded.strides[1:-1]
    return np.ndarray(
        (padded.shape[0], *out_spatial, *rest),
        np.dtype((np.void, run * padded.dtype.itemsize)),
        buffer=padded,
        strides=(
            padded.strides[0],
            *(s * step for s, step in zip(strides, steps)),
            *(d * step for _, d, step in zip(rest, dilation, steps)),
        ),
    )


def _row_chunks(count, height, row_bytes):
    """Slices of (batch, first spatial axis) whose gathered rows fit a chunk: whole images, or rows of one image."""
    if height * row_bytes <= CHUNK_BYTES:
        for a, b in chunks(count, height * row_bytes):
            yield slice(a, b), slice(None)
    else:
        for n in range(count):
            for a, b in chunks(height, row_bytes):
                yield slice(n, n + 1), slice(a, b)


def _is_pointwise(window, strides, padding):
    return all(k == 1 for k in window) and all(s == 1 for s in strides) and not any(map(any, padding))


class _Im2col:
    """All of a window in each row of the matrix: (places, kh·kw·C)."""

    def __init__(self, w_shape, out, strides, dilation):
        self.geometry = w_shape[:-2], out, strides, dilation
        self.k = math.prod(w_shape[:-1])
        self.row_items = math.prod(out[1:]) * self.k

    def kernel(self, w):
        return np.ascontiguousarray(w).reshape(self.k, -1)

    def uncover(self, product, shape):
        """A weight gradient in the order of `kernel`, as an array of the filter's shape."""
        return product.reshape(shape)

    def gather(self, padded, images, rows):
        part = _windows(padded, *self.geometry)[images, rows]
        items = part.dtype.itemsize // padded.itemsize
        columns = scratch("columns", (part.size, items), padded.dtype)
        np.copyto(columns.view(part.dtype).reshape(part.shape), part)
        return columns.reshape(-1, self.k)

    def places(self, y):
        """A chunk of the output as the matrix (places, channels) that the product writes."""
        return y.reshape(-1, y.shape[-1])


class _Lowered:
    """Windows that overlap along the last spatial axis: a stack of matrices (ow, places, kw·kh·C), one per column."""

    def __init__(self, w_shape, out, strides, dilation):
        self.window, self.out, self.strides, self.dilation = w_shape[:-2], out, strides, dilation
        self.channels = w_shape[-2]
        self.depth = math.prod(self.window[:-1]) * self.channels
        self.k = self.depth * self.window[-1]
        self.row_items = math.prod(out[1:-1]) * (out[-1] + self.window[-1] - 1) * self.depth

    def kernel(self, w):
        return np.ascontiguousarray(np.moveaxis(w, -3, 0)).reshape(self.k, -1)

    def uncover(self, product, shape):
        product = product.reshape(self.window[-1], *self.window[:-1], *shape[-2:])
        return np.moveaxis(product, 0, -3)

    def gather(self, padded, images, rows):
        out = (self.out[0] if rows == slice(None) else rows.stop - rows.start, *self.out[1:-1])
        first = 0 if rows == slice(None) else rows.start
        width, height_window = padded.shape[-2], self.window[:-1]
        part = padded[images]
        lowered = scratch("columns", (len(part), *out, width, *height_window, self.channels), padded.dtype)
        for offset in itertools.product(*map(range, height_window)):
            where = tuple(
                slice(o * d + s * f, o * d + s * (f + n - 1) + 1, s)
                for o, d, s, n, f in zip(offset, self.dilation, self.strides, out, (first, *[0] * len(out)))
            )
            target = lowered[(..., *offset, slice(None))]
            as_runs(target, self.channels)[...] = as_runs(part[(slice(None), *where)], self.channels)
        places, item = len(part) * math.prod(out), padded.itemsize
        return as_strided(
            lowered,
            (self.out[-1], places, self.k),
            (self.strides[-1] * self.depth * item, width * self.depth * item, item),
        )

    def places(self, y):
        rows = y.reshape(-1, *y.shape[-2:])
        return rows.transpose(1, 0, 2)


_FEW_CHANNELS = 32


def _layout(x_shape, w_shape, out, strides, dilation):
    """The gathering that was measured to be faster for these shapes."""
    few = w_shape[-2] <= _FEW_CHANNELS and w_shape[-1] <= _FEW_CHANNELS
    simple = len(out) > 1 and strides[-1] == 1 and dilation[-1] == 1 and w_shape[-3] > 1
    lowered = few and simple and x_shape[0] * math.prod(out[:-1]) >= 512
    return (_Lowered if lowered else _Im2col)(w_shape, out, strides, dilation)


def gemm_conv(x, w, y, strides, padding, dilation, b=None, activation=None):
    """y = activation(conv(x, w) + b), one group; the epilogue runs while a chunk is in cache."""
    if _is_pointwise(w.shape[:-2], strides, padding):
        multiply(x.reshape(-1, x.shape[-1]), w.reshape(w.shape[-2:]), y.reshape(-1, y.shape[-1]))
        epilogue(y, b, activation)
        return
    layout = _layout(x.shape, w.shape, y.shape[1:-1], strides, dilation)
    kernel = layout.kernel(w)
    row_bytes = layout.row_items * x.itemsize

    def part(first, last):
        padded = pad(x[first:last], padding)
        for images, rows in _row_chunks(last - first, y.shape[1], row_bytes):
            target = y[first:last][images, rows]
            np.matmul(layout.gather(padded, images, rows), kernel, out=layout.places(target))
            epilogue(target, b, activation)

    split(part, x.shape[0], x.shape[0] * y.shape[1] * row_bytes)


def gemm_weight_grad(x, g, dw, strides, padding, dilation):
    """dw = the weight gradient, one group: the chunks' products, added in order."""
    if _is_pointwise(dw.shape[:-2], strides, padding):
        multiply(x.reshape(-1, x.shape[-1]).T, g.reshape(-1, g.shape[-1]), dw.reshape(dw.shape[-2:]))
        return
    layout = _layout(x.shape, dw.shape, g.shape[1:-1], strides, dilation)
    row_bytes = layout.row_items * x.itemsize
    totals = {}

    def part(first, last):
        padded = pad(x[first:last], padding)
        total = np.zeros((layout.k, g.shape[-1]), x.dtype)
        for images, rows in _row_chunks(last - first, g.shape[1], row_bytes):
            gathered = layout.gather(padded, images, rows)
            product = np.matmul(gathered.swapaxes(-1, -2), layout.places(g[first:last][images, rows]))
            total += product if product.ndim == 2 else product.sum(axis=0)
        totals[first] = total

    split(part, x.shape[0], x.shape[0] * g.shape[1] * row_bytes)
    dw[...] = layout.uncover(sum(totals[first] for first in sorted(totals)), dw.shape)


def epilogue(y, b, activation):
    """Add a bias and apply ReLU in place; y is a contiguous (..., width, channels)."""
    if b is not None:
        if b.size < 64:  # a row at a time: a short inner loop costs more than its work
            b, y = np.tile(b, y.shape[-2]), y.reshape(-1, y.shape[-2] * y.shape[-1])
        np.add(y, b, out=y)
    if activation == "relu":
        rectify(y, y)
