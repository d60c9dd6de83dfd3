"""Costs beside the arithmetic: of the tape per small op, and of `fit` per recorded step."""

from __future__ import annotations

from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, record


def run(budget: Budget, findings: Findings) -> None:
    """µs per op of a chain, forward and backward; and a network so small that only the overhead counts.

    In the latter, `fit` does what the recorded step does, shuffles and cuts batches, tracks the loss and calls its
    default callbacks. The difference is what `fit` adds.
    """
    keys = findings.ready(["gpunet-eager", "gpunet-numpy-eager", "torch"])
    chain = Case("chain of small ops, per op", "chain", {}, {"group": "tape"})
    record(chain, keys, budget, findings)
    keys = findings.ready(["gpunet", "gpunet-recorded", "gpunet-numpy", "gpunet-numpy-recorded", "keras"])
    arguments = {"network": {"mlp": [8, 2], "inputs": 8}, "batch": 8}
    tiny = Case("training step of an MLP 8-8-2, batch 8", "training", arguments, {"group": "fit"})
    record(tiny, keys, budget, findings)
