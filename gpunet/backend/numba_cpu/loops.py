"""Loops for Numba, written so that LLVM vectorises them. Scalars arrive as float32.

The flat loops do NumPy's operations in NumPy's order, without fused multiply-add, so that their results are those of
the numpy provider in every bit. They run over whole arrays: an index that may be negative would not be vectorised.
"""

from __future__ import annotations

import math

import numpy as np


def sgd(p, g, rate):
    for i in range(p.size):
        p[i] -= g[i] * rate


def momentum(p, g, m, rate, momentum):
    for i in range(p.size):
        mi = m[i] * momentum - g[i] * rate
        m[i] = mi
        p[i] += mi


def nesterov(p, g, m, rate, momentum):
    for i in range(p.size):
        step = g[i] * rate
        mi = m[i] * momentum - step
        m[i] = mi
        p[i] = (p[i] - step) + mi * momentum


def rmsprop(p, g, v, rate, rho, complement, epsilon):
    for i in range(p.size):
        vi = v[i] * rho + (g[i] * g[i]) * complement
        v[i] = vi
        p[i] -= g[i] / math.sqrt(vi + epsilon) * rate


def adam(p, g, m, v, rate, beta_1, complement_1, beta_2, complement_2, epsilon):
    for i in range(p.size):
        mi = m[i] * beta_1 + g[i] * complement_1
        vi = v[i] * beta_2 + (g[i] * g[i]) * complement_2
        m[i] = mi
        v[i] = vi
        p[i] -= mi / (math.sqrt(vi) + epsilon) * rate


def relu_grad(g, y, out):
    for i in range(g.size):
        out[i] = g[i] * np.float32(y[i] > 0)


def scatter(g, winner, dx, starts, offsets, start, stop):
    """dx[n, starts[o] + offsets[winner[n, o, c]], c] = g[n, o, c] for the images from `start` to `stop`."""
    for n in range(start, stop):
        for o in range(g.shape[1]):
            for c in range(g.shape[2]):
                dx[n, starts[o] + offsets[winner[n, o, c]], c] = g[n, o, c]


def moments(x, pivot, sums, squares, rows, start, stop):
    """Block k's sums of x − pivot and of its square, over its `rows` rows of the matrix x."""
    for k in range(start, stop):
        for j in range(x.shape[1]):
            sums[k, j] = 0
            squares[k, j] = 0
        for i in range(k * rows, min(x.shape[0], (k + 1) * rows)):
            for j in range(x.shape[1]):
                d = x[i, j] - pivot[j]
                sums[k, j] += d
                squares[k, j] += d * d


def normalise(x, y, mean, scale, beta, start, stop):
    for i in range(start, stop):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - mean[j]) * scale[j] + beta[j]


def products(g, x, mean, sums, products, rows, start, stop):
    """Block k's sums of g and of g·(x − mean)."""
    for k in range(start, stop):
        for j in range(x.shape[1]):
            sums[k, j] = 0
            products[k, j] = 0
        for i in range(k * rows, min(x.shape[0], (k + 1) * rows)):
            for j in range(x.shape[1]):
                sums[k, j] += g[i, j]
                products[k, j] += g[i, j] * (x[i, j] - mean[j])


def combine(g, x, dx, mean, scale, slope, offset, start, stop):
    for i in range(start, stop):
        for j in range(x.shape[1]):
            dx[i, j] = g[i, j] * scale[j] + (x[i, j] - mean[j]) * slope[j] + offset[j]
