"""`python -m benchmarks.steps.gpunet_worker CASE`: seconds per eager training step of gpunet on the CPU."""

from __future__ import annotations

import sys

import gpunet
from benchmarks.models import MODELS, training_step
from benchmarks.steps.timing import report


def main() -> None:
    gpunet.set_default_device("cpu")
    report(training_step(*MODELS[sys.argv[1]]))


if __name__ == "__main__":
    main()
