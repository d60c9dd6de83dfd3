"""Deblurring a picture by convolution and its adjoint on plain arrays: `python -m examples.image_reconstruction`.

`gpunet.ops.conv` takes NumPy or CuPy arrays of any number of axes and needs neither tensors nor models. This is what
iterative reconstruction wants of it: the N-d convolutions "full" and "valid" of a picture with a filter, and their
adjoints in the picture and in the filter. Here they take a blur out of a picture: the minimum of
‖filter ∗ x − measured‖² + weight·‖x‖² by conjugate gradients (M. R. Hestenes and E. Stiefel, 1952), on NumPy and on the
GPU, or on the emulated one.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

import gpunet
from gpunet import ops
from gpunet.testing import emulated_gpu


def _correlate(x: Any, window: Any, padding: str) -> Any:
    """Σₘ x[n + m]·window[m] of two arrays with the same number of axes."""
    return ops.conv(x[None, ..., None], window[..., None, None], padding=padding)[0, ..., 0]


def convolve(x: Any, window: Any, mode: str) -> Any:
    """Σₘ x[n − m]·window[m], for all n where the two overlap ("full") or overlap wholly ("valid")."""
    return _correlate(x, ops.flip(window), mode)


def adjoint_in_picture(y: Any, window: Any, mode: str) -> Any:
    """Aᵀy of the linear map A: x → convolve(x, window, mode)."""
    return _correlate(y, window, "valid" if mode == "full" else "full")


def adjoint_in_filter(y: Any, x: Any, mode: str) -> Any:
    """Aᵀy of the linear map A: window → convolve(x, window, mode)."""
    return _correlate(y, x, "valid") if mode == "full" else ops.flip(_correlate(x, y, "valid"))


def inner(a: Any, b: Any) -> Any:
    """The inner product as an array of shape (), which stays on its device."""
    return ops.sum(a * b)


def deblur(measured: Any, window: Any, mode: str, weight: float, steps: int) -> Any:
    """The minimum of ‖window ∗ x − measured‖² + weight·‖x‖² over x, by conjugate gradients from 0."""
    residual = adjoint_in_picture(measured, window, mode)
    x, direction, square = ops.zeros_like(residual), residual, inner(residual, residual)
    for _ in range(steps):
        image = adjoint_in_picture(convolve(direction, window, mode), window, mode) + weight * direction
        length = square / inner(direction, image)
        x = x + length * direction
        residual = residual - length * image
        previous, square = square, inner(residual, residual)
        direction = residual + square / previous * direction
    return x


def phantom(size: int) -> np.ndarray:
    """The head of L. A. Shepp and B. F. Logan (1974), with A. Toft's contrast: ellipses in a square, float32."""
    ellipses = [
        # value, half axes, centre, angle in degrees
        (1.0, 0.69, 0.92, 0.0, 0.0, 0),
        (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0),
        (-0.2, 0.11, 0.31, 0.22, 0.0, -18),
        (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
        (0.1, 0.21, 0.25, 0.0, 0.35, 0),
        (0.1, 0.046, 0.046, 0.0, 0.1, 0),
        (0.1, 0.046, 0.046, 0.0, -0.1, 0),
        (0.1, 0.046, 0.023, -0.08, -0.605, 0),
        (0.1, 0.023, 0.023, 0.0, -0.606, 0),
        (0.1, 0.023, 0.046, 0.06, -0.605, 0),
    ]
    y, x = np.mgrid[1 : -1 : size * 1j, -1 : 1 : size * 1j]
    picture = np.zeros((size, size))
    for value, a, b, x0, y0, degrees in ellipses:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        along, across = (x - x0) * c + (y - y0) * s, (y - y0) * c - (x - x0) * s
        picture[(along / a) ** 2 + (across / b) ** 2 <= 1] += value
    return picture.astype(np.float32)


def gaussian(size: int, width: float) -> np.ndarray:
    """A blur of size × size pixels that sums to 1, float32."""
    line = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / width) ** 2)
    window = np.outer(line, line)
    return (window / window.sum()).astype(np.float32)


class Result(NamedTuple):
    """The measured and the rebuilt picture, and by how much inner products with A and with its adjoint differ."""

    measured: np.ndarray
    rebuilt: np.ndarray
    gap: float


def reconstruct(picture: Any, window: Any, noise: Any, options: argparse.Namespace) -> Result:
    """Blur, add noise and deblur, where the arrays are."""
    measured = convolve(picture, window, "full") + noise
    rebuilt = deblur(measured, window, "full", options.weight, options.steps)
    left = float(inner(convolve(picture, window, "full"), noise))
    gaps = [
        abs(left - float(inner(picture, adjoint_in_picture(noise, window, "full")))),
        abs(left - float(inner(window, adjoint_in_filter(noise, picture, "full")))),
    ]
    return Result(_on_host(measured), _on_host(rebuilt), max(gaps) / abs(left))


def _on_host(array: Any) -> np.ndarray:
    return array.get() if hasattr(array, "get") else array


def save_picture(path: str, pictures: dict[str, np.ndarray]) -> None:
    """Save pictures side by side under their names; it needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(pictures), 3.3), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, picture) in zip(figure.subplots(1, len(pictures)), pictures.items()):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    figure.savefig(path)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.image_reconstruction", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=96, help="pixels along a side (default: 96)")
    parser.add_argument("--noise", type=float, default=0.002, help="standard deviation of the noise (default: 0.002)")
    parser.add_argument("--weight", type=float, default=1e-4, help="of ‖x‖² against the error (default: 1e-4)")
    parser.add_argument("--steps", type=int, default=60, help="of conjugate gradients (default: 60)")
    parser.add_argument("--output", help="where to save a picture of the pictures")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, Result]:
    """The results on NumPy and on the GPU or the emulated one, by the name of the place."""
    picture, window = phantom(options.size), gaussian(9, 1.1)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, options.noise, [n + 8 for n in picture.shape]).astype(np.float32)
    results = {"NumPy": reconstruct(picture, window, noise, options)}
    has_gpu = any(device.kind == "gpu" for device in gpunet.devices())
    with nullcontext() if has_gpu else emulated_gpu(check_races=False):
        there = [ops.to_device(x, "gpu") for x in (picture, window, noise)]
        results["the GPU" if has_gpu else "the emulated GPU"] = reconstruct(*there, options)
    return results


def main(arguments: list[str] | None = None) -> None:
    """Reconstruct on each device, print the errors and save the picture."""
    options = parse(arguments)
    picture, results = phantom(options.size), run(options)
    for place, result in results.items():
        blurred = result.measured[4:-4, 4:-4]
        print(
            f"on {place}: root mean square error blurred {rms(blurred - picture):.4f}, "
            f"rebuilt {rms(result.rebuilt - picture):.4f}; adjoints agree to {result.gap:.1e}"
        )
    if options.output:
        last = result.measured[4:-4, 4:-4], result.rebuilt
        save_picture(options.output, dict(zip(("picture", "blurred, with noise", "rebuilt"), (picture, *last))))
        print(f"pictures: {options.output}")


def rms(error: np.ndarray) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(error))))


if __name__ == "__main__":
    main()
