"""LSTM and GRU for Numba, all steps in one call: samples are rows, which `parts` share, and need nothing of each other.

The recurrent kernel is packed, `found` is work space for its products with all samples. A mask or cotangents of size 0
stand for none.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.numba_cpu.inlined import product, sigmoid, tanh

prange = range  # Numba's takes its place where a loop is compiled for a team


def pack(kernel, panels, parts):
    """Panels (panels, inner, width) of a kernel (inner, columns), zeros behind the last column."""
    width = panels.shape[2]
    for p in prange(panels.shape[0]):
        count = min(width, kernel.shape[1] - p * width)
        for i in range(kernel.shape[0]):
            to, of = panels[p, i], kernel[i, p * width : p * width + count]
            for j in range(count):
                to[j] = of[j]
            for j in range(count, width):
                to[j] = 0


def pack_transposed(kernel, panels, parts):
    """Panels of the transposed kernel, which is (columns, inner)."""
    width = panels.shape[2]
    for p in prange(panels.shape[0]):
        count = min(width, kernel.shape[0] - p * width)
        for i in range(kernel.shape[1]):
            to = panels[p, i]
            for j in range(count):
                to[j] = kernel[p * width + j, i]
            for j in range(count, width):
                to[j] = 0


def lstm(panels, found, x, h, c, mask, outputs, gates, cs, tanhs, parts):
    """All steps into the last four arrays, of which those shorter than the sequence are used in turn."""
    steps, batch = x.shape[0], x.shape[1]
    for k in prange(parts):
        low, high = batch * k // parts, batch * (k + 1) // parts
        for t in range(steps):
            before = outputs[t - 1] if t else h
            c_before = cs[(t - 1) % cs.shape[0]] if t else c
            product(before[low:high], panels, found[low:high])
            for b in range(low, high):
                a, new_c, tanh_c = gates[t % gates.shape[0], b], cs[t % cs.shape[0], b], tanhs[t % tanhs.shape[0], b]
                new_h = outputs[t, b]
                lstm_step(found[b], x[t, b], c_before[b], a, new_c, tanh_c, new_h)
                if mask.size and mask[t, b] == 0:
                    keep(before[b], new_h)
                    keep(c_before[b], new_c)


def lstm_step(z, x, c, a, new_c, tanh_c, new_h):
    """One step of a sample: the activated gates, the carry, its tanh and the output."""
    units = new_h.size
    for j in range(2 * units):
        a[j] = sigmoid(z[j] + x[j])
    z_g, x_g, g = z[2 * units :], x[2 * units : 3 * units], a[2 * units : 3 * units]
    for j in range(units):
        g[j] = tanh(z_g[j] + x_g[j])
    z_o, x_o, o = z[3 * units :], x[3 * units :], a[3 * units :]
    for j in range(units):
        o[j] = sigmoid(z_o[j] + x_o[j])
    i, f = a[:units], a[units : 2 * units]
    for j in range(units):
        new_c[j] = f[j] * c[j] + i[j] * g[j]
    for j in range(units):
        tanh_c[j] = tanh(new_c[j])
    for j in range(units):
        new_h[j] = o[j] * tanh_c[j]


def keep(old, new):
    for j in range(new.size):
        new[j] = old[j]


def lstm_grad(panels, found, c, mask, gates, cs, tanhs, g, dh, dc, dx, parts):
    """Carry dh and dc back to the first step, in place, and write what every step's gates get into dx."""
    steps, batch = gates.shape[0], gates.shape[1]
    for k in prange(parts):
        low, high = batch * k // parts, batch * (k + 1) // parts
        for step in range(steps):
            t = steps - 1 - step
            before = cs[t - 1] if t else c
            for b in range(low, high):
                if g.size:
                    add(g[t, b], dh[b])
                if mask.size and mask[t, b] == 0:
                    clear(dx[t, b])
                else:
                    lstm_step_back(gates[t, b], tanhs[t, b], before[b], dh[b], dc[b], dx[t, b])
            product(dx[t, low:high], panels, found[low:high])
            for b in range(low, high):
                if not (mask.size and mask[t, b] == 0):
                    keep(found[b], dh[b])


