"""Compiling every kernel for this GPU as `gpunet warmup` does: the time it takes, and those that do not compile."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import gpunet
from benchmarks.gpu.target import Gpu
from gpunet.backend.cuda.launcher import all_specialisations
from gpunet.backend.warmup import compiled

_STANDIN_SETS = 2  # the tests build all for the CPU


def run(gpu: Gpu, findings: Any) -> None:
    """A row per family, with the time of its compilations; a second run finds all in the cache on disk."""
    sets = all_specialisations() if gpu.real else all_specialisations()[:_STANDIN_SETS]
    seconds, counts, start = Counter[str](), Counter[str](), time.perf_counter()
    for specialisation, took, error in compiled(gpunet.device("gpu:0"), sets):
        counts[specialisation.file] += 1
        seconds[specialisation.file] += took
        findings.check(error is None, f"{specialisation.name}: {type(error).__name__}: {error}"[:500])
    for file, count in sorted(counts.items()):
        findings.add(family=file, **{"sets of kernels": count, "s": seconds[file]})
    findings.add(family="all, on all cores at once", **{"sets of kernels": len(sets), "s": time.perf_counter() - start})
