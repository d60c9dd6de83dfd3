"""Every row of the op table on the GPU: forward in every dtype, other layouts, and both derivatives."""

from __future__ import annotations

from typing import Any

import gpunet
from benchmarks.gpu.target import Gpu
from tests.op_table import FAMILIES, checks

_STANDIN_ROWS = 3  # of a family: the whole table runs on the stand-in in the tests


def run(gpu: Gpu, findings: Any) -> None:
    """A line per family, and one for every check that fails."""
    device = gpunet.device("gpu:0")
    for family in FAMILIES:
        rows = family.ROWS if gpu.real else family.ROWS[:_STANDIN_ROWS]
        before = len(findings.failures)
        ran = 0
        for row in rows:
            for check in _checks(row):
                findings.attempt(f"{row.id} {check.__name__}", lambda check=check, row=row: check(row, device))
                ran += 1
        name = family.__name__.rpartition(".")[2]
        findings.add(family=name, rows=len(rows), checks=ran, failed=len(findings.failures) - before)


def _checks(row: Any) -> list[Any]:
    if not row.has_inputs:
        return [checks.forward]
    differentiable = row.derivatives is not None and "float64" in row.dtypes
    return [checks.forward, checks.layouts, *([checks.gradients] if differentiable else [])]
