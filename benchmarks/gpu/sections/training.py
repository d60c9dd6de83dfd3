"""Whole training steps, forward, backward and Adam, against PyTorch eager on the same GPU."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.target import Gpu, models, torch_on_gpu
from benchmarks.models import training_step


def run(gpu: Gpu, findings: Any) -> None:
    """A row per network."""
    torch = torch_on_gpu(gpu)
    for name, (build, shape) in models(gpu).items():
        shape = shape if gpu.real else (2, *shape[1:])
        seconds = findings.attempt(name, lambda step=(build, shape): gpu.wall_seconds(training_step(*step)))
        if seconds is None:
            continue
        row = {"network": name, "batch": shape[0], "gpunet, ms": seconds * 1e3}
        if torch is not None:
            theirs = findings.attempt(f"{name} in torch", lambda name=name: _torch_seconds(gpu, torch, name))
            row |= {} if theirs is None else {"torch eager, ms": theirs * 1e3, "ratio": seconds / theirs}
        findings.add(**row)


def _torch_seconds(gpu: Gpu, torch: Any, name: str) -> float:
    from benchmarks import torch_models  # imports torch, which need not be there

    step = torch_models.training_step(*torch_models.MODELS[name], device="cuda")

    def finished() -> None:
        step()
        torch.cuda.synchronize()

    return gpu.wall_seconds(finished)
