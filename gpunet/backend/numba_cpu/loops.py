"""Loops for Numba, written so that LLVM vectorises them. Scalars arrive as float32.

Each loop splits its arrays into `parts`, one for each thread of a team. The flat loops do NumPy's operations in NumPy's
order, without fused multiply-add, so that their results are those of the numpy provider in every bit. They run over
whole slices: an index that may be negative would not be vectorised, nor would a loop that has to check more than eight
pairs of arrays for overlaps (each one written against each other one).
"""

from __future__ import annotations

import math

import numpy as np

from gpunet.backend.numba_cpu.inlined import erf_of

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


def erf(x, out, parts):
    """As in `backend/cpu/elementwise.py`."""
    for k in prange(parts):
        a, b = x.size * k // parts, x.size * (k + 1) // parts
        xk, ok = x[a:b], out[a:b]
        for i in range(xk.size):
            ok[i] = erf_of(xk[i])


def add_rows(rows, places, out, parts):
    """out = 0, and then out[places[i]] += rows[i] for all i in order; a negative place counts from the end."""
    for k in prange(parts):
        low, high = out.shape[0] * k // parts, out.shape[0] * (k + 1) // parts
        out[low:high] = 0
        for i in range(places.size):
            place = places[i] + out.shape[0] if places[i] < 0 else places[i]
            if low <= place < high:
                to, of = out[place], rows[i]
                for j in range(of.size):
                    to[j] += of[j]


