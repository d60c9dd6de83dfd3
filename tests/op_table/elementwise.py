"""Rows of elementwise mathematics, comparisons and activations."""

import math

import numpy as np

from . import reference
from .row import (
    INTEGERS,
    NUMBERS,
    WIDE,
    N,
    Rows,
    away_from,
    distinct,
    mask,
    normal,
    positive,
    uniform,
    values,
)

ROWS = Rows()
row = ROWS.add

# Functions whose result is a float.
for name, function in {
    "exp": np.exp,
    "expm1": np.expm1,
    "exp2": np.exp2,
    "sin": np.sin,
    "cos": np.cos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsinh": np.arcsinh,
    "sigmoid": reference.sigmoid,
    "softplus": reference.softplus,
    "erf": reference.erf,
}.items():
    row(name, function, normal(N, 3)).checked(result="float", dtypes=NUMBERS)
for name, function in {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}.items():
    row(name, function, uniform(0.4, 2.4, N, 3)).checked(result="float", dtypes=NUMBERS)
row("tan", np.tan, uniform(-1, 1, N, 3))
row("arcsin", np.arcsin, uniform(-0.9, 0.9, N, 3))
row("arccos", np.arccos, uniform(-0.9, 0.9, N, 3))
row("arctanh", np.arctanh, uniform(-0.9, 0.9, N, 3))
row("arccosh", np.arccosh, uniform(1.2, 3, N, 3))
row("sigmoid", reference.sigmoid, values(-800, -90, -12, 12, 90, 800)).checked(
    dtypes=WIDE, derivatives=1, variant="far"
)
row("softplus", reference.softplus, values(-800, -90, 90, 800)).checked(dtypes=WIDE, derivatives=1, variant="far")
row("erf", reference.erf, values(-7, -4.1, -3, -0.6, -0.4, 0, 0.3, 0.5, 2, 5)).checked(variant="each interval")

# Functions that keep the dtype.
for name, function in {
    "negative": np.negative,
    "absolute": np.abs,
    "square": np.square,
    "relu": reference.relu,
    "copy": np.copy,
    "stop_gradient": lambda x: x,
}.items():
    row(name, function, away_from(0, N, 3)).checked(
        dtypes=NUMBERS if name != "negative" else (*NUMBERS[:4], "int32", "int64"),
        derivatives=0 if name == "stop_gradient" else 2,
    )
row("sign", np.sign, away_from(0, N, 3)).checked(derivatives=0, dtypes=NUMBERS)
row("sign", np.sign, values(-2, 0, 3)).checked(derivatives=0, variant="zero")
row("absolute", np.abs, values(-2, 0, 3)).checked(derivatives=0, dtypes=INTEGERS, variant="zero")
for name in ("floor", "ceil"):
    row(name, getattr(np, name), normal(N, 3)).checked(
        derivatives=0, dtypes=INTEGERS, result="float", variant="integers"
    )
for name in ("floor", "ceil", "trunc", "round"):
    row(name, getattr(np, name), away_from(np.arange(-5, 5.5, 0.5), N, 3, width=1.5)).checked(derivatives=0)
row("round", np.round, values(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)).checked(derivatives=0, variant="halves")
row("round", np.round, normal(N, 3)).checked(derivatives=0, dtypes=INTEGERS, variant="integers")
row("round", np.round, values(-27, -5, 14, 15), -1).checked(derivatives=0, dtypes=("int32", "int64", *WIDE))
row("round", np.round, normal(N, 3), decimals=1).checked(derivatives=0, dtypes=WIDE)

# Tails of the unary path: 0-d, size 1, no elements, more axes.
for shape in ((), (1,), (N, 0), (2, 1, 3, 1)):
    for name, function in {"exp": np.exp, "tanh": np.tanh, "relu": reference.relu}.items():
        row(name, function, away_from(0, *shape))
    row("add", np.add, normal(*shape), normal(*shape))
    row("multiply", np.multiply, normal(*shape), 3.0)
