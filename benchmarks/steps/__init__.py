"""Eager training steps, forward, backward and Adam, of gpunet and PyTorch on the CPU."""

from __future__ import annotations

import importlib.util

from benchmarks import machine
from benchmarks.interleave import compare

CASES = {
    "mlp": "MLP 784-128-10, batch 50",
    "lenet5": "LeNet-5, batch 128",
    "resnet20": "ResNet-20 (CIFAR-10), batch 64",
}
PROVIDERS = {"numpy": "NumPy only", "onednn,numba,numpy": "`gpunet[cpu]`"}
_WORKERS = "benchmarks.steps.gpunet_worker", "benchmarks.steps.torch_worker"


def main() -> None:
    """Print a table of times and ratios."""
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed: nothing to compare with (pip install torch).")
        return
    print(f"{machine.line()}\n")
    print("| training step | gpunet, ms | PyTorch, ms | ratio | range |\n|---|---|---|---|---|")
    for case, name in CASES.items():
        for providers, words in PROVIDERS.items():
            compared = compare(*_WORKERS, case, GPUNET_CPU_PROVIDERS=providers)
            print(compared.row(f"{name}, {words}"), flush=True)
