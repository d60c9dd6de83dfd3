"""Random problems for providers, and the answer of the portable implementation in float64."""

import numpy as np
import pytest

import gpunet.ops  # noqa: F401 - registers the arrays' backends
from gpunet.backend.numba_cpu import compiled
from gpunet.backend.portable import portable
from gpunet.backend.primitives.conv import conv_output_shape

needs_numba = pytest.mark.skipif(not compiled.is_installed(), reason="Numba is not installed (pip install numba)")


def floats(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def exact(primitive, *arrays, **attributes):
    """What the plain reading of the primitive gives for the same arrays in float64."""
    doubles = [a.astype("float64") if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays]
    return portable.bind(primitive, np)(*doubles, **attributes)


def assert_close(result, expected, tolerance=2e-5):
    """Equal up to `tolerance` of the largest element: float32 sums of some thousand terms."""
    assert result.shape == expected.shape
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * (1 + np.abs(expected).max()))


def draw_conv(seed):
    """(x, w, b, geometry) of 1 to 3 spatial axes, tails, strides, dilation, groups, padding wider than the window."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    draw = lambda low, high: tuple(int(v) for v in rng.integers(low, high, rank))
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    per_group, out = int(rng.integers(1, 36)), groups * int(rng.integers(1, 36))
    if seed % 7 == 0:
        groups, per_group, out = (out := int(rng.integers(2, 40))), 1, out
    window, strides, dilation = draw(1, 6), draw(1, 4), draw(1, 3)
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation)]
    padding = tuple(zip(draw(0, 4), draw(0, 4)))
    spatial = tuple(max(1, r - lo - hi) + n for r, (lo, hi), n in zip(reach, padding, draw(0, 9)))
    x = floats(rng, int(rng.integers(1, 5)), *spatial, groups * per_group)
    w, b = floats(rng, *window, per_group, out), floats(rng, out)
    return x, w, b, {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}


def conv_shape(x, w, geometry):
    axes = geometry["strides"], geometry["padding"], geometry["dilation"]
    return (x.shape[0], *conv_output_shape(x.shape[1:-1], w.shape[:-2], *axes), w.shape[-1])


def draw_pool(seed):
    """(x with many equal elements, window, strides and padding) of 1 to 3 spatial axes."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    draw = lambda low, high: tuple(int(v) for v in rng.integers(low, high, rank))
    window = draw(1, 5)
    strides = window if seed % 3 == 0 else draw(1, 4)
    padding = (
        tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in window) if seed % 2 else ((0, 0),) * rank
    )
    x = np.round(floats(rng, int(rng.integers(1, 4)), *draw(4, 12), int(rng.integers(1, 40))) * 3) / 3
    return x, {"window": window, "strides": strides, "padding": padding}
