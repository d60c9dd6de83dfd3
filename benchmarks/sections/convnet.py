"""Single convolutions, forward and backward apart: the five of convnet-benchmarks and those of real networks."""

from __future__ import annotations

from benchmarks.gpu.shapes import ALEXNET, CIFAR_RESNET, CONVNET_BENCHMARKS, LENET, RESNET50, VGG_A, Conv
from benchmarks.peers import TORCH_EAGER
from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, record

_QUICK_BATCH = 8


def run(budget: Budget, findings: Findings) -> None:
    """With a small budget the five configurations at batch 8; else at their own, and the networks' at 16."""
    keys = findings.ready(
        ["gpunet-eager", "gpunet-numpy-eager", *(TORCH_EAGER if budget.full else TORCH_EAGER[1:]), "jax"]
    )
    for shape in _shapes(budget.full):
        for part in ("forward", "backward"):
            case = _case(shape, part)
            record(case, keys, budget, findings)


def _shapes(full: bool) -> list[Conv]:
    if not full:
        return [shape._replace(batch=_QUICK_BATCH) for shape in CONVNET_BENCHMARKS]
    large = [shape._replace(batch=16) for shape in (*RESNET50, *ALEXNET, *VGG_A)]
    return [*CONVNET_BENCHMARKS, *LENET, *CIFAR_RESNET, *large]


def _case(shape: Conv, part: str) -> Case:
    flops = shape.flops * (2 if part == "backward" else 1)
    arguments = {"shape": shape._asdict(), "part": part}
    return Case(f"{shape.name}, batch {shape.batch}, {part}", "convolution", arguments, {"group": part, "flops": flops})
