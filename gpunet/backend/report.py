"""What was found on this machine, in words."""

from __future__ import annotations

import os
import platform
from collections import Counter

import numpy as np

from gpunet.backend import cupy_gate
from gpunet.backend.cpu import blas
from gpunet.backend.cuda import load
from gpunet.backend.devices import Device, backend_for, default_device, devices
from gpunet.backend.numba_cpu import compiled
from gpunet.backend.onednn import library
from gpunet.backend.primitive import PRIMITIVES
from gpunet.backend.process import blas_advice


def describe(device: Device) -> str:
    """A device with its hardware's name, e.g. `cpu (x86_64, 8 cores)`."""
    if device.kind == "cpu":
        return f"cpu ({platform.machine()}, {len(os.sched_getaffinity(0))} cores)"
    cupy = cupy_gate.probe().cupy
    if cupy is None:
        return device.name
    name = cupy.cuda.runtime.getDeviceProperties(device.index)["name"].decode()
    return f"{device.name} ({name})"


def provider_shares(device: Device) -> Counter[str]:
    """How many primitives each provider serves on a device."""
    backend = backend_for(device)
    found = (backend.provider_of(primitive) for primitive in PRIMITIVES.values())
    return Counter(name for name in found if name is not None)


def kernel_share() -> tuple[int, list[str]]:
    """How many primitives have a kernel of our own, all of which run emulated, and the names of those that have none.

    Views move nothing, and are not counted.
    """
    cuda = load()
    computing = [primitive for primitive in PRIMITIVES.values() if not primitive.is_view]
    missing = sorted(p.name for p in computing if p.name not in cuda.implementations)
    return len(computing) - len(missing), missing


def cpu_extras() -> str:
    """Which oneDNN was found, or why none, and whether Numba is there."""
    found = library.find()
    onednn = f"oneDNN {found.version} ({found.path})" if found else f"no oneDNN: {library.absence()}"
    return f"{onednn}; {'Numba' if compiled.is_installed() else 'no Numba (pip install numba)'}"


def blas_kernels() -> list[str]:
    """For which processor NumPy's OpenBLAS multiplies, and what would be better."""
    core = blas.core()
    return [] if core is None else [f"NumPy's OpenBLAS: kernels for {core}", *blas_advice()]


def print_devices() -> None:
    """Print the devices, their providers and, without a GPU, the reason."""
    default = default_device()
    for device in devices():
        shares = ", ".join(f"{name} ({count})" for name, count in provider_shares(device).items())
        print(f"{'*' if device == default else ' '} {describe(device)}")
        print(f"    providers, with the primitives they serve: {shares}")
        if device.kind == "cpu":
            print("\n".join(f"    {line}" for line in (cpu_extras(), *blas_kernels())))
    probe = cupy_gate.probe()
    if not probe.gpus:
        print(f"  no GPU: {probe.reason}")
        served, missing = kernel_share()
        print(f"    kernels for one, tested by emulation: {served} of {served + len(missing)} primitives")
    version = "not installed" if probe.cupy is None else probe.cupy.__version__
    print(f"NumPy {np.__version__}, CuPy {version}. * marks the default device.")