for name, function in {"sigmoid": reference.sigmoid, "softplus": reference.softplus}.items():
    row(name, function, normal())
row("rsqrt", lambda x: 1 / np.sqrt(x), positive())
row("erf", reference.erf, normal())

# Two operands.
row("add", np.add, normal(N, 3), normal(N, 3)).checked(dtypes=NUMBERS)
row("subtract", np.subtract, normal(N, 3), normal(N, 3)).checked(dtypes=(*NUMBERS[:4], "int32", "int64"))
row("multiply", np.multiply, normal(N, 3), normal(N, 3)).checked(dtypes=NUMBERS)
row("divide", np.divide, normal(N, 3), away_from(0, N, 3)).checked(tolerance=4)
row("divide", np.divide, normal(N, 3), positive(N, 3)).checked(dtypes=INTEGERS, result="float", variant="integers")
row("divide_no_nan", np.divide, normal(N, 3), away_from(0, N, 3)).checked(tolerance=4)
row("divide_no_nan", lambda x, y: np.array([0.0, 0.5, 0]), values(1, 1, 0), values(0, 2, 0)).checked(
    derivatives=None, variant="zero"
)
row("floor_divide", np.floor_divide, uniform(1.1, 1.9, N, 3), values(0.5, -2, 1)).checked(derivatives=0)
row("floor_divide", np.floor_divide, normal(N, 3), positive(N, 3)).checked(
    dtypes=("int32", "int64"), variant="integers"
)
row("mod", np.mod, uniform(1.1, 1.9, N, 3), values(2, -2, 5)).checked(tolerance=4)
row("mod", np.mod, normal(N, 3), positive(N, 3)).checked(dtypes=("int32", "int64"), variant="integers")
row("power", np.power, positive(N, 3), uniform(-2, 2, N, 3))
row("power", np.power, away_from(0, N, 3), 3)
row("power", np.power, away_from(0, N, 3), 0)
row("power", np.power, positive(N, 3), -0.5)
row("power", lambda x, y: x**y, 2.0, normal(N, 3))
row("power", np.power, values(0, 1, 2), values(0, 2, 3)).checked(derivatives=0, dtypes=INTEGERS, variant="integers")
row("maximum", np.maximum, distinct(N, 3), values(0.1, -0.2, 0.3)).checked(dtypes=NUMBERS)
row("minimum", np.minimum, distinct(N, 3), values(0.1, -0.2, 0.3)).checked(dtypes=NUMBERS)
row("arctan2", np.arctan2, away_from(0, N, 3), away_from(0, N, 3)).checked(tolerance=2)
row("logaddexp", np.logaddexp, normal(N, 3), normal(N, 3))
row("logaddexp", np.logaddexp, values(800.0, -800), values(790.0, -801)).checked(dtypes=WIDE, variant="far")

# Broadcasting, and Python numbers on either side.
for left, right in (
    ((N, 3), (3,)),
    ((N, 1), (1, 3)),
    ((), (N, 3)),
    ((2, N, 3), (N, 1)),
    ((N, 0), (1, 1)),
):
    for name in ("add", "subtract", "multiply", "divide"):
        row(name, getattr(np, name), normal(*left), away_from(0, *right)).checked(tolerance=4)
for name in ("add", "subtract", "multiply", "divide", "maximum", "power"):
    row(name, getattr(np, name), away_from((0, 1.5), N, 3) if name != "power" else positive(N, 3), 1.5)
    row(name, getattr(np, name), 1.5, away_from((0, 1.5), N, 3)).checked(tolerance=4)

# Bits.
for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    row(name, getattr(np, name), positive(N, 3), positive(3)).checked(derivatives=0, dtypes=INTEGERS)
    row(name, getattr(np, name), mask(N, 3), mask(3)).checked(derivatives=0, dtypes=("int32",), result="bool")
row("bitwise_not", np.invert, normal(N, 3)).checked(derivatives=0, dtypes=("int32", "int64"))
row("left_shift", np.left_shift, positive(N, 3), 2).checked(derivatives=0, dtypes=INTEGERS)
row("right_shift", np.right_shift, positive(N, 3), values(0, 1, 2)).checked(derivatives=0, dtypes=INTEGERS)

