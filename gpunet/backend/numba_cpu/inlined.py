"""Functions that loops call. Those of `blocks.py` take the place of their namesakes here, which say what they do."""

from __future__ import annotations

import numpy as np


def fma(x, y, z):
    return x * y + z


def product(a, panels, out):
    """out = a·b for a matrix b that `pack` or `pack_transposed` has packed; out's rows are as long as the panels'."""
    out[...] = np.concatenate([a @ panel for panel in panels], axis=1)


def power_of_two(n):
    return np.float32(2.0) ** n


def total(row):
    return row.sum()


def largest(row):
    return np.fmax.reduce(row)


def exp_of_negative(x):
    """exp(x) for x ≤ 0, to 2 units in the last place: 2ⁿ·exp(r), with a polynomial for |r| ≤ log(2)/2.

    What would be no normal number is 0; NaN stays.
    """
    rounding = np.float32(12582912)  # 1.5·2²³: numbers added to it lose their fractions
    n = fma(x, np.float32(1.4426950408889634), rounding) - rounding
    r = fma(n, np.float32(-0.693359375), x)
    r = fma(n, np.float32(2.1219444005469058e-4), r)
    p = fma(r, np.float32(0.0013814593662867716), np.float32(0.008368717351267015))
    p = fma(r, p, np.float32(0.0416683881495363))
    p = fma(r, p, np.float32(0.16666520626639197))
    p = fma(r, p, np.float32(0.49999993447277385))
    y = (fma(r * r, p, r) + np.float32(1)) * power_of_two(np.int32(n))
    return np.float32(0) if x < np.float32(-87.3) else y


def tanh(x):
    """x·P(x²)/Q(x²) up to where tanh is 1 in float32: to 7 units in the last place; NaN stays.

    The coefficients have the smallest relative error, 2e-8, of all for |x| < 9.02.
    """
    limit, one = np.float32(9.02), np.float32(1)
    y = x if x < limit else limit if x >= limit else x
    y = -limit if y < -limit else y
    u = y * y
    p = fma(u, np.float32(1.3317163556349886e-08), np.float32(2.0582364256718698e-05))
    p = fma(u, p, np.float32(0.003493980191515181))
    p = fma(u, p, np.float32(0.133796774641185))
    p = fma(u, p, np.float32(0.9999999796597224))
    q = fma(u, np.float32(7.761311721990224e-07), np.float32(0.00032829939390088597))
    q = fma(u, q, np.float32(0.025870882327204633))
    q = fma(u, q, np.float32(0.467129930036396))
    q = fma(u, q, one)
    y = y * p / q
    y = one if y > one else y
    return -one if y < -one else y


def sigmoid(x):
    half = np.float32(0.5)
    return fma(tanh(x * half), half, half)


def erf_of(x):
    """erf(x) by the operations of `backend/cpu/elementwise.py`, in their order."""
    limit, one = np.float32(3.93), np.float32(1)
    y = limit if x > limit else x
    y = -limit if y < -limit else y
    u = y * y
    q = u * np.float32(9.625465143796175e-04) + np.float32(1.4416513657526539e-02)
    q = q * u + np.float32(1.1531329335668002e-01)
    q = q * u + np.float32(5.111889768039237e-01)
    q = q * u + one
    p = u * np.float32(1.9809481537016877e-08) + np.float32(-1.9543059117606627e-06)
    p = p * u + np.float32(1.4234277907642417e-04)
    p = p * u + np.float32(3.7315059108696084e-03)
    p = p * u + np.float32(5.067317442513624e-02)
    p = p * u + np.float32(2.0069051799283327e-01)
    p = p * u + np.float32(1.128379108842975)
    y = y / q * p
    y = one if y > one else y
    return -one if y < -one else y


def share_of(x):
    """sigmoid(x) to a few units in the last place, also where it is near 0; NaN stays."""
    one = np.float32(1)
    power = exp_of_negative(-x if x > np.float32(0) else x)
    share = one / (one + power)
    return share if x > np.float32(0) else power * share
