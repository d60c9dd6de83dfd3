"""The only module that imports CuPy. Everything else asks here, and gets CuPy or the reason why not."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

_OLDEST = 14
_INSTALL = "install it with pip install 'gpunet[cuda12x]' or 'gpunet[cuda13x]', to match your driver"


class Probe(NamedTuple):
    """What was found: the `cupy` module or None, the number of GPUs, and the reason where there is none."""

    cupy: Any
    gpus: int
    reason: str


@functools.cache
def probe() -> Probe:
    """Import CuPy and count the GPUs that it can be used with, once per process."""
    try:
        import cupy
    except ImportError as error:
        return Probe(None, 0, f"CuPy cannot be imported ({error}): {_INSTALL}.")
    except Exception as error:  # built for another NumPy, say
        return Probe(None, 0, _broken(error))
    try:
        return _probed(cupy)
    except AttributeError as error:  # what is left of an uninstalled one, say
        return Probe(None, 0, _broken(error))


def _broken(error: Exception) -> str:
    return f"CuPy is installed but broken ({type(error).__name__}: {error}): {_INSTALL}."


def _probed(cupy: Any) -> Probe:
    name, runtime = f"CuPy {cupy.__version__}", cupy.cuda.runtime
    if int(cupy.__version__.partition(".")[0]) < _OLDEST:
        return Probe(None, 0, f"{name} is too old, gpunet needs {_OLDEST} or newer: {_INSTALL}.")
    if runtime.is_hip:
        return Probe(None, 0, f"{name} is for AMD GPUs, and gpunet's kernels are for NVIDIA's.")
    try:
        gpus = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return Probe(cupy, 0, f"{name} found no usable NVIDIA driver ({error}): install or update the driver.")
    if gpus == 0:
        return Probe(cupy, 0, "the NVIDIA driver reports no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES.")
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:  # of the loader's own kinds
        return Probe(cupy, 0, f"{name} cannot load NVRTC, which compiles the kernels ({error}): {_INSTALL}.")
    return Probe(cupy, gpus, "")
