"""Rows of reductions, statistics and scans."""

import math

import numpy as np

from . import reference
from .row import INTEGERS, NUMBERS, WIDE, N, Rows, distinct, index, mask, normal, positive, values

ROWS = Rows()
row = ROWS.add

AXES = (
    {},
    {"axis": 0},
    {"axis": -1, "keepdims": True},
    {"axis": (0, -1)},
    {"axis": (1, 0), "keepdims": True},
    {"axis": (0, 1, 2)},
    {"axis": ()},
)
for axes in AXES:
    row("sum", np.sum, normal(N, 3, 5), **axes).checked(tolerance=8)
    row("mean", np.mean, normal(N, 3, 5), **axes).checked(tolerance=4)
    row("var", np.var, normal(N, 3, 5), **axes).checked(tolerance=8)
    row("logsumexp", reference.logsumexp, normal(N, 3, 5), **axes).checked(tolerance=4)
    row("max", np.max, distinct(N, 3, 5), **axes)
    row("min", np.min, distinct(N, 3, 5), **axes)
    row("all", np.all, mask(N, 3, 5), **axes).checked(derivatives=0, dtypes=("int32",), result="bool")
    row("any", np.any, mask(N, 3, 5), **axes).checked(derivatives=0, dtypes=("int32",), result="bool")
    row("prod", np.prod, positive(N, 3, 2), **axes).checked(tolerance=32, dtypes=WIDE)
for axes in AXES[:5]:
    row("std", np.std, normal(N, 3, 5), **axes).checked(tolerance=8)

# 0-d, size 1, no elements.
for shape in ((), (1,), (N, 1), (N, 0), (0, 3)):
    row("sum", np.sum, normal(*shape))
    row("prod", np.prod, positive(*shape)).checked(tolerance=4)
    if 0 not in shape:
        row("mean", np.mean, normal(*shape))
        row("max", np.max, distinct(*shape))
        row("argmax", np.argmax, distinct(*shape)).checked(derivatives=0, result="int32", symbolic=bool(shape))
row("sum", np.sum, normal(N, 0), axis=1)
row("sum", np.sum, normal(0, 3), axis=0, keepdims=True)
row("mean", np.mean, normal(0, 3), axis=1)
row("max", np.max, normal(0, 3), axis=1)
row("max", np.max, normal(0, 3), axis=0, initial=1.5).checked(derivatives=0)
row("max", np.max, distinct(N, 3), axis=1, initial=0.503)
row("min", np.min, distinct(N, 3), axis=0, initial=0.503)
row("all", np.all, mask(0)).checked(derivatives=0, dtypes=("int32",), result="bool")
row("any", np.any, mask(0)).checked(derivatives=0, dtypes=("int32",), result="bool")

# More rows than a block of the quick sums, and columns on both sides of their limits.
for shape in ((600, 3), (5000, 2), (4100, 70), (40, 100)):
    row("sum", np.sum, normal(*shape), axis=0).checked(tolerance=64, dtypes=WIDE, derivatives=1)
    row("mean", np.mean, normal(*shape), axis=(0,)).checked(tolerance=8, dtypes=WIDE, derivatives=1)
row("sum", np.sum, normal(9, 8, 16), axis=(0, 1), keepdims=True).checked(tolerance=16)

# Integers and bools.
for dtype, result in (
    ("int32", "int32"),
    ("uint8", "uint32"),
    ("int64", "int64"),
    ("int8", "int32"),
    ("int16", "int32"),
):
    row("sum", np.sum, normal(N, 3), axis=1).checked(dtypes=(dtype,), result=result, variant=dtype)
    row("prod", np.prod, normal(N, 3), axis=1).checked(dtypes=(dtype,), result=result, variant=dtype)
    row("mean", np.mean, normal(N, 3), axis=0).checked(dtypes=(dtype,), result="float32", variant=dtype)
    row("max", np.max, normal(N, 3), axis=1).checked(dtypes=(dtype,), variant=dtype)
    row("cumsum", np.cumsum, normal(N, 3), axis=1).checked(dtypes=(dtype,), variant=dtype)
row("sum", np.sum, mask(N, 3), axis=0).checked(derivatives=0, dtypes=("int32",), result="int32")
row("cumsum", np.cumsum, mask(N, 3), axis=0).checked(derivatives=0, dtypes=("int32",), result="int32")
row("all", np.all, values(1, 2, 0)).checked(derivatives=0, dtypes=NUMBERS, result="bool")
row("any", np.any, values(0, 0, 2)).checked(derivatives=0, dtypes=NUMBERS, result="bool")
row("count_nonzero", np.count_nonzero, values(0, 1, 2)).checked(derivatives=0, dtypes=NUMBERS, result="int32")
row("count_nonzero", np.count_nonzero, mask(N, 3), axis=-1).checked(derivatives=0, dtypes=("int32",), result="int32")

