"""Training steps (forward, backward, Adam) and inference of whole networks, every library in turn."""

from __future__ import annotations

from benchmarks.networks import ATTENTION, LARGE, NETWORKS, RECURRENT, SMALL
from benchmarks.peers import CPU
from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, record

_QUICK = ("gpunet", "gpunet-recorded", "gpunet-numpy", "gpunet-numpy-recorded", "torch", "torch-malloc")
_QUICK += ("torch-shuffled", "jax", "keras")
_LARGE = ("gpunet-recorded", "gpunet-eager", "gpunet-numpy-recorded", "torch", "torch-malloc", "jax")
_WITHOUT = {(key, "tinygrad") for key in RECURRENT | ATTENTION}  # whose peer has no such layers
_SWEEP = (1, 4, 16, 64, 256)


def run(budget: Budget, findings: Findings) -> None:
    """Each network at its batch, inference at batch 1; with a full budget also large networks and other batches."""
    networks = SMALL | RECURRENT | ATTENTION | (LARGE if budget.full else {})
    every = findings.ready([key for key in CPU if key != "numpy"])
    for key, network in networks.items():
        wanted = _LARGE if not network.resident else every if budget.full or findings.only else _QUICK
        ready = [variant for variant in wanted if variant in every and (key, variant) not in _WITHOUT]
        batches = {network.batch, *(_SWEEP if budget.full and network.resident else ())}
        cases = [_case("training", key, batch) for batch in sorted(batches)]
        cases += [_case("inference", key, batch) for batch in sorted({1, *(batches if budget.full else ())})]
        for case in cases:
            standard = case.arguments["batch"] in (network.batch, 1)
            slow = () if standard else ("torch-compile", "tinygrad", "keras")
            pointless = ("torch-shuffled",) if case.task == "inference" else ()
            record(case, [v for v in ready if v not in (*slow, *pointless)], budget, findings)


def _case(task: str, key: str, batch: int) -> Case:
    network = NETWORKS[key]
    flops = network.training_flops(batch) if task == "training" else batch * network.flops
    facts = {"group": task, "network": network.name, "batch": batch, "flops": flops}
    arguments = {"network": {"name": key}, "batch": batch}
    return Case(f"{network.name} {task}, batch {batch}", task, arguments, facts, network.resident)
