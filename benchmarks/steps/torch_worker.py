"""`python -m benchmarks.steps.torch_worker CASE`: seconds per eager training step of PyTorch on the CPU."""

from __future__ import annotations

import os
import sys

import torch

from benchmarks.steps.timing import report
from benchmarks.torch_models import MODELS, training_step


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    report(training_step(*MODELS[sys.argv[1]]))


if __name__ == "__main__":
    main()