# Places of extremes; the first of equal ones.
for name in ("argmax", "argmin"):
    row(name, getattr(np, name), distinct(N, 3)).checked(derivatives=0, dtypes=NUMBERS[:5], result="int32")
    row(name, getattr(np, name), distinct(N, 3), axis=-1).checked(derivatives=0, result="int32")
    row(name, getattr(np, name), distinct(N, 3, 2), axis=1, keepdims=True).checked(derivatives=0, result="int32")
    row(name, getattr(np, name), distinct(N, 3), keepdims=True).checked(derivatives=0, result="int32")
    row(name, getattr(np, name), values(2, 1, 1, 2)).checked(
        derivatives=0, dtypes=NUMBERS, result="int32", variant="ties"
    )

# Products with zeros: the first derivative holds there, too.
row("prod", np.prod, values(2, 0, 3)).checked(derivatives=1, variant="one zero")
row("prod", np.prod, values(2, 0, 0)).checked(derivatives=1, variant="two zeros")
row("prod", np.prod, values(1, 2, 3), dtype="float64").checked(dtypes=("float32",), result="float64")

# Scans.
for name in ("cumsum", "cumprod"):
    row(name, getattr(np, name), positive(N, 3)).checked(dtypes=WIDE, tolerance=16)
    row(name, getattr(np, name), positive(N, 3), axis=-1).checked(tolerance=4)
    row(name, getattr(np, name), positive(2, 3, N), axis=1).checked(tolerance=4)
    row(name, getattr(np, name), positive(N, 0), axis=1)
row("cumsum", np.cumsum, positive(N, 3), axis=0, dtype="float64").checked(dtypes=("float32",), result="float64")

row("moments", lambda x, axes: (x.mean(axis=axes), x.var(axis=axes)), normal(N, 3, 5), axes=(0, 1)).checked(tolerance=4)
row(
    "moments",
    lambda x, axes, keepdims: (x.mean(axes, keepdims=True), x.var(axes, keepdims=True)),
    normal(N, 3),
    axes=1,
    keepdims=True,
).checked(tolerance=4)
row("logsumexp", reference.logsumexp, values(-math.inf, 1.0, 2.0)).checked(derivatives=None, variant="an infinity")

row("broadcast_to", np.broadcast_to, normal(3), (2, 4, 3)).checked(dtypes=NUMBERS)
row("broadcast_to", np.broadcast_to, normal(2, 1, 3), (2, 5, 3))
row("broadcast_to", np.broadcast_to, normal(), (2, 0, 3))
row("broadcast_to", np.broadcast_to, normal(1, 70), (300, 70)).checked(derivatives=1, dtypes=WIDE)
row("normalize", reference.normalize, normal(N, 3)).checked(tolerance=2)
row("normalize", reference.normalize, positive(N, 3), axis=0, order=1).checked(tolerance=2)
row("normalize", reference.normalize, positive(N, 3), order=3).checked(tolerance=4)
row(
    "in_top_k", lambda t, p, k: np.array([np.sum(q > q[i]) < k for q, i in zip(p, t)]), index(5, N), distinct(N, 5), k=2
).checked(derivatives=0, result="bool")
row("argsort", np.argsort, distinct(N, 5)).checked(derivatives=0, dtypes=NUMBERS[:5], result="int32")
row("argsort", np.argsort, distinct(N, 5), axis=0).checked(derivatives=0, result="int32")
row("argsort", np.argsort, distinct(N, 5), axis=None).checked(derivatives=0, result="int32")
row("argsort", lambda x: np.array([1, 3, 0, 2]), values(1, 0, 1, 0)).checked(
    derivatives=0, dtypes=NUMBERS, result="int32", variant="stable"
)
row("sort", np.sort, distinct(N, 5)).checked(dtypes=NUMBERS[:5])
row("sort", np.sort, distinct(N, 5), axis=0)
row("top_k", lambda x, k: (-np.sort(-x)[..., :k], np.argsort(-x)[..., :k]), distinct(N, 5), k=3).checked(
    result=("same", "int32")
)
row("top_k", lambda x, k: (np.array([5, 3]), np.array([0, 2])), values(5, 0, 3), k=2).checked(
    derivatives=0, dtypes=INTEGERS, result=("same", "int32"), variant="integers"
)
