"""Convolution as a sum over the window's offsets: a strided slice times a matrix for each. N-d, any groups."""

from __future__ import annotations

import itertools
import math

from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.portable.matmul import matmul
from gpunet.backend.primitives import conv as prim


def pad_spatial(xp, x, padding, value=0):
    """x with each spatial axis padded by its (low, high) pair, cropped where negative; x itself if all are 0."""
    if not any(map(any, padding)):
        return x
    shape = (x.shape[0], *(n + lo + hi for n, (lo, hi) in zip(x.shape[1:-1], padding)), x.shape[-1])
    padded = xp.full(shape, value, x.dtype)
    target, source = overlap(x.shape[1:-1], padding)
    padded[target] = x[source]
    return padded


def unpad_spatial(xp, padded, spatial, padding):
    """The adjoint of `pad_spatial`: the part that came from x, zeros where x was cropped."""
    target, source = overlap(spatial, padding)
    if all(lo >= 0 and hi >= 0 for lo, hi in padding):
        return padded[target]
    x = xp.zeros((padded.shape[0], *spatial, padded.shape[-1]), padded.dtype)
    x[source] = padded[target]
    return x


def overlap(spatial, padding):
    """The indices, in the padded array and in the original, of the elements that both have."""
    target, source = [slice(None)], [slice(None)]
    for n, (lo, hi) in zip(spatial, padding):
        count = max(0, n + min(lo, 0) + min(hi, 0))
        target.append(slice(max(lo, 0), max(lo, 0) + count))
        source.append(slice(max(-lo, 0), max(-lo, 0) + count))
    return tuple(target), tuple(source)


def window_slices(window, out_spatial, strides, dilation):
    """For each offset in the window, in scan order: its index and the slices of x that it meets."""
    for offset in itertools.product(*map(range, window)):
        slices = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s) if n else slice(0, 0)
            for o, d, n, s in zip(offset, dilation, out_spatial, strides)
        )
        yield offset, (slice(None), *slices)


def _split(x, groups):
    """(..., groups·c) as (groups, rows, c), for a batched product."""
    return x.reshape(math.prod(x.shape[:-1]), groups, x.shape[-1] // groups).transpose(1, 0, 2)


def _merge(y, shape):
    return y.transpose(1, 0, 2).reshape(shape)


def _group_kernel(w, groups):
    """(in/groups, out) as (groups, in/groups, out/groups)."""
    return w.reshape(w.shape[0], groups, w.shape[1] // groups).transpose(1, 0, 2)


@portable.implements(prim.conv)
def conv(xp, x, w, b=None, *, strides, padding, dilation, groups=1, activation=None, out=None):
    spatial = prim.conv_output_shape(x.shape[1:-1], w.shape[:-2], strides, padding, dilation)
    shape = (x.shape[0], *spatial, w.shape[-1])
    padded = pad_spatial(xp, x, padding)
    y = xp.zeros(shape, x.dtype)
    for offset, slices in window_slices(w.shape[:-2], spatial, strides, dilation):
        y += _merge(matmul(xp, _split(padded[slices], groups), _group_kernel(w[offset], groups)), shape)
    if b is not None:
        y += b
    if activation == "relu":
        xp.maximum(y, 0, out=y)
    return _into(xp, y, out)


@portable.implements(prim.conv_input_grad)
def conv_input_grad(xp, g, w, *, spatial, strides, padding, dilation, groups=1, out=None):
    padded_shape = [n + lo + hi for n, (lo, hi) in zip(spatial, padding)]
    padded = xp.zeros((g.shape[0], *padded_shape, w.shape[-2] * groups), g.dtype)
    rows = _split(g, groups)
    for offset, slices in window_slices(w.shape[:-2], g.shape[1:-1], strides, dilation):
        part = matmul(xp, rows, _group_kernel(w[offset], groups), transpose_b=True)
        padded[slices] += _merge(part, padded[slices].shape)
    return _into(xp, unpad_spatial(xp, padded, spatial, padding), out)


@portable.implements(prim.conv_weight_grad)
def conv_weight_grad(xp, x, g, *, window, strides, padding, dilation, groups=1, out=None):
    padded = pad_spatial(xp, x, padding)
    dw = xp.empty((*window, x.shape[-1] // groups, g.shape[-1]), x.dtype)
    rows = _split(g, groups)
    for offset, slices in window_slices(window, g.shape[1:-1], strides, dilation):
        part = matmul(xp, _split(padded[slices], groups), rows, transpose_a=True)
        dw[offset] = part.transpose(1, 0, 2).reshape(dw.shape[-2:])
    return _into(xp, dw, out)
