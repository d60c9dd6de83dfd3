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
from gpunet.backend.cpu.scratch import CHUNK_BYTES, as_runs, bordered, chunks, scratch
from gpunet.backend.cpu.threads import split
from gpunet.backend.portable.conv import overlap


def pad(x, padding):
    """x padded (or cropped, where a pair is negative), C-contiguous; in work space unless it is x itself."""
    if not any(map(any, padding)):
        return np.ascontiguousarray(x)
    shape = (x.shape[0], *(n + lo + hi for n, (lo, hi) in zip(x.shape[1:-1], padding)), x.shape[-1])
    padded = bordered(("padded", x.shape[1:], padding, x.dtype), shape, x.dtype)
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


def _chunks(count, height, row_bytes):
    """Slices of the batch, each with those of the first spatial axis, whose gathered rows fit a chunk."""
    if height * row_bytes <= CHUNK_BYTES:
        for a, b in chunks(count, height * row_bytes):
            yield slice(a, b), [slice(0, height)]
    else:
        rows = [slice(a, b) for a, b in chunks(height, row_bytes)]
        for n in range(count):
            yield slice(n, n + 1), rows


def _is_pointwise(window, strides, padding):
    return all(k == 1 for k in window) and all(s == 1 for s in strides) and not any(map(any, padding))


class _Im2col:
    """All of a window in each row of the matrix: (places, kh·kw·C)."""

    def __init__(self, w_shape, out, strides, padding, dilation):
        self.geometry, self.padding = (w_shape[:-2], out, strides, dilation), padding
        self.k = math.prod(w_shape[:-1])
        self.row_items = math.prod(out[1:]) * self.k

    def kernel(self, w):
        return np.ascontiguousarray(w).reshape(self.k, -1)

    def uncover(self, product, shape):
        """A weight gradient in the order of `kernel`, as an array of the filter's shape."""
        return product.reshape(shape)

    def open(self, images, row_chunks):
        """Some images as `gather` takes them, which will be asked for these chunks of rows."""
        return pad(images, self.padding)

    def gather(self, padded, rows):
        part = _windows(padded, *self.geometry)[:, rows]
        items = part.dtype.itemsize // padded.itemsize
        columns = scratch("columns", (part.size, items), padded.dtype)
        np.copyto(columns.view(part.dtype).reshape(part.shape), part)
        return columns.reshape(-1, self.k)

    def places(self, y):
        """A chunk of the output as the matrix (places, channels) that the product writes."""
        return y.reshape(-1, y.shape[-1])


class _Lowered:
    """Windows that overlap along the last spatial axis: a stack of matrices (ow, places, kw·kh·C), one per column.

    Whole images are lowered as they are, to between the zeros that stand for their padding.
    """

    def __init__(self, w_shape, out, strides, padding, dilation):
        self.window, self.out, self.strides = w_shape[:-2], out, strides
        self.padding, self.dilation = padding, dilation
        self.channels = w_shape[-2]
        self.depth = math.prod(self.window[:-1]) * self.channels
        self.k = self.depth * self.window[-1]
        self.row_items = math.prod(out[1:-1]) * (out[-1] + self.window[-1] - 1) * self.depth

    def kernel(self, w):
        return np.ascontiguousarray(np.moveaxis(w, -3, 0)).reshape(self.k, -1)

    def uncover(self, product, shape):
        product = product.reshape(self.window[-1], *self.window[:-1], *shape[-2:])
        return np.moveaxis(product, 0, -3)

    def open(self, images, row_chunks):
        """The images, and the padding that `gather` is to make."""
        if len(row_chunks) == 1:
            return images, self.padding
        return pad(images, self.padding), ((0, 0),) * len(self.padding)

    def gather(self, opened, rows):
        x, padding = opened
        out, width = (rows.stop - rows.start, *self.out[1:-1]), x.shape[-2] + sum(padding[-1])
        shape = (len(x), *out, width, *self.window[:-1], self.channels)
        if any(map(any, padding)):
            key = "lowered", x.shape[1:], padding, shape[1:], self.strides, self.dilation, x.dtype
            lowered = bordered(key, shape, x.dtype)
        else:
            lowered = scratch("columns", shape, x.dtype)
        (_, columns), (_, columns_of_x) = overlap(x.shape[-2:-1], padding[-1:])
        for offset in itertools.product(*map(range, self.window[:-1])):
            starts = [o * d - lo for o, d, (lo, _) in zip(offset, self.dilation, padding)]
            starts[0] += self.strides[0] * rows.start
            met = [_met(*axis) for axis in zip(starts, self.strides, out, x.shape[1:])]
            target = lowered[(slice(None), *(places for places, _ in met), columns, *offset)]
            source = x[(slice(None), *(places for _, places in met), columns_of_x)]
            as_runs(target, self.channels)[...] = as_runs(source, self.channels)
        places, item = len(x) * math.prod(out), x.itemsize
        return as_strided(
            lowered,
            (self.out[-1], places, self.k),
            (self.strides[-1] * self.depth * item, width * self.depth * item, item),
        )

    def places(self, y):
        rows = y.reshape(-1, *y.shape[-2:])
        return rows.transpose(1, 0, 2)


