"""Activations and their gradients in one pass, for Numba, as in `loops.py`."""

from __future__ import annotations

import numpy as np

from gpunet.backend.numba_cpu.inlined import erf_of, exp_of_negative, share_of

prange = range  # Numba's takes its place where a loop is compiled for a team


def gelu(x, out, parts):
    half, one, root = np.float32(0.5), np.float32(1), np.float32(0.7071067811865476)
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        xk, ok = x[a:b], out[a:b]
        for i in range(xk.size):
            ok[i] = xk[i] * ((erf_of(xk[i] * root) + one) * half)


def gelu_grad(g, x, out, parts):
    half, one, root = np.float32(0.5), np.float32(1), np.float32(0.7071067811865476)
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        gk, xk, ok = g[a:b], x[a:b], out[a:b]
        for i in range(xk.size):
            density = exp_of_negative(xk[i] * xk[i] * -half) * np.float32(0.3989422804014327)
            ok[i] = gk[i] * ((erf_of(xk[i] * root) + one) * half + xk[i] * density)


def gelu_tanh(x, out, parts):
    one, twice = np.float32(1), np.float32(1.5957691216057308)
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        xk, ok = x[a:b], out[a:b]
        for i in range(xk.size):
            v = (xk[i] * xk[i] * np.float32(0.044715) + one) * xk[i] * twice
            ok[i] = xk[i] * share_of(v)


def gelu_tanh_grad(g, x, out, parts):
    one, twice = np.float32(1), np.float32(1.5957691216057308)
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        gk, xk, ok = g[a:b], x[a:b], out[a:b]
        for i in range(xk.size):
            u = xk[i] * xk[i]
            share = share_of((u * np.float32(0.044715) + one) * xk[i] * twice)
            steepness = (u * np.float32(0.134145) + one) * twice
            ok[i] = gk[i] * (share + xk[i] * (share * (one - share)) * steepness)


def silu(x, out, parts):
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        xk, ok = x[a:b], out[a:b]
        for i in range(xk.size):
            ok[i] = xk[i] * share_of(xk[i])


def silu_grad(g, x, out, parts):
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        gk, xk, ok = g[a:b], x[a:b], out[a:b]
        for i in range(xk.size):
            share = share_of(xk[i])
            ok[i] = gk[i] * (share + xk[i] * (share * (np.float32(1) - share)))
