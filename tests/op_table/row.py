"""The row interface of the op table: an op, its reference, and inputs that a seeded function draws.

    row("softmax", reference.softmax, normal(N, 5), axis=-1)
    row("argmax", np.argmax, distinct(N, 5), axis=1).checked(derivatives=0, result="int32", dtypes=NUMBERS)

The first line is all it takes to have an op tested forward in every float dtype, differentiated twice, run on
non-contiguous arrays, with `out=`, and symbolically, on every device. `checked` says what is different for a row.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

from gpunet import ops, random, tree

DTYPES = {name: np.dtype(getattr(ml_dtypes, name, name)) for name in ("bfloat16", "float16", "float32", "float64")}
FLOATS = ("float64", "float32", "float16", "bfloat16")
WIDE = ("float64", "float32")  # for functions that a 16-bit float cannot resolve
INTEGERS = ("int32", "uint8", "int64")
NUMBERS = FLOATS + INTEGERS


class Unknown(int):
    """A size that a symbolic shape leaves open; shapes are also checked with another size in its place."""


N = Unknown(4)


@dataclass(frozen=True)
class Input:
    """One array: its shape and how its elements are drawn, as float64.

    A "number" takes the dtype under test, an "index" is int32 and a "mask" bool: these have no derivative.
    """

    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    shape: tuple[int, ...]
    kind: str = "number"
    spread: int = 3  # what float values are multiplied by before they are rounded to integers

    def array(self, rng: np.random.Generator, dtype: np.dtype, size: int) -> np.ndarray:
        shape = tuple(size if isinstance(n, Unknown) else n for n in self.shape)
        values = np.asarray(self.draw(rng, shape), np.float64)
        if self.kind != "number":
            return values.astype("int32" if self.kind == "index" else "bool")
        if dtype.kind in "iu":
            values = np.clip(np.rint(values * self.spread), 0 if dtype.kind == "u" else -7, 7)
        return np.asarray(values, dtype)

    def symbolic_shape(self) -> tuple[int | None, ...]:
        return tuple(None if isinstance(n, Unknown) else n for n in self.shape)


def normal(*shape: int) -> Input:
    """Standard normal."""
    return Input(lambda rng, s: rng.standard_normal(s), shape)


def uniform(low: float, high: float, *shape: int) -> Input:
    """Uniform in (low, high)."""
    return Input(lambda rng, s: rng.uniform(low, high, s), shape)


def positive(*shape: int) -> Input:
    """Uniform in (0.3, 2.3)."""
    return uniform(0.3, 2.3, *shape)


def away_from(kinks: Any, *shape: int, width: float = 2.0) -> Input:
    """Normal numbers with the scale `width`, at least 0.1 from each of the kinks."""

    def draw(rng, s):
        x = rng.standard_normal(s) * width
        for kink in np.atleast_1d(kinks):
            x = np.where(np.abs(x - kink) < 0.1, x + np.where(x < kink, -0.1, 0.1), x)
        return x

    return Input(draw, shape)


def distinct(*shape: int) -> Input:
    """Numbers from −2 to 2 in random order, no two of them close, so that maxima stay where they are."""
    return Input(lambda rng, s: rng.permutation(np.linspace(-2, 2, math.prod(s))).reshape(s), shape)


def values(*numbers: Any) -> Input:
    """These numbers."""
    fixed = np.array(numbers, np.float64)
    return Input(lambda rng, s: fixed, fixed.shape, spread=1)


def probabilities(*shape: int) -> Input:
    """Positive rows with sum 1."""

    def draw(rng, s):
        x = rng.uniform(0.1, 1, s)
        return x / x.sum(axis=-1, keepdims=True)

    return Input(draw, shape)


def index(high: int, *shape: int, low: int = 0) -> Input:
    """int32 indices in [low, high)."""
    return Input(lambda rng, s: rng.integers(low, high, s), shape, "index")


def mask(*shape: int) -> Input:
    """Bools."""
    return Input(lambda rng, s: rng.random(s) < 0.5, shape, "mask")


@dataclass
class Row:
    """One op with one set of arguments, a tuple and a dict whose leaves are Inputs or are passed as they are."""

    op: str
    reference: Callable
    arguments: tuple[tuple, dict[str, Any]]
    derivatives: int | None = 2
    dtypes: tuple[str, ...] = FLOATS
    result: Any = "same"
    tolerance: float = 1.0
    of: int | None = None
    symbolic: bool = True
    whole: bool = False
    variant: str = field(default="")

    def checked(self, **options: Any) -> Row:
        """Set options:

        derivatives: how many are compared with finite differences, 2 where not given; 0 asserts that there is none,
            None looks at none.
        dtypes: those of the number inputs.
        result: the result's dtype: "same" as the inputs', "float" (the inputs', or float32 for integers) or a name; a
            tuple for several results.
        of: the place of the one result that is differentiated, where not all are.
        tolerance: a factor for results that accumulate many roundings.
        symbolic: False for an op of values, whose result's shape depends on them.
        whole: matrices must stay as they are drawn, for others have no result; replays see them in another order.
        variant: a word for the row's name, needed where shapes and attributes do not tell it from others of the op.
        """
        for name, value in options.items():
            if name not in Row.__dataclass_fields__:
                raise TypeError(f"a row has no option {name!r}")
            setattr(self, name, value)
        return self

    @property
    def id(self) -> str:
        return f"{self.op}[{' '.join(_words(*self.arguments) + [self.variant] * bool(self.variant))}]"

    @property
    def leaves(self) -> list:
        return tree.flatten(self.arguments)

    @property
    def has_inputs(self) -> bool:
        return any(isinstance(x, Input) for x in self.leaves)

    def function(self, arguments: tuple) -> Any:
        """The op's result for arguments in the structure of `self.arguments`."""
        family, _, name = self.op.rpartition(".")
        space = {"random": random, "image": ops.image}.get(family, ops)
        return getattr(space, name)(*arguments[0], **arguments[1])

    def differentiated(self, results: Any) -> list:
        """Those results of the op whose derivative is taken."""
        flat = tree.flatten(results)
        return flat if self.of is None else [flat[self.of]]

    def arrays(self, dtype: str, size: int = N) -> tuple:
        """The arguments as NumPy arrays in `dtype`: the same ones each time."""
        rng = np.random.default_rng(zlib.crc32(self.op.encode()))
        kind = DTYPES.get(dtype) or np.dtype(dtype)
        return self.map(lambda x: x.array(rng, kind, size), self.arguments)

    def map(self, function: Callable, *structures: Any) -> tuple:
        """Apply a function to corresponding leaves of argument structures, where the row has an Input."""
        pairs = zip(self.leaves, *map(tree.flatten, structures))
        return tree.pack_like(self.arguments, [function(*xs) if isinstance(x, Input) else x for x, *xs in pairs])

    def expected(self, arrays: tuple) -> Any:
        """The reference's result on these arguments in float64, or int64."""
        with np.errstate(all="ignore"):
            args, kwargs = self.map(_widened, arrays)
            return self.reference(*args, **kwargs)

    def result_dtypes(self, dtype: str, count: int) -> list[str]:
        names = self.result if isinstance(self.result, tuple) else (self.result,) * count
        floating = dtype if dtype in FLOATS else "float32"
        wide = "float32" if dtype in ("float16", "bfloat16") else dtype
        return [{"same": dtype, "float": floating, "wide": wide}.get(name, name) for name in names]


def _widened(x: np.ndarray) -> np.ndarray:
    return x if x.dtype.kind == "b" else x.astype(np.int64 if x.dtype.kind in "iu" else np.float64)


def _words(args: tuple, kwargs: dict) -> list[str]:
    return [_word(x) for x in args] + [f"{name}={_word(x)}" for name, x in kwargs.items()]


def _word(x: Any) -> str:
    if isinstance(x, Input):
        return ("" if x.kind == "number" else x.kind) + ("x".join(map(str, x.shape)) or "scalar")
    if isinstance(x, list):
        return f"[{','.join(map(_word, x))}]"
    return f"array{x.shape}" if isinstance(x, np.ndarray) else str(x).replace(" ", "")


class Rows(list):
    """The rows of a family."""

    def add(self, op: str, reference: Callable, *inputs: Any, **attributes: Any) -> Row:
        """Add a row. Inputs and attributes go to op and reference alike; each is an Input, or an argument as it is."""
        self.append(Row(op, reference, (inputs, attributes)))
        return self[-1]
