"""CUDA kernels on the CPU: one fiber for each CUDA thread, with checks that a GPU does not make."""

from gpunet.testing.emulation.build import why_not
from gpunet.testing.emulation.runtime import SCHEDULES, EmulatedRuntime, EmulationError

__all__ = ["SCHEDULES", "EmulatedRuntime", "EmulationError", "why_not"]
