"""Training twice from one seed: weights equal in bits."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpunet
from benchmarks.gpu.target import Gpu, models


def run(gpu: Gpu, findings: Any) -> None:
    """Each network, trained twice."""
    for name, (build, shape) in models(gpu).items():
        batch = min(shape[0], 64) if gpu.real else 2
        pair = findings.attempt(
            name, lambda build=build, shape=(batch, *shape[1:]): [_trained(build, shape) for _ in "ab"]
        )
        if pair is None:
            continue
        differing = sum(not np.array_equal(a.view(np.uint32), b.view(np.uint32)) for a, b in zip(*pair))
        findings.add(network=name, batch=batch, **{"weights": len(pair[0]), "weights that differ": differing})
        findings.check(differing == 0, f"{name}: {differing} weights differ between two runs")


def _trained(build: Any, shape: tuple[int, ...], steps: int = 3) -> list[np.ndarray]:
    gpunet.set_random_seed(3)
    model = build()
    model.compile("adam", gpunet.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    for _ in range(steps):
        x = rng.standard_normal(shape, dtype="float32")
        model.train_on_batch(x, rng.integers(0, 10, shape[0]))
    return model.get_weights()
