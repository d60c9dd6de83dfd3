"""The same training steps and inference on the CPU and on a GPU, against PyTorch eager and in a CUDA graph."""

from __future__ import annotations

from benchmarks.networks import NETWORKS
from benchmarks.peers import GPU
from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, record
from gpunet.backend.cupy_gate import probe

_BATCHES = (1, 16, 64, 256)


def run(budget: Budget, findings: Findings) -> None:
    """Nothing but the reason where there is no GPU."""
    found = probe()
    if not found.gpus:
        findings.missing["GPU"] = found.reason or "none was found"
        return
    keys = findings.ready(["gpunet-recorded", *GPU])
    for key, network in NETWORKS.items():
        if not network.resident and not budget.full:
            continue
        for batch in sorted({network.batch, *(_BATCHES if budget.full and network.resident else ())}):
            for task in ("training", "inference"):
                flops = network.training_flops(batch) if task == "training" else batch * network.flops
                facts = {"group": task, "network": network.name, "batch": batch, "flops": flops}
                arguments = {"network": {"name": key}, "batch": batch}
                case = Case(f"{network.name} {task}, batch {batch}", task, arguments, facts)
                record(case, keys, budget, findings)
