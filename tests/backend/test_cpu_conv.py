"""The NumPy provider's convolutions against the portable ones: every layout, on shapes drawn at random."""

import itertools

import numpy as np
import pytest

from gpunet.backend.cpu import banded, im2col
from gpunet.backend.cpu import conv as quick
from gpunet.backend.portable import conv as plain
from gpunet.backend.primitives.conv import conv_output_shape


def problem(seed, rank=None):
    """Random (x, w, geometry) with strides, dilation, padding (also negative) and groups."""
    rng = np.random.default_rng(seed)
    rank = rank or int(rng.integers(1, 4))
    draw = lambda low, high: tuple(int(v) for v in rng.integers(low, high, rank))
    groups = int(rng.choice([1, 1, 2, 3]))
    window, strides, dilation = draw(1, 5), draw(1, 4), draw(1, 3)
    padding = tuple(zip(draw(-1, 4), draw(-1, 4)))
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation)]
    spatial = tuple(max(1, r - lo - hi) + n for r, (lo, hi), n in zip(reach, padding, draw(0, 6)))
    channels, out = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    x = rng.standard_normal((int(rng.integers(1, 4)), *spatial, channels))
    w = rng.standard_normal((*window, channels // groups, out))
    return x, w, {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}


def output(x, w, geometry):
    args = geometry["strides"], geometry["padding"], geometry["dilation"]
    return (x.shape[0], *conv_output_shape(x.shape[1:-1], w.shape[:-2], *args), w.shape[-1])


def check(x, w, geometry):
    g = np.random.default_rng(1).standard_normal(output(x, w, geometry)).astype(x.dtype)
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if x.dtype == np.float64 else {"rtol": 2e-4, "atol": 2e-4}
    y = quick.conv(x, w, None, **geometry)
    np.testing.assert_allclose(y, plain.conv(np, x, w, None, **geometry), **tolerance)
    dx = quick.conv_input_grad(g, w, spatial=x.shape[1:-1], **geometry)
    np.testing.assert_allclose(dx, plain.conv_input_grad(np, g, w, spatial=x.shape[1:-1], **geometry), **tolerance)
    dw = quick.conv_weight_grad(x, g, window=w.shape[:-2], **geometry)
    np.testing.assert_allclose(dw, plain.conv_weight_grad(np, x, g, window=w.shape[:-2], **geometry), **tolerance)
    # The three are one bilinear form: ⟨g, conv(x, w)⟩ = ⟨dx, x⟩ = ⟨dw, w⟩.
    form = np.vdot(g, y)
    scale = 1e-9 if x.dtype == np.float64 else 1e-2
    assert abs(np.vdot(dx, x) - form) < scale * (1 + abs(form))
    assert abs(np.vdot(dw, w) - form) < scale * (1 + abs(form))


@pytest.mark.parametrize("seed", range(150))
def test_random_problems(seed):
    check(*problem(seed))


@pytest.mark.parametrize("seed", range(20))
def test_random_problems_in_float32_and_not_contiguous(seed):
    x, w, geometry = problem(seed, rank=2)
    x, w = x.astype("float32"), w.astype("float32")
    check(x, w, geometry)
    moved = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    check(np.moveaxis(moved, 1, -1), w.swapaxes(0, 1).copy().swapaxes(0, 1), geometry)


LARGER = [
    # images, height, width, channels, out, window, strides, padding
    (48, 12, 12, 3, 8, 3, 1, 1),  # lowered windows, and a banded input gradient
    (17, 9, 11, 8, 5, 3, 1, 0),
    (16, 8, 8, 1, 4, 5, 1, 2),
    (3, 40, 41, 40, 36, 3, 1, 1),  # more than a chunk of windows in one image
    (9, 20, 20, 40, 24, 3, 2, 1),
    (64, 7, 7, 33, 16, 3, 1, 1),  # split between threads
]


@pytest.mark.parametrize("shape", LARGER)
def test_larger_problems(shape):
    n, h, width, c, o, k, s, p = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, h, width, c), "float32")
    w = rng.standard_normal((k, k, c, o), "float32") / k
    check(x, w, {"strides": (s, s), "padding": ((p, p), (p, p)), "dilation": (1, 1), "groups": 1})


def test_both_ways_of_gathering_are_exercised():
    chosen = set()
    for n, h, width, c, o, k, s, p in LARGER:
        out = ((h + 2 * p - k) // s + 1, (width + 2 * p - k) // s + 1)
        chosen.add(type(im2col._layout((n, h, width, c), (k, k, c, o), out, (s, s), ((p, p), (p, p)), (1, 1))))
    assert chosen == {im2col._Im2col, im2col._Lowered}


@pytest.mark.parametrize("layout", [im2col._Im2col, im2col._Lowered])
@pytest.mark.parametrize("seed", range(15))
def test_either_way_gives_the_same(layout, seed, monkeypatch):
    x, w, geometry = problem(seed, rank=2)
    simple = geometry["strides"][1] == geometry["dilation"][1] == 1
    if geometry["groups"] > 1 or (layout is im2col._Lowered and not simple):
        geometry = {**geometry, "groups": 1, "strides": (2, 1), "dilation": (2, 1), "padding": ((1, 1), (3, 2))}
        x, w = x[..., :1], w[..., :1, :]
        x = np.concatenate([x] * (2 * w.shape[0]), axis=1)
    monkeypatch.setattr(im2col, "_layout", lambda x_shape, *shapes: layout(*shapes))
    check(np.ascontiguousarray(x), np.ascontiguousarray(w), geometry)


def test_lowered_chunks_of_rows(monkeypatch):
    monkeypatch.setattr(im2col, "CHUNK_BYTES", 1)
    monkeypatch.setattr(im2col, "_layout", lambda x_shape, *shapes: im2col._Lowered(*shapes))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 9, 8, 2)), rng.standard_normal((3, 3, 2, 4))
    for padding in (((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, -1), (-1, 2))):
        check(x, w, {"strides": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1})


def test_chunks_of_one_row(monkeypatch):
    monkeypatch.setattr(im2col, "CHUNK_BYTES", 1)
    for seed in range(20):
        check(*problem(seed, rank=2))


@pytest.mark.parametrize(("window", "padding"), list(itertools.product([1, 2, 3, 5], [0, 1, 2])))
def test_the_banded_input_gradient(window, padding):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 7, 6, 3))
    w = rng.standard_normal((window, window, 3, 4))
    pairs = ((padding, padding), (padding, padding))
    geometry = {"strides": (1, 1), "padding": pairs, "dilation": (1, 1), "groups": 1}
    shape = output(x, w, geometry)
    g = rng.standard_normal(shape)
    dx = np.full(x.shape, np.nan)
    banded.input_grad(g, w, dx, pairs)
    np.testing.assert_allclose(dx, plain.conv_input_grad(np, g, w, spatial=x.shape[1:-1], **geometry), atol=1e-10)
