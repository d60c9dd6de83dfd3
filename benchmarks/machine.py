"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import gpunet

_LIBRARIES = ("numpy", "torch", "jax", "jaxlib", "keras", "tinygrad", "numba", "onednn-cpu-gomp", "pytest-benchmark")

# Settings that make a library work as on another processor, which some shells and containers come with.
_OTHER_PROCESSORS = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "NPY_DISABLE_CPU_FEATURES",
)


def environment() -> dict[str, str]:
    """The environment for processes that are measured: this one's, without settings for other processors."""
    return {name: value for name, value in os.environ.items() if name not in _OTHER_PROCESSORS}


def left_out() -> str:
    """The settings that `environment` leaves out here."""
    return " ".join(f"{name}={os.environ[name]}" for name in _OTHER_PROCESSORS if name in os.environ)


def cpu_model() -> str:
    """The processor's name as the system gives it, with its family where several kinds share the name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name") or platform.processor() or platform.machine()
    family, model = facts.get("cpu family"), facts.get("model")
    return name if any(c.isdigit() for c in name) or not family else f"{name} family {family} model {model}"


def describe() -> dict[str, Any]:
    """Processor, cores, memory, load, system, Python and the versions of the libraries that are measured."""
    facts: dict[str, Any] = {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0))}
    facts["memory_GiB"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    facts["load_before"] = round(os.getloadavg()[0], 2)
    facts["system"] = f"{platform.system()} {platform.machine()}"
    facts["python"] = platform.python_version()
    if left_out():
        facts["left_out_of_environment"] = left_out()
    return facts | {"versions": versions()}


def versions() -> dict[str, str]:
    """Of what is installed; gpunet's is that of the tree that runs."""
    found = {"gpunet": gpunet.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def line() -> str:
    """The processor and versions in one line."""
    facts = describe()
    return f"{facts['cpu']}, {facts['cores']} cores, " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
