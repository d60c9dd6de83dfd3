"""Whole training steps, forward, backward and Adam, eager and recorded, against PyTorch eager and in a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.gpu.target import Gpu, torch_on_gpu
from benchmarks.networks import NETWORKS, SMALL, Network, resnet
from benchmarks.peers import gpunet_peer
from benchmarks.peers.task import Mode, samples

_BATCHES = {"resnet50": 32}  # where a GPU takes more than the CPU's benchmarks do


def run(gpu: Gpu, findings: Any) -> None:
    """A row per network; on the stand-in small ones, two samples at a time."""
    names = [*SMALL, "resnet50"] if gpu.real else ["mlp", "lenet5"]
    for name in names:
        network = NETWORKS[name]
        findings.attempt(name, lambda name=name, network=network: _row(gpu, findings, name, network))
    if not gpu.real:
        findings.attempt("resnet", lambda: _row(gpu, findings, "resnet8", resnet(8, width=4, side=8)))


def _row(gpu: Gpu, findings: Any, name: str, network: Network) -> None:
    batch = _BATCHES.get(name, network.batch) if gpu.real else 2
    row: dict[str, Any] = {"network": network.name, "batch": batch}
    for how in ("eager", "recorded"):
        row[f"gpunet {how}, ms"] = _milliseconds(gpu, gpunet_peer, network, batch, how)
    if torch_on_gpu() is not None:
        from benchmarks.peers import torch_peer

        torch_peer.set_up(Mode("eager", "gpu"))
        for how in ("eager", "graph"):
            row[f"torch {how}, ms"] = _milliseconds(gpu, torch_peer, network, batch, how)
            row[f"ratio to torch {how}"] = row["gpunet recorded, ms"] / row[f"torch {how}, ms"]
    findings.add(**row)


def _milliseconds(gpu: Gpu, peer: Any, network: Network, batch: int, how: str) -> float:
    x, y = samples(network, batch)
    work = peer.training(network, x, y, batch, Mode(how, "gpu" if gpu.real else "cpu"))
    for _ in range(4):  # a recorded step is seen, traced twice, and then replayed
        work.run()
    timed: Callable[[], Any] = work.run
    return gpu.wall_seconds(timed) * 1e3
