"""The GPU's random numbers against NumPy's: bits, floats and masks are equal."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpunet
from benchmarks.gpu.target import Gpu

_DRAWS = {
    "uniform": lambda shape: gpunet.random.uniform(shape, seed=7),
    "normal": lambda shape: gpunet.random.normal(shape, seed=7),
    "truncated normal": lambda shape: gpunet.random.truncated_normal(shape, seed=7),
    "randint": lambda shape: gpunet.random.randint(shape, 0, 1000, seed=7),
    "dropout": lambda shape: gpunet.random.dropout(gpunet.ops.ones(shape), 0.3, seed=7),
    "shuffle": lambda shape: gpunet.random.shuffle(gpunet.ops.arange(shape[0]), seed=7),
}
_SHAPES = [(1,), (7,), (1000,), (33, 65), (128, 1024)]


def run(gpu: Gpu, findings: Any) -> None:
    """Every draw at every shape, on both devices."""
    for name, draw in _DRAWS.items():
        for shape in _SHAPES:
            pair = findings.attempt(
                f"{name} {shape}", lambda draw=draw, shape=shape: (_on_cpu(draw, shape), draw(shape))
            )
            if pair is None:
                continue
            expected, found = map(gpu.host, pair)
            differing = int(np.count_nonzero(expected.view(np.uint8) != found.view(np.uint8)))
            findings.add(draw=name, shape=shape, dtype=str(found.dtype), **{"differing bytes": differing})
            findings.check(differing == 0, f"{name} {shape}: {differing} bytes differ from NumPy's")


def _on_cpu(draw: Any, shape: tuple[int, ...]) -> Any:
    with gpunet.device("cpu"):
        return draw(shape)
