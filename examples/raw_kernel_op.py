"""An op with a gradient from CUDA kernels of your own: `python -m examples.raw_kernel_op`.

Soft thresholding, y = sign(x)·max(|x| − t, 0), is the step that makes solutions sparse in compressed sensing. A network
of such steps between matrix products learns to find the sparse causes of measurements (K. Gregor and Y. LeCun,
"Learning fast approximations of sparse coding", ICML 2010). Here the step and its derivative are CUDA C++, launched by
`cupy.RawKernel`, and `gpunet.custom_op` joins them to an op. Without a GPU the same kernels run on the emulated one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import gpunet
from gpunet import layers, ops
from gpunet.testing import RawKernel, emulated_gpu

CODE = r"""
extern "C" __global__ void soft_threshold(const float* x, float* y, float t, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = copysignf(fmaxf(fabsf(x[i]) - t, 0.0f), x[i]);
}

extern "C" __global__ void soft_threshold_grad(const float* g, const float* x, float* out, float t, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = fabsf(x[i]) > t ? g[i] : 0.0f;
}
"""
THREADS = 256


def make_op(raw_kernel: Callable = RawKernel) -> Callable:
    """The op `soft_threshold(x, threshold=…)`; `raw_kernel` is `cupy.RawKernel` or its stand-in."""
    forward_kernel, gradient_kernel = (raw_kernel(CODE, name) for name in ("soft_threshold", "soft_threshold_grad"))

    def launch(kernel, arrays, threshold):
        out = ops.zeros_like(arrays[0])  # for plain arrays a plain array: CuPy's on a GPU
        grid = (-(-out.size // THREADS),)
        kernel(grid, (THREADS,), (*arrays, out, np.float32(threshold), np.int32(out.size)))
        return out

    def forward(x, threshold):
        return launch(forward_kernel, [x], threshold)

    def gradient(g, x, threshold):
        return launch(gradient_kernel, [g, x], threshold)

    def gradient_of_gradient(h, g, x, threshold):
        return backward(h, x, threshold=threshold), None  # linear in g, and constant in x but at the kinks

    # The gradient is an op as well, so that derivatives of any order work; one order needs only backward=gradient.
    backward = gpunet.custom_op(gradient, backward=gradient_of_gradient, name="soft_threshold_grad")
    return gpunet.custom_op(forward, backward=backward, name="soft_threshold")


def sparse_coder(soft_threshold: Callable, measurements: int, causes: int, steps: int) -> gpunet.Model:
    """Measurements (measurements,) → sparse causes (causes,), by `steps` thresholded steps with learned matrices."""
    inputs = layers.Input((measurements,))
    first = layers.Dense(causes, use_bias=False)(inputs)
    x = soft_threshold(first, threshold=0.1)
    for _ in range(steps - 1):
        x = soft_threshold(first + layers.Dense(causes, use_bias=False)(x), threshold=0.1)
    return gpunet.Model(inputs, x, name="sparse_coder")


def sparse_problem(count: int, measurements: int, causes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Causes of which about one in eight is not 0, and what a random matrix makes of them."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((causes, measurements)) / np.sqrt(measurements)
    values = rng.standard_normal((count, causes)) * (rng.random((count, causes)) < 1 / 8)
    return (values @ matrix).astype(np.float32), values.astype(np.float32)


def train(raw_kernel: Callable, options: argparse.Namespace) -> tuple[float, float]:
    """Train the coder; the mean squared error of the causes at first and in the end."""
    gpunet.set_random_seed(options.seed)
    x, y = sparse_problem(options.samples, measurements=16, causes=24, seed=options.seed)
    model = sparse_coder(make_op(raw_kernel), 16, 24, steps=3)
    model.compile(gpunet.optimizers.Adam(0.01), "mse")
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, batch_size=64, epochs=options.epochs, verbose=0)
    return before, model.evaluate(x, y, verbose=0)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.raw_kernel_op", description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=30, help="passes over the samples (default: 30)")
    parser.add_argument("--samples", type=int, default=512, help="samples to train on (default: 512)")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and weights (default: 0)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train on the GPU, or on the emulated one, and print the errors."""
    options = parse(arguments)
    if any(device.kind == "gpu" for device in gpunet.devices()):
        import cupy

        place, errors = "the GPU", train(cupy.RawKernel, options)
    else:
        with emulated_gpu(check_races=False):
            place, errors = "the emulated GPU", train(RawKernel, options)
    print("mean squared error of the causes on {}: {:.4f}, trained {:.4f}".format(place, *errors))


if __name__ == "__main__":
    main()
