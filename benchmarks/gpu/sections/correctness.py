"""Every row of the op table on the GPU: forward in every dtype, other layouts, and both derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import gpunet
from benchmarks.gpu.target import Gpu
from gpunet.backend.cuda import load
from gpunet.backend.primitive import PRIMITIVES
from tests.op_table import FAMILIES, checks

_STANDIN_ROWS = 3  # of a family: the whole table runs on the stand-in in the tests


def run(gpu: Gpu, findings: Any) -> None:
    """A line per family, and one for every check that fails."""
    device = gpunet.device("gpu:0")
    seen: set[str] = set()
    with _watched(type(gpu.array(np.zeros(1))), seen):
        _check(gpu, findings, device)
    findings.add(**{"primitives with a kernel that ran": len(seen), "kernels": sorted(seen)})


@contextmanager
def _watched(kind: type, seen: set[str]) -> Iterator[None]:
    """Note the primitives that kernels of ours serve."""
    tables = {name: PRIMITIVES[name].table for name in load().implementations}
    before = {name: table[kind] for name, table in tables.items()}

    def noting(name: str, implementation: Any) -> Any:
        def run(*arrays: Any, **options: Any) -> Any:
            seen.add(name)
            return implementation(*arrays, **options)

        return run

    try:
        for name, table in tables.items():
            table[kind] = noting(name, before[name])
        yield
    finally:
        for name, table in tables.items():
            table[kind] = before[name]


def _check(gpu: Gpu, findings: Any, device: Any) -> None:
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
