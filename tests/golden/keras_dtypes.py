"""Dtypes of results in Keras: promotion, and ops whose result has another dtype than their operands.

Keras computes in at most 32 bits; gpunet keeps 64. Below that both agree, but for activations of integers, which
Keras's symbolic calls leave integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NAMES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 bfloat16 float16 float32 float64".split()
NARROW = {"uint64": "uint32", "int64": "int32", "float64": "float32"}
SMALL = "bool uint8 int8 int16 uint16 int32 bfloat16 float16 float32".split()
UNARY = """
    absolute negative sign square floor ceil trunc round exp log sqrt sin tanh sum mean max min prod all any
    argmax argmin var std count_nonzero cumsum cumprod sort argsort isfinite isnan logical_not tril triu trace diagonal
    zeros_like ones_like copy
""".split()
BINARY = """
    add subtract multiply divide mod maximum minimum logaddexp equal less logical_and matmul dot inner isclose
""".split()


def narrow(name: str) -> str:
    """The dtype in which Keras computes where gpunet computes in `name`."""
    return NARROW.get(name, name)


def promotion(result_type: Any) -> np.ndarray:
    """The place in NAMES of each pair's common dtype, with Python's int and float as the last columns."""
    pairs = [[result_type(x, y) for y in [*NAMES, int, float]] for x in NAMES]
    return np.array([[NAMES.index(narrow(name)) for name in row] for row in pairs])


def results(ops: Any, tensor: Any) -> dict[str, np.ndarray]:
    """The places in NAMES of the results' dtypes of symbolic calls, by op."""

    def place(y):
        return NAMES.index(getattr(y.dtype, "name", y.dtype))

    found = {name: [place(getattr(ops, name)(tensor((3, 3), d))) for d in SMALL] for name in UNARY}
    for name in BINARY:
        function = getattr(ops, name)
        found[name] = [[place(function(tensor((3, 3), x), tensor((3, 3), y))) for y in SMALL] for x in SMALL]
    return {name: np.array(places) for name, places in found.items()}
