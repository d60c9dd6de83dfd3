"""The stand-in for `cupy.RawKernel`, and the example that makes an op of two kernels."""

import numpy as np
import pytest

import gpunet
from examples import raw_kernel_op
from gpunet import ops
from gpunet.backend.devices import as_array
from gpunet.testing import RawKernel
from gpunet.testing.emulation import EmulationError

CODE = r"""
#define TWICE(x) (2 * (x))
__device__ float plus(float a, float b) { return a + b; }

extern "C" __global__ void __launch_bounds__(64)
reversed_sums(const float* __restrict__ x, float *y, unsigned int n, double factor) {  // y[i] = x[i] + x[n − 1 − i]
    __shared__ float tile[64];
    const unsigned int i = threadIdx.x;
    if (i < n) tile[i] = x[i];
    __syncthreads();
    if (i < n) y[i] = factor * plus(tile[i], tile[n - 1 - i]);
}

extern "C" __global__ void twice(float const* x, float* y) { y[threadIdx.x] = TWICE(*(x + threadIdx.x)); }
"""


def test_runs_plain_cuda(gpu):
    x = as_array(np.arange(5, dtype=np.float32) ** 2, target=gpu)
    y = ops.zeros_like(x)
    RawKernel(CODE, "reversed_sums")((1,), (64,), (x, y, np.uint32(5), 0.5))
    assert y.get().tolist() == [8, 5, 4, 5, 8]
    RawKernel(CODE, "twice")((1,), (5,), (x, y))
    assert y.get().tolist() == [0, 2, 8, 18, 32]
    assert gpu.launches["reversed_sums"] == gpu.launches["twice"] == 1


def test_reports_what_a_gpu_would_not(gpu):
    x = as_array(np.zeros(5, np.float32), target=gpu)
    twice, sums = RawKernel(CODE, "twice"), RawKernel(CODE, "reversed_sums")
    with pytest.raises(EmulationError, match=r"twice, .*thread \(5, 0, 0\): out of bounds"):
        twice((1,), (6,), (x, ops.zeros_like(x)))
    with pytest.raises(TypeError, match=r"n must be passed as np.uint32. Received: int64"):
        sums((1,), (64,), (x, x, 5, 0.5))
    with pytest.raises(TypeError, match=r"y must be an array of float32. Received: float64"):
        twice((1,), (5,), (x, as_array(np.zeros(5), target=gpu)))
    with pytest.raises(ValueError, match=r"at most 64 threads"):
        sums((1,), (128,), (x, x, np.uint32(5), 0.5))
    with pytest.raises(ValueError, match=r"one of \['reversed_sums', 'twice'\].*Received: name='thrice'"):
        RawKernel(CODE, "thrice")


def test_the_example_is_an_op_of_any_order(gpu):
    soft_threshold = raw_kernel_op.make_op()
    values = np.array([-2.0, -0.25, 0.0, 0.125, 3.0], np.float32)
    x = as_array(values, target=gpu)
    y = soft_threshold(x, threshold=0.5)
    assert type(y) is type(x)
    assert y.get().tolist() == [-1.5, 0, 0, 0, 2.5]
    assert gpu.launches["soft_threshold"] == 1
    gradient = gpunet.grad(lambda x: ops.sum(soft_threshold(x, threshold=0.5) * x))
    assert gradient(gpunet.Tensor(x)).numpy().tolist() == [-3.5, 0, 0, 0, 5.5]
    second = gpunet.grad(lambda x: ops.sum(gradient(x)))
    assert second(gpunet.Tensor(x)).numpy().tolist() == [2, 0, 0, 0, 2]


def test_the_example_trains(gpu):
    options = raw_kernel_op.parse(["--epochs", "2", "--samples", "128"])
    before, after = raw_kernel_op.train(RawKernel, options)
    assert after < 0.7 * before
    assert gpu.launches["soft_threshold_grad"] == 3 * 2 * 2  # steps, epochs, batches