def scatter(g, winner, dx, starts, offsets, parts):
    """dx[n, starts[o] + offsets[winner[n, o, c]], c] = g[n, o, c], and 0 elsewhere."""
    for k in prange(parts):
        for n in range(g.shape[0] * k // parts, g.shape[0] * (k + 1) // parts):
            dx[n] = 0
            for o in range(g.shape[1]):
                for c in range(g.shape[2]):
                    dx[n, starts[o] + offsets[winner[n, o, c]], c] = g[n, o, c]


def moments(x, pivot, sums, rows, parts):
    """sums[b]: of x − pivot and of its square, over the `rows` rows of block b of the matrix x."""
    for k in prange(parts):
        for b in range(sums.shape[0] * k // parts, sums.shape[0] * (k + 1) // parts):
            total, square = sums[b, 0], sums[b, 1]
            total[:] = 0
            square[:] = 0
            end = min(x.shape[0], (b + 1) * rows)
            for i in range(b * rows, end - 1, 2):  # two rows at a time: half the traffic of the sums
                first, second = x[i], x[i + 1]
                for j in range(first.size):
                    d, e = first[j] - pivot[j], second[j] - pivot[j]
                    total[j] += d + e
                    square[j] += d * d + e * e
            if (end - b * rows) % 2:
                last = x[end - 1]
                for j in range(last.size):
                    d = last[j] - pivot[j]
                    total[j] += d
                    square[j] += d * d


def products(g, x, mean, sums, rows, parts):
    """sums[b]: of g and of g·(x − mean), over block b."""
    for k in prange(parts):
        for b in range(sums.shape[0] * k // parts, sums.shape[0] * (k + 1) // parts):
            total, product = sums[b, 0], sums[b, 1]
            total[:] = 0
            product[:] = 0
            for i in range(b * rows, min(x.shape[0], (b + 1) * rows)):
                gi, xi = g[i], x[i]
                for j in range(xi.size):
                    total[j] += gi[j]
                    product[j] += gi[j] * (xi[j] - mean[j])


def fold(sums, wide, totals, parts):
    """totals[s, c]: of sums[b, s] over all blocks, in `wide`, and all places of channel c in a row."""
    wide[:] = 0
    for b in range(sums.shape[0]):
        for s in range(2):
            row, values = wide[s], sums[b, s]
            for j in range(row.size):
                row[j] += values[j]
    totals[:] = 0
    for s in range(2):
        row, total = wide[s], totals[s]
        for j in range(0, row.size, max(total.size, 1)):  # a step that may be 0 would be checked
            for c in range(total.size):
                total[c] += row[j + c]


def statistics(totals, count, epsilon, pivot, gamma, beta, found, rows, parts):
    """Of the totals of `moments`: in `found` each channel's mean, biased variance and 1 / √(variance + epsilon), and in
    `rows` what `normalise` subtracts, multiplies by and adds.
    """
    for c in range(gamma.size):
        shift = totals[0, c] / count
        found[0, c] = pivot[c] + shift
        found[1, c] = max(totals[1, c] / count - shift * shift, 0.0)
        found[2, c] = np.float32(1) / math.sqrt(found[1, c] + epsilon)
        scale = found[2, c] * gamma[c]
        for j in range(c, rows.shape[1], gamma.size):
            rows[0, j], rows[1, j], rows[2, j] = found[0, c], scale, beta[c]


def slopes(totals, count, mean, inverse, gamma, gradients, rows, parts):
    """Of the totals of `products`: the gradients of gamma and of beta, and in `rows` mean and factors for `combine`."""
    for c in range(gamma.size):
        dgamma = totals[1, c] * inverse[c]
        gradients[0, c], gradients[1, c] = dgamma, totals[0, c]
        scale = inverse[c] * gamma[c]
        slope, offset = -scale * inverse[c] * dgamma / count, -scale * totals[0, c] / count
        for j in range(c, rows.shape[1], gamma.size):
            rows[0, j], rows[1, j], rows[2, j], rows[3, j] = mean[c], scale, slope, offset


def normalise(x, y, rows, relu, parts):
    """y = (x − rows[0])·rows[1] + rows[2], and a ReLU of it if `relu`."""
    mean, scale, shift = rows[0], rows[1], rows[2]
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            xi, yi = x[i], y[i]
            if relu:
                for j in range(xi.size):
                    v = (xi[j] - mean[j]) * scale[j] + shift[j]
                    yi[j] = np.float32(0) if v <= 0 else v  # NaN stays
            else:
                for j in range(xi.size):
                    yi[j] = (xi[j] - mean[j]) * scale[j] + shift[j]


def normalise_add_relu(x, addend, y, rows, parts):
    mean, scale, shift = rows[0], rows[1], rows[2]
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            xi, ai, yi = x[i], addend[i], y[i]
            for j in range(xi.size):
                v = (xi[j] - mean[j]) * scale[j] + shift[j] + ai[j]
                yi[j] = np.float32(0) if v <= 0 else v


def combine(g, x, dx, rows, parts):
    """dx = g·rows[1] + (x − rows[0])·rows[2] + rows[3]."""
    mean, scale, slope, offset = rows[0], rows[1], rows[2], rows[3]
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            gi, xi, di = g[i], x[i], dx[i]
            for j in range(xi.size):
                di[j] = gi[j] * scale[j] + (xi[j] - mean[j]) * slope[j] + offset[j]


def shift_rows(logits, labels, shifted, picked, parts):
    """Rows minus their maximum, and of each the item that its label picks; NaN for a label out of range."""
    for k in prange(parts):
        for i in range(logits.shape[0] * k // parts, logits.shape[0] * (k + 1) // parts):
            row, out = logits[i], shifted[i]
            top = row[0]
            for j in range(1, row.size):
                if row[j] > top or row[j] != row[j]:  # NaN stays
                    top = row[j]
            for j in range(row.size):
                out[j] = row[j] - top
            picked[i] = np.float32(np.nan)
            if 0 <= labels[i] < row.size:
                picked[i] = out[labels[i]]


def normalise_rows(x, totals, parts):
    """Each row divided by its sum, which is taken from left to right and kept."""
    for k in prange(parts):
        for i in range(x.shape[0] * k // parts, x.shape[0] * (k + 1) // parts):
            row = x[i]
            total = row[0]
            for j in range(1, row.size):
                total += row[j]
            totals[i] = total
            for j in range(row.size):
                row[j] /= total


def crossentropy_grad(g, labels, probabilities, out, parts):
    """(probabilities − one-hot labels)·g by rows."""
    for k in prange(parts):
        for i in range(out.shape[0] * k // parts, out.shape[0] * (k + 1) // parts):
            row, result = probabilities[i], out[i]
            for j in range(row.size):
                result[j] = row[j] * g[i]
            if 0 <= labels[i] < row.size:
                result[labels[i]] -= g[i]


def add_up(addends, bias, out, relu, parts):
    """out = the sum of addends[0], addends[1]… and of a row, unless that is empty, and a ReLU of it if `relu`."""
    for k in prange(parts):
        for i in range(out.shape[0] * k // parts, out.shape[0] * (k + 1) // parts):
            row, first, second = out[i], addends[0, i], addends[1, i]
            for j in range(row.size):
                row[j] = first[j] + second[j]
            for a in range(2, addends.shape[0]):
                other = addends[a, i]
                for j in range(row.size):
                    row[j] += other[j]
            if bias.size:
                for j in range(row.size):
                    row[j] += bias[j]
            if relu:
                for j in range(row.size):
                    row[j] = np.float32(0) if row[j] <= 0 else row[j]  # NaN stays
