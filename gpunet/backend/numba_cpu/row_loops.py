"""Loops over the rows of matrices for Numba, as in `loops.py`: `parts` share the rows."""

from __future__ import annotations

import math

import numpy as np

from gpunet.backend.numba_cpu.inlined import exp_of_negative, largest, total

prange = range  # Numba's takes its place where a loop is compiled for a team


def softmax(x, y, parts):
    """y = exp(x − m) / Σ exp(x − m), for the largest number m of each row."""
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            xi, yi = x[i], y[i]
            m = largest(xi)
            for j in range(xi.size):
                yi[j] = exp_of_negative(xi[j] - m)
            s = total(yi)
            for j in range(yi.size):
                yi[j] = yi[j] / s


def softmax_grad(g, y, dx, parts):
    """dx = (g − Σ g·y)·y."""
    for k in prange(parts):
        for i in range(g.shape[0] * k // parts, g.shape[0] * (k + 1) // parts):
            gi, yi, di = g[i], y[i], dx[i]
            for j in range(gi.size):
                di[j] = gi[j] * yi[j]
            s = total(di)
            for j in range(gi.size):
                di[j] = (gi[j] - s) * yi[j]


def layer_norm(x, gamma, beta, y, shift, inverse, epsilon, centred, parts):
    """y = x̂·gamma + beta, where x̂ = (x − mean)·inverse; mean = shift + the row's first element, 0 if not `centred`."""
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            xi, yi = x[i], y[i]
            n, origin, s = np.float32(xi.size), np.float32(0), np.float32(0)
            if centred:
                origin = xi[0]
                for j in range(xi.size):
                    yi[j] = xi[j] - origin
                s = total(yi) / n
            for j in range(xi.size):
                d = xi[j] - origin - s
                yi[j] = d * d
            v = np.float32(1) / math.sqrt(total(yi) / n + epsilon)
            for j in range(xi.size):
                yi[j] = (xi[j] - origin - s) * v * gamma[j] + beta[j]
            shift[i], inverse[i] = s, v


def layer_norm_grad(g, x, gamma, shift, inverse, dx, sums, rows, centred, parts):
    """dx = (h − mean of h − x̂·mean of h·x̂)·inverse, where h = g·gamma.

    sums[b]: of g·x̂ and of g, over the `rows` rows of block b.
    """
    for k in prange(parts):
        for b in range(sums.shape[0] * k // parts, sums.shape[0] * (k + 1) // parts):
            products, gradients = sums[b, 0], sums[b, 1]
            products[:] = 0
            gradients[:] = 0
            for i in range(b * rows, min(x.shape[0], (b + 1) * rows)):
                gi, xi, di, v = g[i], x[i], dx[i], inverse[i]
                n, origin, s, mean = np.float32(xi.size), np.float32(0), np.float32(0), np.float32(0)
                if centred:
                    origin, s = xi[0], shift[i]
                    for j in range(gi.size):
                        di[j] = gi[j] * gamma[j]
                    mean = total(di) / n
                for j in range(gi.size):
                    di[j] = gi[j] * gamma[j] * ((xi[j] - origin - s) * v)
                along = total(di) / n
                for j in range(gi.size):
                    products[j] += gi[j] * ((xi[j] - origin - s) * v)
                    gradients[j] += gi[j]
                for j in range(gi.size):
                    di[j] = (gi[j] * gamma[j] - mean - (xi[j] - origin - s) * v * along) * v
