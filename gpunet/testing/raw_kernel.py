"""`RawKernel`: stands in for `cupy.RawKernel` on the emulated GPU, so that code which uses one runs without a GPU."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from gpunet.backend.cuda import source
from gpunet.backend.cuda.launcher import Kernel, Specialisation

# CUDA's own words, in the macros of the emulation. Blocks run one after another, so shared memory may be static.
_WORDS = """
#define __global__
#define __device__ static
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
"""
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(([^)]*)\)\s*)?(\w+)\s*\(([^)]*)\)', re.DOTALL
)
_POINTER = re.compile(r"(const\s+)?([\w ]+?)\s*(const\s*)?\*\s*(?:const\b\s*)?(?:__restrict__\s*)?(\w+)")


class RawKernel:
    """A CUDA kernel of plain CUDA C++ for the arrays of `emulated_gpu`, called as a `cupy.RawKernel` is.

    It checks what a GPU does not: the dtypes of arrays, accesses out of bounds, divergent barriers.

    Args:
        code: CUDA C++ with kernels `extern "C" __global__ void name(const float* x, float* y, int n)`. Inside, array
            parameters are used as x[i], *x and x + i; a variable for such a pointer is declared `auto`.
        name: the kernel to call.
        options: the compiler's; not looked at.

    Raises:
        ValueError: if there is no such kernel, or its parameters are not pointers to numbers and numbers.
    """

    def __init__(self, code: str, name: str, options: tuple = ()):
        self.name = name
        self._kernel: Kernel = _Code(code)[name]

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple) -> None:
        """Run on all threads.

        Raises:
            TypeError, ValueError: if an argument does not fit its parameter. A Python int or float is passed as 64
                bits, as CuPy does: an `int` or `float` parameter takes `np.int32(n)` or `np.float32(x)`.
            EmulationError: if the kernel does something that is wrong on a GPU.
        """
        for argument, parameter in zip(args, self._kernel.signature.parameters):
            _check_number(self.name, argument, parameter)
        self._kernel(grid, *args, block=block)


def _check_number(kernel: str, argument: Any, parameter: source.Parameter) -> None:
    if parameter.is_array:
        return
    dtype = np.asarray(argument).dtype
    if dtype != parameter.dtype:
        raise TypeError(f"{kernel}: {parameter.name} must be passed as np.{parameter.dtype}. Received: {dtype}")


class _Code(Specialisation):
    """Plain CUDA C++ as the launcher wants it."""

    def __init__(self, code: str):
        super().__init__("raw kernel", {})
        self._text = _WORDS + _KERNEL.sub(_declared, code)

    def text(self) -> str:
        return self._text

    def kernels(self) -> dict[str, Kernel]:
        if not self._kernels:
            signatures = source.signatures_of(self._text, {})
            self._kernels = {name: Kernel(self, signature) for name, signature in signatures.items()}
        return self._kernels

    def __getitem__(self, name: str) -> Kernel:
        if name not in self.kernels():
            raise ValueError(
                f'RawKernel expected one of {sorted(self.kernels())}, the kernels `extern "C" __global__ void` of the '
                f"code. Received: name={name!r}"
            )
        return self.kernels()[name]


def _declared(match: re.Match) -> str:
    """A kernel's declaration with the emulation's pointers, which know their bounds."""
    parameters = [_POINTER.sub(_pointer, " ".join(part.split())) for part in match[3].split(",")]
    return f"\nKERNEL({match[1] or 1024}) {match[2]}({', '.join(parameters)})"


def _pointer(match: re.Match) -> str:
    return f"GLOBAL({'const ' if match[1] or match[3] else ''}{match[2]}) {match[4]}"
