"""Rows of elementwise functions made of others."""

import math

import numpy as np

from .row import WIDE, N, Rows, away_from, index, mask, normal, positive, probabilities, uniform, values

ROWS = Rows()
row = ROWS.add

row("cbrt", np.cbrt, away_from(0, N, 3)).checked(dtypes=WIDE, tolerance=2)
row("cbrt", np.cbrt, values(-8, 0, 27)).checked(derivatives=None, dtypes=WIDE, tolerance=4)
row("deg2rad", np.deg2rad, normal(N, 3))
row("rad2deg", np.rad2deg, normal(N, 3))
row("hypot", np.hypot, away_from(0, N, 3), away_from(0, 3)).checked(tolerance=4, dtypes=WIDE)
row("hypot", np.hypot, values(0, 3, 1e30), values(0, 4, 1e30)).checked(derivatives=None, dtypes=WIDE)
row("heaviside", np.heaviside, values(-1, 0, 2), normal(3)).checked(derivatives=None)
row("sinc", np.sinc, away_from(0, N, 3)).checked(tolerance=4)
row("fabs", np.fabs, away_from(0, N, 3))
row("fmax", np.fmax, values(1, np.nan, 3), values(2, 2, np.nan)).checked(derivatives=None, dtypes=WIDE)
row("fmin", np.fmin, values(1, np.nan, 3), values(2, 2, np.nan)).checked(derivatives=None, dtypes=WIDE)
row("fmod", np.fmod, values(-5.5, 5.5, -5.5, 5.5), values(2, -2, -2, 2)).checked(derivatives=1, dtypes=WIDE)
row("ldexp", np.ldexp, normal(3), index(5, 3, low=-3)).checked(tolerance=2)
row("logaddexp2", np.logaddexp2, normal(N, 3), normal(3)).checked(tolerance=4)
row("signbit", np.signbit, values(-1.0, -0.0, 0.0, 2.0, -np.inf)).checked(derivatives=0, result="bool")
for name in ("isposinf", "isneginf"):
    row(name, getattr(np, name), values(-np.inf, 0, np.inf, np.nan)).checked(derivatives=0, result="bool")
row("isreal", np.isreal, normal(N, 3)).checked(derivatives=0, result="bool")
row("real", np.real, normal(N, 3))
row("imag", np.imag, normal(N, 3)).checked(derivatives=None)
row("conjugate", np.conjugate, normal(N, 3))
row("angle", np.angle, away_from(0, N, 3)).checked(derivatives=None)
row("erfc", np.vectorize(math.erfc), normal(N, 3)).checked(tolerance=2)


def _erfinv(y):
    """By bisection."""
    low, high = np.full(y.shape, -6.0), np.full(y.shape, 6.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = np.vectorize(math.erf)(middle) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


row("erfinv", _erfinv, uniform(-0.9, 0.9, N, 3)).checked(tolerance=4, dtypes=WIDE)
row("i0", np.i0, away_from(0, N, 3, width=5)).checked(dtypes=("float32",), tolerance=8)
row("allclose", np.allclose, normal(3), normal(3)).checked(derivatives=0, result="bool")
row("saturate_cast", lambda x, dtype: np.clip(np.trunc(x), 0, 255), values(-3, 7.5, 300), "uint8").checked(
    derivatives=0, result="uint8", dtypes=WIDE
)
row("saturate_cast", lambda x, dtype: np.clip(x, -128, 127), values(-300, 7, 300), "int8").checked(
    derivatives=0, result="int8", dtypes=("int32",)
)
row("select", lambda c, x, d: np.select(c, x, d), [mask(N, 3), mask(N, 3)], [normal(N, 3), normal(N, 3)], 0.5)
row("squareplus", lambda x, b=4: (x + np.sqrt(x * x + b)) / 2, normal(N, 3)).checked(tolerance=2)
row("sparse_plus", lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)), away_from((-1, 1), N, 3))
row("sparse_sigmoid", lambda x: np.clip((x + 1) / 2, 0, 1), away_from((-1, 1), N, 3))


def _sparsemax(x, axis=-1):
    """By bisection over the threshold."""
    low, high = x.min(axis, keepdims=True) - 1, x.max(axis, keepdims=True)
    for _ in range(100):
        middle = (low + high) / 2
        more = np.maximum(x - middle, 0).sum(axis, keepdims=True) > 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.maximum(x - low, 0)


row("sparsemax", _sparsemax, normal(N, 4)).checked(tolerance=8)
row("sparsemax", _sparsemax, normal(4, 3), axis=0).checked(tolerance=8, dtypes=WIDE)
row("sparsemax", _sparsemax, probabilities(2, 3)).checked(derivatives=None, dtypes=WIDE, tolerance=4)
row("cbrt", np.cbrt, positive()).checked(dtypes=WIDE, tolerance=2)