def lstm_step_back(a, tanh_c, c_before, dh, dc, d):
    """One step back of a sample: dc becomes that of the step before, d what the gates get."""
    one = np.float32(1)
    units = dh.size
    i, f, g, o = a[:units], a[units : 2 * units], a[2 * units : 3 * units], a[3 * units :]
    d_i, d_f, d_g, d_o = d[:units], d[units : 2 * units], d[2 * units : 3 * units], d[3 * units :]
    for j in range(units):
        dc[j] = dc[j] + (one - tanh_c[j] * tanh_c[j]) * o[j] * dh[j]
    for j in range(units):
        d_i[j] = dc[j] * g[j] * (i[j] - i[j] * i[j])
    for j in range(units):
        d_f[j] = dc[j] * c_before[j] * (f[j] - f[j] * f[j])
    for j in range(units):
        d_g[j] = dc[j] * i[j] * (one - g[j] * g[j])
    for j in range(units):
        d_o[j] = dh[j] * tanh_c[j] * (o[j] - o[j] * o[j])
    for j in range(units):
        dc[j] = dc[j] * f[j]


def add(more, total):
    for j in range(total.size):
        total[j] = total[j] + more[j]


def clear(a):
    for j in range(a.size):
        a[j] = 0


def gru(panels, found, x, bias, h, mask, outputs, gates, inner, parts):
    """All steps into the last three arrays, of which those shorter than the sequence are used in turn."""
    steps, batch = x.shape[0], x.shape[1]
    for k in prange(parts):
        low, high = batch * k // parts, batch * (k + 1) // parts
        for t in range(steps):
            before = outputs[t - 1] if t else h
            product(before[low:high], panels, found[low:high])
            for b in range(low, high):
                a, share, new_h = gates[t % gates.shape[0], b], inner[t % inner.shape[0], b], outputs[t, b]
                if bias.size:
                    add(bias, found[b, : bias.size])
                gru_step(found[b], x[t, b], before[b], a, share, new_h)
                if mask.size and mask[t, b] == 0:
                    keep(before[b], new_h)


def gru_step(z, x, h, a, share, new_h):
    """One step of a sample: the activated gates, the candidate's share of the product, and the output."""
    units = new_h.size
    for j in range(2 * units):
        a[j] = sigmoid(z[j] + x[j])
    last = z[2 * units :]
    for j in range(units):
        share[j] = last[j]
    update, r, candidate, x_h = a[:units], a[units : 2 * units], a[2 * units :], x[2 * units :]
    for j in range(units):
        candidate[j] = tanh(r[j] * share[j] + x_h[j])
    for j in range(units):
        new_h[j] = (h[j] - candidate[j]) * update[j] + candidate[j]


def gru_grad(panels, found, h, mask, outputs, gates, inner, g, dh, direct, dx, d_product, parts):
    """Carry dh back to the first step, in place; write what x and the product with the kernel get at every step."""
    steps, batch = gates.shape[0], gates.shape[1]
    for k in prange(parts):
        low, high = batch * k // parts, batch * (k + 1) // parts
        for step in range(steps):
            t = steps - 1 - step
            before = outputs[t - 1] if t else h
            for b in range(low, high):
                if g.size:
                    add(g[t, b], dh[b])
                d, p = dx[t, b], d_product[t, b]
                if mask.size and mask[t, b] == 0:
                    clear(d)
                    clear(p)
                    keep(dh[b], direct[b])
                else:
                    gru_step_back(gates[t, b], inner[t, b], before[b], dh[b], direct[b], d, p)
            product(d_product[t, low:high], panels, found[low:high])
            for b in range(low, high):
                keep(found[b], dh[b])
                add(direct[b], dh[b])


def gru_step_back(a, share, before, dh, direct, d, p):
    """One step back of a sample: what passes the update gate goes to `direct`, the rest to d and p."""
    one = np.float32(1)
    units = dh.size
    z, r, candidate = a[:units], a[units : 2 * units], a[2 * units :]
    d_z, d_r, d_candidate, d_share = d[:units], d[units : 2 * units], d[2 * units :], p[2 * units :]
    for j in range(units):
        direct[j] = dh[j] * z[j]
    for j in range(units):
        d_z[j] = (before[j] - candidate[j]) * dh[j] * (z[j] - z[j] * z[j])
    for j in range(units):
        d_candidate[j] = (dh[j] - direct[j]) * (one - candidate[j] * candidate[j])
    for j in range(units):
        d_r[j] = d_candidate[j] * share[j] * (r[j] - r[j] * r[j])
    for j in range(2 * units):
        p[j] = d[j]
    for j in range(units):
        d_share[j] = d_candidate[j] * r[j]
