"""Steps that are recorded and replayed as CUDA graphs: captured without an obstacle, equal in bits to eager ones."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpunet
from benchmarks.gpu.target import Gpu, networks
from benchmarks.networks import Network
from benchmarks.peers import gpunet_peer

_STEPS = 7  # the first is only seen, two are traced, the second replay is captured


def run(gpu: Gpu, findings: Any) -> None:
    """A row per network: `train_on_batch` eager and recorded, and `predict_on_batch` of what came of it."""
    for name, (network, batch) in networks(gpu).items():
        batch = min(batch, 32)
        found = findings.attempt(
            name, lambda n=network, batch=batch: [_trained(n, batch, how) for how in (True, "auto")]
        )
        gpu.release()
        if found is None:
            continue
        (eager, _), (recorded, graphs) = found
        differing = sum(not np.array_equal(a, b) for a, b in zip(eager, recorded))
        obstacles = [g.obstacle or "" for g in graphs.values()]
        row = {"network": name, "batch": batch, "graphs": len(graphs), "arrays": len(eager), "that differ": differing}
        findings.add(**row, obstacle="; ".join(filter(None, obstacles)))
        findings.check(differing == 0, f"{name}: {differing} arrays of the recorded training differ from the eager one")
        findings.check({"train_step", "predict_step"} <= set(graphs), f"{name}: recorded were only {sorted(graphs)}")
        findings.check(not any(obstacles), f"{name}: a step was not captured: {'; '.join(filter(None, obstacles))}")


def _trained(network: Network, batch: int, how: Any) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Weights and predictions as bits, and the graph of each step that has one; `how` is True for eager steps."""
    gpunet.set_random_seed(3)
    model = gpunet_peer.build(network)
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], run_eagerly=how is True, jit_compile=how is not True)
    rng = np.random.default_rng(0)
    for _ in range(_STEPS):
        x = rng.standard_normal((batch, *network.shape), dtype="float32")
        model.train_on_batch(x, rng.integers(0, network.classes, batch))
    predictions = [model.predict_on_batch(x) for _ in range(_STEPS)][-1]
    return [a.view(np.uint32) for a in (*model.get_weights(), predictions)], _graphs(model)


def _graphs(model: Any) -> dict[str, Any]:
    """The graph of every recorded step of a model, by the step's name."""
    functions = getattr(model._stepper, "_functions", {})
    return {
        name: recording.program.graph
        for name, function in functions.items()
        for recording in getattr(function, "_recordings", {}).values()
        if recording.program is not None and recording.program.graph is not None
    }
