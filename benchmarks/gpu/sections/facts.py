"""The device, the driver and the versions of what takes part."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

import gpunet
from benchmarks import machine
from benchmarks.gpu.target import Gpu, torch_on_gpu, why_no_torch


def run(gpu: Gpu, findings: Any) -> None:
    """A row per fact."""
    facts: dict[str, Any] = {"device": gpu.name, "gpunet": gpunet.__version__, "numpy": np.__version__}
    if gpu.real:
        facts |= _cuda_facts(gpu.xp)
    torch = torch_on_gpu(gpu)
    facts["torch"] = f"{torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if torch else why_no_torch(gpu)
    facts |= {"python": platform.python_version(), "cpu": machine.cpu_model()}
    for name, value in facts.items():
        findings.add(fact=name, value=value)


def _cuda_facts(cupy: Any) -> dict[str, Any]:
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    return {
        "compute capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": properties["multiProcessorCount"],
        "memory, GiB": round(properties["totalGlobalMem"] / 2**30, 1),
        "L2 cache, MiB": round(properties["l2CacheSize"] / 2**20, 1),
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "NVRTC": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "cupy": cupy.__version__,
    }
