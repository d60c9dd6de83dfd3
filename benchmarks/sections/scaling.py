"""Training steps along one dimension: batch, width, depth, image size."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.task import network
from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, record

# dimension → (what is grown, description of the network for x, batch for x, quick values, full values)
_ROWS: dict[str, tuple[str, Any, Any, tuple[int, ...], tuple[int, ...]]] = {
    "batch": ("LeNet-5", lambda x: {"name": "lenet5"}, lambda x: x, (1, 16, 256), (1, 2, 4, 8, 16, 32, 64, 128, 256)),
    "width": (
        "MLP with two hidden layers of x units, batch 128",
        lambda x: {"mlp": [x, x, 10]},
        lambda x: 128,
        (64, 256, 1024),
        (32, 64, 128, 256, 512, 1024, 2048),
    ),
    "depth": (
        "MLP with x hidden layers of 256 units, batch 128",
        lambda x: {"mlp": [256] * x + [10]},
        lambda x: 128,
        (2, 8, 32),
        (1, 2, 4, 8, 16, 32, 64),
    ),
    "image size": (
        "ResNet-8 on x × x pixels, batch 8",
        lambda x: {"resnet": {"depth": 8, "side": x}},
        lambda x: 8,
        (16, 32, 64),
        (8, 16, 32, 64, 128, 224),
    ),
}


def run(budget: Budget, findings: Findings) -> None:
    """Rows with `group`, the dimension, and `x`, its value."""
    keys = findings.ready(["gpunet-recorded", "gpunet-numpy-recorded", "torch-malloc", "jax"])
    for dimension, (words, describe, batch, quick, full) in _ROWS.items():
        for x in full if budget.full else quick:
            arguments = {"network": describe(x), "batch": batch(x)}
            flops = network(describe(x)).training_flops(batch(x))
            facts = {"group": dimension, "of": words, "x": x, "flops": flops}
            case = Case(f"{dimension} {x}", "training", arguments, facts)
            record(case, keys, budget, findings)
