"""Compiling every kernel for this GPU: the time that each family takes, and those that do not compile."""

from __future__ import annotations

import itertools
import time
from typing import Any

from benchmarks.gpu.target import Gpu
from gpunet.backend.cuda.launcher import all_specialisations
from gpunet.backend.cuda.runtime import runtime_for
from gpunet.backend.devices import gpu_backend

_STANDIN_SETS = 2  # the tests build all for the CPU


def run(gpu: Gpu, findings: Any) -> None:
    """A row per family; a second run finds all in the cache on disk."""
    runtime = runtime_for(gpu_backend().array_type)
    found = all_specialisations() if gpu.real else all_specialisations()[:_STANDIN_SETS]
    total = 0.0
    for file, family in itertools.groupby(found, key=lambda s: s.file):
        start, sets = time.perf_counter(), list(family)
        for specialisation in sets:
            findings.attempt(specialisation.name, lambda s=specialisation: runtime.compile(s))
        seconds = time.perf_counter() - start
        total += seconds
        findings.add(family=file, **{"sets of kernels": len(sets), "s": seconds})
    findings.add(family="all", **{"sets of kernels": len(found), "s": total})
