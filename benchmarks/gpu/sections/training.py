"""Whole training steps, forward, backward and Adam, eager and recorded, against PyTorch eager and in a CUDA graph."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.target import Gpu, networks, torch_on_gpu
from benchmarks.networks import Network
from benchmarks.peers import gpunet_peer
from benchmarks.peers.task import Mode, samples


def run(gpu: Gpu, findings: Any) -> None:
    """A row per network."""
    for network, batch in networks(gpu).values():
        row: dict[str, Any] = {"network": network.name, "batch": batch}
        for how in ("eager", "recorded"):
            _time(gpu, findings, row, f"gpunet {how}", gpunet_peer, network, how)
        if torch_on_gpu(gpu) is not None:
            from benchmarks.peers import torch_peer  # imports torch, which need not be there

            torch_peer.set_up(Mode("eager", "gpu"))
            for how in ("eager", "graph"):
                _time(gpu, findings, row, f"torch {how}", torch_peer, network, how)
                ours, theirs = row.get("gpunet recorded, ms"), row.get(f"torch {how}, ms")
                row |= {f"ratio to torch {how}": ours / theirs} if ours and theirs else {}
        findings.add(**row)


def _time(gpu: Gpu, findings: Any, row: dict[str, Any], name: str, peer: Any, network: Network, how: str) -> None:
    """Add the milliseconds of a step to the row, or a failure to the findings."""

    def seconds() -> float:
        batch = row["batch"]
        work = peer.training(network, *samples(network, batch), batch, Mode(how, "gpu"))
        for _ in range(4):  # a recorded step is seen, traced twice, and then replayed
            work.run()
        return gpu.wall_seconds(work.run)

    found = findings.attempt(f"{network.name}, {name}", seconds)
    gpu.release()
    row |= {} if found is None else {f"{name}, ms": found * 1e3}
