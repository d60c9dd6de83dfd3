"""Convolution on NumPy: groups, depthwise and the three bilinear forms, on top of the dense core in im2col.py.

The input gradient is a convolution with flipped filters, one per stride phase, so nothing is scattered. Depthwise
convolution multiplies slices.
"""

from __future__ import annotations

import itertools

import numpy as np

from gpunet.backend.cpu import banded, cpu
from gpunet.backend.cpu.im2col import epilogue, gemm_conv, gemm_weight_grad, pad
from gpunet.backend.cpu.scratch import chunks, scratch
from gpunet.backend.memory import empty
from gpunet.backend.portable import conv as portable
from gpunet.backend.portable.conv import window_slices
from gpunet.backend.primitives import conv as prim


def _by_group(groups, *arrays):
    """For each group, its contiguous share of the last axis of each array."""
    for i in range(groups):
        yield [np.ascontiguousarray(a[..., i * (n := a.shape[-1] // groups) : (i + 1) * n]) for a in arrays]


@cpu.implements(prim.conv)
def conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None, out=None):
    spatial = prim.conv_output_shape(x.shape[1:-1], w.shape[:-2], strides, padding, dilation)
    y = empty((x.shape[0], *spatial, w.shape[-1]), x.dtype) if out is None else out
    if _needs_portable(x, y, w):
        return portable.conv(
            np,
            x,
            w,
            b,
            strides=strides,
            padding=padding,
            dilation=dilation,
            groups=groups,
            activation=activation,
            out=out,
        )
    if groups == 1:
        gemm_conv(np.ascontiguousarray(x), w, y, strides, padding, dilation, b, activation)
        return y
    if w.shape[-2] == 1:
        _depthwise(pad(x, padding), w, y, strides, dilation)
    else:
        for i, (xg, wg) in enumerate(_by_group(groups, x, w)):
            part = empty((*y.shape[:-1], wg.shape[-1]), y.dtype)
            gemm_conv(xg, wg, part, strides, padding, dilation)
            y[..., i * wg.shape[-1] : (i + 1) * wg.shape[-1]] = part
    epilogue(y, b, activation)
    return y


def _needs_portable(x, y, w):
    """True for what the fast paths leave out: 16-bit floats and integers, and arrays without elements."""
    return x.dtype.char not in "fd" or not x.size or not y.size or not w.size


def _depthwise(padded, w, y, strides, dilation):
    """y (..., c·m) = Σ over the window of a slice times w (*window, 1, c·m), in chunks of images."""
    channels = padded.shape[-1]
    grouped = y.reshape(*y.shape[:-1], channels, -1)
    kernel = w.reshape(*w.shape[:-2], channels, -1)
    image = y[0].nbytes
    for a, b in chunks(y.shape[0], image):
        part = grouped[a:b]
        part[...] = 0
        product = scratch("product", part.shape, y.dtype)
        for offset, slices in window_slices(w.shape[:-2], y.shape[1:-1], strides, dilation):
            np.multiply(padded[a:b][slices][..., None], kernel[offset], out=product)
            part += product


@cpu.implements(prim.conv_input_grad)
def conv_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1, out=None):
    channels = w.shape[-2] * groups
    dx = empty((g.shape[0], *spatial, channels), g.dtype) if out is None else out
    strided = any(s > 1 for s in strides)
    if _needs_portable(g, dx, w) or (strided and any(d > 1 for d in dilation)) or w.shape[-2] == 1 < groups:
        return portable.conv_input_grad(
            np,
            g,
            w,
            spatial=spatial,
            strides=strides,
            padding=padding,
            dilation=dilation,
            groups=groups,
            out=out,
        )
    if banded.suits(g, w, dx.shape, strides, dilation, groups):
        banded.input_grad(np.ascontiguousarray(g), w, dx, padding)
        return dx
    if groups == 1:
        _flipped_conv(np.ascontiguousarray(g), w, dx, strides, padding, dilation)
        return dx
    for i, (gg, wg) in enumerate(_by_group(groups, g, w)):
        part = empty((*dx.shape[:-1], wg.shape[-2]), dx.dtype)
        _flipped_conv(gg, wg, part, strides, padding, dilation)
        dx[..., i * wg.shape[-2] : (i + 1) * wg.shape[-2]] = part
    return dx


def _flip(w):
    """The filter reversed in space with its channel axes exchanged."""
    space = tuple(range(w.ndim - 2))
    return np.ascontiguousarray(np.flip(w, space).swapaxes(-1, -2))


def _flipped_conv(g, w, dx, strides, padding, dilation):
    """dx = the input gradient, one group.

    The places of dx with (index + low) mod stride = p see only the filter taps p, p + s, …: along each axis, one
    convolution of stride 1 for each phase p.
    """
    ones = (1,) * len(strides)
    for phase in itertools.product(*map(range, strides)):
        axes = [
            _phase(p, s, n, k, lo, d, m)
            for p, s, n, k, (lo, _), d, m in zip(
                phase, strides, dx.shape[1:-1], w.shape[:-2], padding, dilation, g.shape[1:-1]
            )
        ]
        where = (slice(None), *(places for places, _ in axes))
        target = dx[where]
        if not target.size:
            continue
        taps = w[tuple(slice(p, None, s) for p, s in zip(phase, strides))]
        if not taps.size:
            dx[where] = 0
            continue
        y = target if target.flags.c_contiguous else empty(target.shape, dx.dtype)
        gemm_conv(g, _flip(taps), y, ones, tuple(pair for _, pair in axes), dilation)
        if y is not target:
            dx[where] = y


def _phase(p, stride, n, window, low, dilation, m):
    """One axis of one phase: the slice of its places in dx, and the padding of g for its convolution."""
    first = (p - low) % stride
    count = len(range(first, n, stride))
    reach = dilation * (len(range(p, window, stride)) - 1)  # of the phase's taps
    start = (first + low - p) // stride  # the place of g that tap p of the first place meets
    return slice(first, None, stride), (reach - start, start + count - m)


@cpu.implements(prim.conv_weight_grad)
def conv_weight_grad(x, g, *, window, strides, padding, dilation, groups=1, out=None):
    dw = empty((*window, x.shape[-1] // groups, g.shape[-1]), x.dtype) if out is None else out
    if _needs_portable(x, g, dw):
        return portable.conv_weight_grad(
            np,
            x,
            g,
            window=window,
            strides=strides,
            padding=padding,
            dilation=dilation,
            groups=groups,
            out=out,
        )
    if groups == 1:
        gemm_weight_grad(np.ascontiguousarray(x), np.ascontiguousarray(g), dw, strides, padding, dilation)
    elif dw.shape[-2] == 1:
        _depthwise_weight_grad(pad(x, padding), g, dw, strides, dilation)
    else:
        for i, (xg, gg) in enumerate(_by_group(groups, x, g)):
            part = empty((*dw.shape[:-1], gg.shape[-1]), dw.dtype)
            gemm_weight_grad(xg, gg, part, strides, padding, dilation)
            dw[..., i * gg.shape[-1] : (i + 1) * gg.shape[-1]] = part
    return dw


def _depthwise_weight_grad(padded, g, dw, strides, dilation):
    """dw (*window, 1, c·m) = Σ over places of a slice times g, in chunks of images."""
    channels = padded.shape[-1]
    grouped = g.reshape(*g.shape[:-1], channels, -1)
    dw[...] = 0
    for a, b in chunks(g.shape[0], g[0].nbytes):
        part = grouped[a:b]
        product = scratch("product", part.shape, g.dtype)
        for offset, slices in window_slices(dw.shape[:-2], g.shape[1:-1], strides, dilation):
            np.multiply(padded[a:b][slices][..., None], part, out=product)
            dw[offset] += product.reshape(-1, g.shape[-1]).sum(axis=0)
