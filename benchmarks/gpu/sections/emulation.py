"""The emulated kernels against the GPU's: what the tests run on machines without a GPU is what a GPU does.

Integers and random bits are equal; floats may differ by contraction into fused multiply-adds and by library functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gpunet
from benchmarks.gpu.target import Gpu
from gpunet import random, tree
from gpunet.testing import emulated_gpu
from gpunet.testing.emulation import why_not
from tests.op_table import FAMILIES

_EVERY = 4  # rows
_TOLERANCE = 1e-4


def run(gpu: Gpu, findings: Any) -> None:
    """A sample of the op table and the random primitives, in float32."""
    if why_not():
        findings.add(note=why_not())
        return
    for family in FAMILIES:
        rows = [r for r in family.ROWS[:: _EVERY if gpu.real else 40] if "float32" in r.dtypes and r.has_inputs]
        worst, launches = 0.0, 0
        for row in rows:
            arrays = row.arrays("float32")

            def call(row: Any = row, arrays: Any = arrays) -> Any:
                return row.function(row.map(gpu.array, arrays))

            found = findings.attempt(row.id, lambda call=call: _compare(gpu, call))
            if found is None:
                continue
            worst, launches = max(worst, found[0]), launches + found[1]
            findings.check(found[0] <= _TOLERANCE, f"{row.id}: the GPU differs from the emulation by {found[0]:.1e}")
        name = family.__name__.rpartition(".")[2]
        findings.add(family=name, rows=len(rows), **{"emulated launches": launches, "largest difference": worst})
    for draw in (random.uniform, random.normal):
        difference, _ = _compare(gpu, lambda draw=draw: draw((1000,), seed=5))
        findings.add(family=draw.__name__, rows=1, **{"largest difference": difference})
        findings.check(difference == 0, f"{draw.__name__}: the GPU's bits differ from the emulation's")


def _compare(gpu: Gpu, call: Any) -> tuple[float, int]:
    """The largest difference relative to the largest value, and the number of emulated launches."""
    with gpunet.device("gpu:0"):
        found = [gpu.host(y) for y in tree.flatten(call())]
    with emulated_gpu(schedule=3) as emulated:
        expected = [gpu.host(y) for y in tree.flatten(call())]
        launches = sum(emulated.launches.values())
    return max(map(_difference, found, expected)), launches


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    if found.dtype.kind not in "fV":
        return 0.0 if np.array_equal(found, expected) else float("inf")
    found, expected = found.astype("float64"), expected.astype("float64")
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    gap = np.where(same, 0.0, np.abs(found - expected))
    finite = np.abs(expected[np.isfinite(expected)])
    return float(np.nan_to_num(gap, nan=np.inf).max(initial=0)) / max(1.0, float(finite.max(initial=0)))