def _met(start, step, count, n):
    """Which of the `count` places start, start + step, … lie in an axis of n, and where in it."""
    first = max(0, -(start // step))
    last = min(count, (n - 1 - start) // step + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last), slice(start + step * first, start + step * (last - 1) + 1, step)


_FEW_CHANNELS = 32


def _layout(x_shape, w_shape, out, strides, padding, dilation):
    """The gathering that was measured to be faster for these shapes."""
    few = w_shape[-2] <= _FEW_CHANNELS and w_shape[-1] <= _FEW_CHANNELS
    simple = len(out) > 1 and strides[-1] == 1 and dilation[-1] == 1 and w_shape[-3] > 1
    lowered = few and simple and x_shape[0] * math.prod(out[:-1]) >= 512
    return (_Lowered if lowered else _Im2col)(w_shape, out, strides, padding, dilation)


def gemm_conv(x, w, y, strides, padding, dilation, b=None, activation=None):
    """y = activation(conv(x, w) + b), one group; the epilogue runs while a chunk is in cache."""
    if _is_pointwise(w.shape[:-2], strides, padding):
        multiply(x.reshape(-1, x.shape[-1]), w.reshape(w.shape[-2:]), y.reshape(-1, y.shape[-1]))
        epilogue(y, b, activation)
        return
    layout = _layout(x.shape, w.shape, y.shape[1:-1], strides, padding, dilation)
    kernel = layout.kernel(w)
    row_bytes = layout.row_items * x.itemsize
    finish = _epilogue(y, b, activation)

    def part(first, last):
        for images, row_chunks in _chunks(last - first, y.shape[1], row_bytes):
            opened, targets = layout.open(x[first:last][images], row_chunks), y[first:last][images]
            for rows in row_chunks:
                target = targets[:, rows]
                np.matmul(layout.gather(opened, rows), kernel, out=layout.places(target))
                finish(target)

    split(part, x.shape[0], x.shape[0] * y.shape[1] * row_bytes)


def gemm_weight_grad(x, g, dw, strides, padding, dilation):
    """dw = the weight gradient, one group: the chunks' products, added in order."""
    if _is_pointwise(dw.shape[:-2], strides, padding):
        multiply(x.reshape(-1, x.shape[-1]).T, g.reshape(-1, g.shape[-1]), dw.reshape(dw.shape[-2:]))
        return
    layout = _layout(x.shape, dw.shape, g.shape[1:-1], strides, padding, dilation)
    row_bytes = layout.row_items * x.itemsize
    totals = {}

    def part(first, last):
        total = np.zeros((layout.k, g.shape[-1]), x.dtype)
        for images, row_chunks in _chunks(last - first, g.shape[1], row_bytes):
            opened, gradients = layout.open(x[first:last][images], row_chunks), g[first:last][images]
            for rows in row_chunks:
                gathered, places = layout.gather(opened, rows), layout.places(gradients[:, rows])
                product = np.matmul(gathered.swapaxes(-1, -2), places)
                total += product if product.ndim == 2 else product.sum(axis=0)
        totals[first] = total

    split(part, x.shape[0], x.shape[0] * g.shape[1] * row_bytes)
    dw[...] = layout.uncover(sum(totals[first] for first in sorted(totals)), dw.shape)


def epilogue(y, b, activation):
    """Add a bias and apply ReLU in place; y is contiguous, (n, …, channels)."""
    _epilogue(y, b, activation)(y)


def _epilogue(y, b, activation):
    """What `epilogue` does, as a function of contiguous parts of y."""
    short = y.shape[-1] < 64  # a row at a time: a short inner loop costs more than its work
    wide = y.shape[-1] * (y.shape[-2] if short else 1)
    row = None if b is None else np.tile(b, wide // b.size)

    def finish(part):
        if row is not None:
            rows = part.reshape(-1, wide)
            np.add(rows, row, out=rows)
        if activation == "relu":
            rectify(part, part)

    return finish
