"""Rows of statistics, counting and places in order."""

import numpy as np

from .row import WIDE, N, Rows, distinct, index, normal, positive, values

ROWS = Rows()
row = ROWS.add

row("average", lambda x, axis=None: np.average(x, axis), normal(N, 3), axis=1).checked(tolerance=4)
row("average", lambda x, weights: np.average(x, weights=weights), normal(3, 2), weights=positive(3, 2)).checked(
    tolerance=4
)
row(
    "average", lambda x, axis, weights: np.average(x, axis, weights), normal(N, 3), axis=1, weights=positive(3)
).checked(tolerance=4)
for q in (0.3, (0.0, 0.5, 0.9)):
    row("quantile", lambda x, q, axis: np.quantile(x, q, axis=axis), distinct(N, 5), q, axis=1).checked(
        dtypes=WIDE, tolerance=4
    )
for method in ("lower", "higher", "midpoint", "nearest"):
    row(
        "quantile",
        lambda x, q, axis, method, keepdims: np.quantile(x, q, axis=axis, method=method, keepdims=keepdims),
        distinct(3, 4),
        0.4,
        axis=(0, 1),
        method=method,
        keepdims=True,
    ).checked(dtypes=WIDE)
row("percentile", lambda x, q, axis: np.percentile(x, q, axis=axis), distinct(N, 5), [30, 80], axis=1).checked(
    dtypes=WIDE, tolerance=4
)
row("median", lambda x, axis: np.median(x, axis), distinct(N, 4), axis=1)
row("median", lambda x: np.median(x), distinct(3, 3))
row("ptp", lambda x, axis: np.ptp(x, axis), distinct(N, 4), axis=1)
row("corrcoef", np.corrcoef, normal(3, 7)).checked(dtypes=WIDE, tolerance=8)
row("diff", np.diff, normal(N, 5)).checked(tolerance=2)
row("diff", np.diff, normal(5, 3), n=2, axis=0).checked(tolerance=4)
row("trapezoid", lambda y: np.trapezoid(y), normal(N, 5)).checked(tolerance=4)
row("trapezoid", lambda y, x, axis: np.trapezoid(y, x, axis=axis), normal(5, 3), normal(5), axis=0).checked(tolerance=8)
row("trapezoid", lambda y, dx: np.trapezoid(y, dx=dx), normal(5), dx=0.5).checked(tolerance=4)

HOLES = values((1.0, np.nan, 2.0), (np.nan, -3.0, 0.5))
for name in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"):
    function = getattr(np, name)
    row(name, lambda x, axis, f=function: f(x, axis), HOLES, axis=1).checked(derivatives=None, dtypes=WIDE, tolerance=4)
    row(name, lambda x, f=function: f(x), distinct(N, 3)).checked(dtypes=WIDE, tolerance=8, variant="without NaN")
for name, function in {"nancumsum": np.nancumsum, "nancumprod": np.nancumprod}.items():
    row(name, lambda x, axis, f=function: f(x, axis), HOLES, axis=1).checked(derivatives=None, dtypes=WIDE)
for name, function in {"nanargmax": np.nanargmax, "nanargmin": np.nanargmin}.items():
    row(name, lambda x, axis, f=function: f(x, axis), HOLES, axis=1).checked(derivatives=0, result="int32", dtypes=WIDE)
row(
    "psnr",
    lambda a, b, max_val: 10 * np.log10(max_val**2 / np.mean((a - b) ** 2)),
    normal(N, 3),
    normal(N, 3),
    max_val=2.0,
).checked(dtypes=WIDE, tolerance=8)

row("searchsorted", np.searchsorted, values(-1, 0, 2), normal(N, 3)).checked(derivatives=0, result="int32")
row(
    "searchsorted",
    lambda a, v, side: np.searchsorted(a, v, side),
    values(-1, 0, 0, 2),
    values(0, 2, 3, -1),
    side="right",
).checked(derivatives=0, result="int32")
row("digitize", np.digitize, normal(N, 3), [-1.0, 0.0, 2.0]).checked(derivatives=0, result="int32")
row("bincount", lambda x: np.bincount(x), index(5, 9)).checked(derivatives=0, result="int32", symbolic=False)
row(
    "bincount",
    lambda x, weights, minlength: np.bincount(x, weights, minlength),
    index(5, 9),
    weights=normal(9),
    minlength=7,
).checked(symbolic=False, tolerance=4)
row("histogram", np.histogram, distinct(9, 2), bins=5, range=(-1, 2)).checked(
    derivatives=0, dtypes=WIDE, result=("int32", "same"), tolerance=4
)
row("isin", np.isin, index(5, N, 3), index(5, 2)).checked(derivatives=0, result="bool")
row("isin", lambda a, b, invert: np.isin(a, b, invert=invert), normal(3), normal(2), invert=True).checked(
    derivatives=0, result="bool"
)
row("multi_hot", lambda x, num_classes: np.eye(num_classes)[x].max(1), index(5, N, 3), num_classes=5).checked(
    derivatives=0, result="float32"
)
row("gcd", np.gcd, index(40, N, 3), index(40, N, 3)).checked(derivatives=0, result="int32")
row("lcm", np.lcm, index(40, N, 3), index(40, N, 3)).checked(derivatives=0, result="int32")
