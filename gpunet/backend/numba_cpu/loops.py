"""Loops for Numba, written so that LLVM vectorises them. Scalars arrive as float32.

Each loop splits its arrays into `parts`, one for each thread of a team. The flat loops do NumPy's operations in NumPy's
order, without fused multiply-add, so that their results are those of the numpy provider in every bit. They run over
whole slices: an index that may be negative would not be vectorised.
"""

from __future__ import annotations

import math

import numpy as np

prange = range  # Numba's takes its place where a loop is compiled for a team


def sgd(p, g, rate, parts):
    for k in prange(parts):
        a, b = p.size * k // parts, p.size * (k + 1) // parts
        pk, gk = p[a:b], g[a:b]
        for i in range(pk.size):
            pk[i] -= gk[i] * rate


def momentum(p, g, m, rate, momentum, parts):
    for k in prange(parts):
        a, b = p.size * k // parts, p.size * (k + 1) // parts
        pk, gk, mk = p[a:b], g[a:b], m[a:b]
        for i in range(pk.size):
            mi = mk[i] * momentum - gk[i] * rate
            mk[i] = mi
            pk[i] += mi


def nesterov(p, g, m, rate, momentum, parts):
    for k in prange(parts):
        a, b = p.size * k // parts, p.size * (k + 1) // parts
        pk, gk, mk = p[a:b], g[a:b], m[a:b]
        for i in range(pk.size):
            step = gk[i] * rate
            mi = mk[i] * momentum - step
            mk[i] = mi
            pk[i] = (pk[i] - step) + mi * momentum


def rmsprop(p, g, v, rate, rho, complement, epsilon, parts):
    for k in prange(parts):
        a, b = p.size * k // parts, p.size * (k + 1) // parts
        pk, gk, vk = p[a:b], g[a:b], v[a:b]
        for i in range(pk.size):
            vi = vk[i] * rho + (gk[i] * gk[i]) * complement
            vk[i] = vi
            pk[i] -= gk[i] / math.sqrt(vi + epsilon) * rate


def adam(p, g, m, v, rate, beta_1, complement_1, beta_2, complement_2, epsilon, parts):
    for k in prange(parts):
        a, b = p.size * k // parts, p.size * (k + 1) // parts
        pk, gk, mk, vk = p[a:b], g[a:b], m[a:b], v[a:b]
        for i in range(pk.size):
            mi = mk[i] * beta_1 + gk[i] * complement_1
            vi = vk[i] * beta_2 + (gk[i] * gk[i]) * complement_2
            mk[i] = mi
            vk[i] = vi
            pk[i] -= mi / (math.sqrt(vi) + epsilon) * rate


def relu_grad(g, y, out, parts):
    for k in prange(parts):
        a, b = g.size * k // parts, g.size * (k + 1) // parts
        gk, yk, ok = g[a:b], y[a:b], out[a:b]
        for i in range(gk.size):
            ok[i] = gk[i] * np.float32(yk[i] > 0)


def relu(x, out, parts):
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        xk, ok = x[a:b], out[a:b]
        for i in range(xk.size):
            ok[i] = np.float32(0) if xk[i] <= 0 else xk[i]  # NaN stays


def scatter(g, winner, dx, starts, offsets, parts):
    """dx[n, starts[o] + offsets[winner[n, o, c]], c] = g[n, o, c], and 0 elsewhere."""
    for k in prange(parts):
        for n in range(g.shape[0] * k // parts, g.shape[0] * (k + 1) // parts):
            dx[n] = 0
            for o in range(g.shape[1]):
                for c in range(g.shape[2]):
                    dx[n, starts[o] + offsets[winner[n, o, c]], c] = g[n, o, c]


def moments(x, pivot, sums, squares, rows, parts):
    """Block b's sums of x − pivot and of its square, over its `rows` rows of the matrix x."""
    for k in prange(parts):
        for b in range(sums.shape[0] * k // parts, sums.shape[0] * (k + 1) // parts):
            total, square = sums[b], squares[b]
            total[:] = 0
            square[:] = 0
            for i in range(b * rows, min(x.shape[0], (b + 1) * rows)):
                xi = x[i]
                for j in range(xi.size):
                    d = xi[j] - pivot[j]
                    total[j] += d
                    square[j] += d * d


def normalise(x, y, mean, scale, beta, parts):
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            xi, yi = x[i], y[i]
            for j in range(xi.size):
                yi[j] = (xi[j] - mean[j]) * scale[j] + beta[j]


def products(g, x, mean, sums, products, rows, parts):
    """Block b's sums of g and of g·(x − mean)."""
    for k in prange(parts):
        for b in range(sums.shape[0] * k // parts, sums.shape[0] * (k + 1) // parts):
            total, product = sums[b], products[b]
            total[:] = 0
            product[:] = 0
            for i in range(b * rows, min(x.shape[0], (b + 1) * rows)):
                gi, xi = g[i], x[i]
                for j in range(xi.size):
                    total[j] += gi[j]
                    product[j] += gi[j] * (xi[j] - mean[j])


def combine(g, x, dx, mean, scale, slope, offset, parts):
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            gi, xi, di = g[i], x[i], dx[i]
            for j in range(xi.size):
                di[j] = gi[j] * scale[j] + (xi[j] - mean[j]) * slope[j] + offset[j]
