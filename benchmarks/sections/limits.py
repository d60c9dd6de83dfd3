"""The rate of float32 matrix products in each library, and that of copying memory."""

from __future__ import annotations

from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, record


def run(budget: Budget, findings: Findings) -> None:
    """Rows with `flops` for products and `nbytes`, read and written, for the copy."""
    size = 2048
    keys = findings.ready(["numpy", "gpunet-eager", "torch", "jax"])
    product = Case(f"{size} × {size} matrix product", "product", {"size": size}, {"flops": 2 * size**3})
    record(product, keys, budget, findings)
    nbytes = 128 * 2**20
    copy = Case("copy of 128 MiB, one thread", "copy", {"nbytes": nbytes}, {"nbytes": 2 * nbytes})
    record(copy, ["numpy"], budget, findings)
