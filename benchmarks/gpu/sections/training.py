"""Whole training steps, forward, backward and Adam, against PyTorch eager on the same GPU."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.target import Gpu, torch_on_gpu
from benchmarks.models import MODELS, training_step


def run(gpu: Gpu, findings: Any) -> None:
    """A row per network."""
    torch = torch_on_gpu()
    for name, (build, shape) in MODELS.items():
        shape = shape if gpu.real else (2, *shape[1:])
        ours = training_step(build, shape)
        seconds = findings.attempt(name, lambda ours=ours: gpu.wall_seconds(ours))
        if seconds is None:
            continue
        row = {"network": name, "batch": shape[0], "gpunet, ms": seconds * 1e3}
        if torch is not None:
            from benchmarks import torch_models

            theirs = torch_models.training_step(*torch_models.MODELS[name], device="cuda")

            def finished(theirs=theirs):
                theirs()
                torch.cuda.synchronize()

            row["torch eager, ms"] = gpu.wall_seconds(finished) * 1e3
            row["ratio"] = row["gpunet, ms"] / row["torch eager, ms"]
        findings.add(**row)