# Comparisons and predicates.
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    row(name, getattr(np, name), distinct(N, 3), values(0, 0.5, -0.5)).checked(
        derivatives=0, dtypes=NUMBERS, result="bool"
    )
    row(name, getattr(np, name), values(-1, 0, 1), 0).checked(derivatives=0, dtypes=NUMBERS[:5], result="bool")
for name in ("logical_and", "logical_or", "logical_xor"):
    row(name, getattr(np, name), mask(N, 3), mask(3)).checked(derivatives=0, dtypes=("float32",), result="bool")
    row(name, getattr(np, name), values(0, 1, 2), values(0, 0, 3)).checked(derivatives=0, dtypes=NUMBERS, result="bool")
row("logical_not", np.logical_not, values(0, 1, 2)).checked(derivatives=0, dtypes=NUMBERS, result="bool")
for name in ("isfinite", "isinf", "isnan"):
    row(name, getattr(np, name), values(1, math.inf, -math.inf, math.nan)).checked(derivatives=0, result="bool")
    row(name, getattr(np, name), normal(N, 3)).checked(derivatives=0, dtypes=INTEGERS, result="bool")
row("isclose", np.isclose, values(1, 1, math.inf, math.nan), values(1 + 1e-6, 1.1, math.inf, math.nan)).checked(
    derivatives=0, dtypes=WIDE, result="bool"
)
row("isclose", np.isclose, values(math.nan, 1), values(math.nan, 2), rtol=0.3, atol=0.1, equal_nan=True).checked(
    derivatives=0, result="bool"
)

# Selection and conversion.
row("where", np.where, mask(N, 3), normal(N, 3), normal(3))
row("where", np.where, mask(N, 1), normal(3), 0.0).checked(dtypes=NUMBERS[:4])
row("where", np.where, mask(), normal(N, 3), normal()).checked(dtypes=NUMBERS)
row("clip", np.clip, away_from((-0.5, 0.7), N, 3), -0.5, 0.7)
row("clip", np.clip, normal(N, 3), -2, 2).checked(dtypes=("int32", "int64"))
row("clip", np.clip, distinct(N, 3), values(-1.03, -0.53, 0.02), values(-0.51, 0.07, 0.57)).checked(variant="arrays")
for target in ("float64", "float32", "float16"):
    row("cast", lambda x, dtype: x, uniform(-2, 2, N, 3), dtype=target).checked(
        derivatives=2 if target == "float64" else 0,
        dtypes=("float64",) if target == "float64" else INTEGERS,
        result=target,
    )
row("cast", lambda x, dtype: np.trunc(x), uniform(-3, 3, N, 3), dtype="int32").checked(derivatives=0, result="int32")
row("cast", lambda x, dtype: x != 0, values(-1, 0, 0.5), dtype="bool").checked(derivatives=0, result="bool")
row("nan_to_num", np.nan_to_num, normal(N, 3))
row("nan_to_num", np.nan_to_num, values(math.nan, math.inf, 2, -math.inf), nan=3.0, posinf=4.0, neginf=-5.0).checked(
    derivatives=None
)
row("nan_to_num", np.nan_to_num, values(math.nan, math.inf, -math.inf)).checked(derivatives=0, dtypes=("float64",))
row("zeros_like", np.zeros_like, normal(N, 3)).checked(derivatives=0, dtypes=NUMBERS)
row("zeros_like", np.zeros_like, normal(N, 3), dtype="int32").checked(derivatives=0, result="int32")
row("ones_like", np.ones_like, normal(N, 3)).checked(derivatives=0, dtypes=NUMBERS)
row("ones_like", np.ones_like, normal(), dtype="bool").checked(derivatives=0, result="bool")
row("full_like", np.full_like, normal(N, 3), 2.5).checked(derivatives=0)

