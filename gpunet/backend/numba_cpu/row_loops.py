"""Loops over the rows of matrices for Numba, as in `loops.py`: `parts` share the rows."""

from __future__ import annotations

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


def crossentropy(logits, labels, probabilities, totals, picked, parts):
    """The softmax of each row, its denominator, and the item that the label picks, minus the row's largest."""
    for k in prange(parts):
        for i in range(logits.shape[0] * k // parts, logits.shape[0] * (k + 1) // parts):
            row, out = logits[i], probabilities[i]
            m = largest(row)
            for j in range(row.size):
                out[j] = exp_of_negative(row[j] - m)
            totals[i] = total(out)
            for j in range(out.size):
                out[j] = out[j] / totals[i]
            picked[i] = np.float32(np.nan)  # for a label out of range
            if 0 <= labels[i] < row.size:
                picked[i] = row[labels[i]] - m
