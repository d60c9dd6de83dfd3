"""Training twice from one seed: weights equal in bits."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpunet
from benchmarks.gpu.target import Gpu, networks
from benchmarks.networks import Network
from benchmarks.peers import gpunet_peer


def run(gpu: Gpu, findings: Any) -> None:
    """Each network, trained twice."""
    for name, (network, batch) in networks(gpu).items():
        batch = min(batch, 64)
        pair = findings.attempt(name, lambda n=network, batch=batch: [_trained(n, batch) for _ in "ab"])
        if pair is None:
            continue
        differing = sum(not np.array_equal(a.view(np.uint32), b.view(np.uint32)) for a, b in zip(*pair))
        findings.add(network=name, batch=batch, **{"weights": len(pair[0]), "weights that differ": differing})
        findings.check(differing == 0, f"{name}: {differing} weights differ between two runs")


def _trained(network: Network, batch: int, steps: int = 3) -> list[np.ndarray]:
    gpunet.set_random_seed(3)
    model = gpunet_peer.build(network)
    model.compile("adam", gpunet.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    for _ in range(steps):
        x = rng.standard_normal((batch, *network.shape), dtype="float32")
        model.train_on_batch(x, rng.integers(0, network.classes, batch))
    return model.get_weights()