# Activations.
row("relu6", lambda x: np.clip(x, 0, 6), away_from((0, 6), N, 3, width=5)).checked(dtypes=NUMBERS[:4])
row("leaky_relu", lambda x, negative_slope=0.2: np.where(x > 0, x, negative_slope * x), away_from(0, N, 3))
row(
    "leaky_relu",
    lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
    away_from(0, N, 3),
    negative_slope=0.01,
)
row("elu", reference.elu, away_from(0, N, 3))
row("elu", reference.elu, away_from(0, N, 3), alpha=0.5)
row("selu", lambda x: 1.0507009873554805 * reference.elu(x, 1.6732632423543772), away_from(0, N, 3))
row(
    "celu",
    lambda x, alpha=1.0: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(x / alpha)),
    away_from(0, N, 3),
    alpha=0.7,
)
row("gelu", reference.gelu, normal(N, 3)).checked(tolerance=2)
row("gelu", reference.gelu, normal(N, 3), approximate=False).checked(tolerance=2)
row("silu", lambda x: x * reference.sigmoid(x), normal(N, 3)).checked(dtypes=NUMBERS, result="float")
row("softsign", lambda x: x / (1 + np.abs(x)), away_from(0, N, 3))
row("mish", lambda x: x * np.tanh(reference.softplus(x)), normal(N, 3))
row("log_sigmoid", lambda x: -reference.softplus(-x), normal(N, 3))
row("log_sigmoid", lambda x: -reference.softplus(-x), values(-800, 800)).checked(dtypes=WIDE, variant="far")
row("hard_sigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), away_from((-3, 3), N, 3, width=4)).checked(tolerance=2)
row("hard_silu", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), away_from((-3, 3), N, 3, width=4)).checked(tolerance=2)
row("hard_tanh", lambda x: np.clip(x, -1, 1), away_from((-1, 1), N, 3))
row("threshold", lambda x, t, v: np.where(x > t, x, v), away_from(0.5, N, 3), 0.5, -1.0)
row("tanh_shrink", lambda x: x - np.tanh(x), normal(N, 3))
row("soft_shrink", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), away_from((-0.5, 0.5), N, 3))
row("hard_shrink", lambda x, threshold: np.where(np.abs(x) > threshold, x, 0), away_from((-1, 1), N, 3), threshold=1.0)
row("glu", reference.glu, normal(N, 6))
row("glu", reference.glu, normal(4, 3, N), axis=0)

# Bools count as 0 and 1.
row("square", np.square, mask(N, 3)).checked(derivatives=0, dtypes=("int32",), result="int32")
row("power", lambda x, y: x.astype(int) ** y, mask(N, 3), mask(3)).checked(
    derivatives=0, dtypes=("int32",), result="int32"
)
row("mod", lambda x, y: 0 * x, mask(N, 3), True).checked(derivatives=0, dtypes=("int32",), result="int32")
row("left_shift", lambda x, y: x.astype(int) << y, mask(N, 3), mask(3)).checked(
    derivatives=0, dtypes=("int32",), result="int32"
)
row("add", np.add, mask(N, 3), mask(3)).checked(derivatives=0, dtypes=("int32",), result="bool")
row("multiply", np.multiply, mask(N, 3), mask(3)).checked(derivatives=0, dtypes=("int32",), result="bool")
row("nan_to_num", np.nan_to_num, normal(N, 3)).checked(dtypes=INTEGERS, variant="integers")
row("divide_no_nan", np.divide, normal(N, 3), 2.0)
row("divide_no_nan", lambda x, y: 0 * x, normal(N, 3), 0).checked(derivatives=None)

# Large enough for pooled results and for the paths that large arrays take.
row("relu", reference.relu, away_from(0, 300, 120)).checked(dtypes=("float64", "float32"))
row("tanh", np.tanh, normal(300, 120)).checked(dtypes=("float32",))
row("multiply", np.multiply, normal(300, 120), normal(120)).checked(dtypes=("float64", "float32"), tolerance=16)
row("add", np.add, normal(300, 120), normal(300, 1)).checked(dtypes=("float32",), tolerance=16)
