"""Settings of the whole process that make NumPy faster. Importing gpunet changes none: they are made when asked for."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

from gpunet.backend.cpu import blas

_AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"}
_CORES_WITH_AVX512 = {"skylakex", "cooperlake", "sapphirerapids"}  # of OpenBLAS

# glibc's numbers for `mallopt`, and values that keep it from giving memory back after every large array.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MALLOC = ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 1 << 26))


def tune_process() -> list[str]:
    """Make NumPy faster in this process, for everything that runs in it, and say what cannot be changed any more.

    With glibc, memory of arrays below 1 GiB stays with the process for the next ones, which spares code that makes
    large temporaries, such as a generator of batches, a page fault for every 4 KiB. gpunet's own steps keep their
    memory anyway. Settings of malloc in the environment are left alone.

    Returns:
        Advice on what a fresh process would need, which is logged too; an empty list where there is none.
    """
    _keep_memory()
    advice = blas_advice()
    for line in advice:
        import logging  # its import takes as long as all of this package's, and is seldom needed

        logging.getLogger("gpunet").warning(line)
    return advice


def _keep_memory() -> bool:
    """Let glibc keep memory; False where it is another library, or the user has settings of malloc."""
    theirs = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if theirs or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(name, value) for name, value in _MALLOC]
    return all(taken)


def blas_advice() -> list[str]:
    """How to let OpenBLAS use AVX-512, where the processor has all of it and the kernels in use do without.

    OpenBLAS chooses its kernels when NumPy loads it: by `OPENBLAS_CORETYPE`, or by the processors that it knows.
    """
    core, named = blas.core(), os.environ.get("OPENBLAS_CORETYPE")
    if core is None or core.lower() in _CORES_WITH_AVX512 or not _processor_flags() >= _AVX512:
        return []
    if named:
        return [f"OPENBLAS_CORETYPE={named} keeps NumPy from AVX-512: start without it"]
    return [f"NumPy multiplies by kernels for {core}, without AVX-512: try to start with OPENBLAS_CORETYPE=SkylakeX"]


def _processor_flags() -> set[str]:
    """Instruction sets that the system says all processors have; none where it does not say."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    flags = [set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")]
    return set.intersection(*flags) if flags else set()
