"""Tools for testing code built on gpunet: gradient checks and a stand-in GPU. Nothing shipped imports it."""

from gpunet.testing.emulated import DeviceArray, emulated_gpu
from gpunet.testing.gradients import check_gradients
from gpunet.testing.raw_kernel import RawKernel

__all__ = ["DeviceArray", "RawKernel", "check_gradients", "emulated_gpu"]
