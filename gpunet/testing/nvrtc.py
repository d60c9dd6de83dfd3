"""Compiling kernels for NVIDIA GPUs on machines without one, through the wheels nvidia-cuda-nvrtc and cuda-bindings."""

from __future__ import annotations

import re
from typing import NamedTuple

from gpunet.backend.cuda.launcher import Specialisation

_PROPERTIES = re.compile(
    r"Function properties for (\w+)\s*\n"
    r"[^\n]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r"(?:[^\n]*\n)[^\n]*?Used (\d+) registers"
)

# What CuPy compiles with: the second and the third are its own.
_AS_CUPY = (b"-std=c++17", b"-ftz=true", b"--device-as-default-execution-space")


class Usage(NamedTuple):
    """What a compiled kernel needs of a thread: bytes of stack and of spills, and registers."""

    stack: int
    spills: int
    registers: int


def why_not() -> str:
    """Why nothing can be compiled here; "" if it can."""
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        return f"NVRTC is missing ({error}): pip install nvidia-cuda-nvrtc cuda-bindings"
    try:
        nvrtc.nvrtcVersion()
    except RuntimeError as error:
        return f"NVRTC cannot be loaded: {error}"
    return ""


def compile_for(specialisation: Specialisation, architecture: str) -> dict[str, Usage]:
    """Compile to machine code, e.g. for "sm_80"; what the compiler says of each kernel.

    Raises:
        RuntimeError: if it reports errors, with its log.
    """
    from cuda.bindings import nvrtc

    def checked(result: tuple):
        if result[0] != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"{specialisation.name} for {architecture}: {result[0]}\n{_log(nvrtc, program)}")
        return result[1] if len(result) > 1 else None

    source, file = specialisation.text().encode(), specialisation.file.encode()
    program = nvrtc.nvrtcCreateProgram(source, file, 0, [], [])[1]
    options = [f"-arch={architecture}".encode(), *_AS_CUPY, b"--ptxas-options=-v"]
    checked(nvrtc.nvrtcCompileProgram(program, len(options), options))
    log = _log(nvrtc, program)
    nvrtc.nvrtcDestroyProgram(program)
    return {
        name: Usage(int(stack), int(stores) + int(loads), int(registers))
        for name, stack, stores, loads, registers in _PROPERTIES.findall(log)
    }


def _log(nvrtc, program) -> str:
    log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
    nvrtc.nvrtcGetProgramLog(program, log)
    return log.decode(errors="replace")
