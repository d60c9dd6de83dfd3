"""The only module that imports CuPy. Everything else asks here, and gets CuPy or the reason why not."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

_INSTALL = "install it with pip install 'gpunet[cuda12x]' or 'gpunet[cuda13x]', to match your driver"


class Probe(NamedTuple):
    """What was found: the `cupy` module or None, the number of GPUs, and the reason where there is none."""

    cupy: Any
    gpus: int
    reason: str


@functools.cache
def probe() -> Probe:
    """Import CuPy and count the GPUs, once per process."""
    try:
        import cupy
    except ImportError as error:
        return Probe(None, 0, f"CuPy cannot be imported ({error}): {_INSTALL}.")
    try:
        gpus = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        reason = f"CuPy {cupy.__version__} found no usable NVIDIA driver ({error}): install or update the driver."
        return Probe(cupy, 0, reason)
    if gpus == 0:
        return Probe(cupy, 0, "the NVIDIA driver reports no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES.")
    return Probe(cupy, gpus, "")
