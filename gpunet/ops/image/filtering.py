"""Images convolved with fixed kernels: blur, edges, similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.ops import elementwise as el
from gpunet.ops.conv import depthwise_conv
from gpunet.ops.image.layout import as_batch, as_before, as_floats, constant
from gpunet.ops.joining import stack
from gpunet.ops.operands import cast_to, operand
from gpunet.ops.reduction import mean
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims, reshape, squeeze
from gpunet.symbolic.ops import symbolic_op


def _gaussian(size: int, sigma: Any, beside: Any) -> Any:
    """`size` samples of a Gaussian around their middle, with sum 1; sigma may be a tensor."""
    x = constant(np.arange(size) - (size - 1) / 2, beside)
    values = el.exp(el.multiply(el.square(el.divide(x, sigma)), -0.5))
    return el.divide(values, sum_(values))


def _per_channel(x: Any, kernel: Any, padding: str = "same") -> Any:
    """Each channel of (batch, height, width, channels) correlated with one kernel (rows, columns)."""
    rows, columns = kernel.shape
    channels = x.shape[-1]
    repeated = el.multiply(reshape(kernel, (rows, columns, 1, 1)), constant(np.ones((channels, 1)), x))
    return depthwise_conv(x, repeated, padding=padding, data_format="channels_last")


@symbolic_op
def gaussian_blur(
    images: Any, kernel_size: Sequence[int] = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Images averaged with the weights of a Gaussian, zeros beyond the edges.

    Args:
        images: (batch, height, width, channels) or one image, or channels first.
        kernel_size: the extent of the Gaussian, along x and y.
        sigma: its standard deviations, along x and y.

    Raises:
        ValueError: unless the images are of rank 3 or 4.
    """
    x, restored = as_batch(images, data_format)
    y = as_floats(x)
    sigma = sigma if isinstance(sigma, list | tuple) else [operand(sigma)[k] for k in (0, 1)]
    across, down = (_gaussian(int(n), s, y) for n, s in zip(kernel_size, sigma))
    kernel = el.multiply(expand_dims(down, 1), expand_dims(across, 0))
    return restored(as_before(_per_channel(y, kernel), x.dtype))


@symbolic_op
def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Differences of neighbours by Sobel's kernels, along y and x: the images' shape and a last axis of 2.

    Raises:
        ValueError: unless the images are of rank 3 or 4.
    """
    x, restored = as_batch(images, data_format)
    y = as_floats(x)
    across = np.outer([1, 2, 1], [-1, 0, 1])
    edges = [restored(as_before(_per_channel(y, constant(kernel, y)), x.dtype)) for kernel in (across.T, across)]
    return stack(edges, axis=-1)


@symbolic_op
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """The structural similarity of pairs of images, in [−1, 1] (Wang et al., IEEE Trans. Image Proc. 13, 2004).

    Args:
        image1, image2: (batch, height, width, channels) or one image each, or channels first.
        max_val: the largest value that pixels can have.
        filter_size, filter_sigma: of the Gaussian windows in which images are compared.
        k1, k2: what keeps ratios of small numbers stable.

    Returns:
        (batch,), or a scalar for one pair.

    Raises:
        ValueError: unless the images are of rank 3 or 4.
    """
    a, _ = as_batch(image1, data_format, "image1")
    b, _ = as_batch(image2, data_format, "image2")
    dtype, single = a.dtype, operand(image1).ndim == 3
    a, b = as_floats(a), as_floats(b)
    line = _gaussian(filter_size, filter_sigma, a)
    window = el.multiply(expand_dims(line, 1), expand_dims(line, 0))

    def local(values: Any) -> Any:
        return _per_channel(values, window, "valid")

    mean_a, mean_b = local(a), local(b)
    var_a = el.subtract(local(el.square(a)), el.square(mean_a))
    var_b = el.subtract(local(el.square(b)), el.square(mean_b))
    both = el.multiply(mean_a, mean_b)
    covariance = el.subtract(local(el.multiply(a, b)), both)
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    above = el.multiply(el.add(el.multiply(both, 2), c1), el.add(el.multiply(covariance, 2), c2))
    below = el.multiply(el.add(el.add(el.square(mean_a), el.square(mean_b)), c1), el.add(el.add(var_a, var_b), c2))
    found = cast_to(mean(el.divide(above, below), (1, 2, 3)), dtype)
    return squeeze(found, 0) if single else found
