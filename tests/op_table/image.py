"""Rows of `ops.image`, against slow readings of what they do, pixel by pixel."""

import colorsys
import itertools
import math

import numpy as np

from .row import WIDE, N, Rows, distinct, normal, uniform, values

ROWS = Rows()
row = ROWS.add


def _place(i, n, mode):
    """The element at place i of an axis that goes on beyond its edges, None where it is the fill value."""
    if 0 <= i < n:
        return i
    if mode == "constant":
        return None
    if mode == "nearest":
        return min(max(i, 0), n - 1)
    if mode == "wrap":
        return i % n
    cycle = [*range(n), *range(n - 2, 0, -1)] if mode == "mirror" else [*range(n), *range(n - 1, -1, -1)]
    return cycle[i % len(cycle)]


def _value(x, at, order, mode, fill):
    """The value of x at one point, for every axis of x that the point has a coordinate for."""
    if order == 0:
        corners = [[(math.floor(abs(c) + 0.5) * (1 if c >= 0 else -1), 1.0)] for c in at]
    else:
        corners = [[(math.floor(c), 1 - c + math.floor(c)), (math.floor(c) + 1, c - math.floor(c))] for c in at]
    total = 0.0
    for corner in itertools.product(*corners):
        places = [_place(i, n, mode) for (i, _), n in zip(corner, x.shape)]
        weight = math.prod(w for _, w in corner)
        total = total + weight * (fill if None in places else x[tuple(places)])
    return total


def _map_coordinates(x, at, order, fill_mode="constant", fill_value=0.0):
    flat = at.reshape(len(at), -1).T
    return np.array([_value(x, p, order, fill_mode, fill_value) for p in flat]).reshape(at.shape[1:])


def _moved(x, where, interpolation, mode, fill):
    """Images sampled at (row, column) = where(image, row, column)."""
    y = np.empty_like(x)
    for b, i, j in np.ndindex(x.shape[:3]):
        y[b, i, j] = _value(x[b], where(b, i, j), int(interpolation == "bilinear"), mode, fill)
    return y


def _affine(x, t, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    def where(b, i, j):
        a = t[b]
        return a[3] * j + a[4] * i + a[5], a[0] * j + a[1] * i + a[2]

    return _moved(x, where, interpolation, fill_mode, fill_value)


def _perspective(x, start, end):
    maps = []
    for s, e in zip(start, end):
        rows = [[u, v, 1, 0, 0, 0, -a * u, -a * v] for (a, _), (u, v) in zip(s, e)]
        rows += [[0, 0, 0, u, v, 1, -b * u, -b * v] for (_, b), (u, v) in zip(s, e)]
        maps.append(np.linalg.solve(rows, [*s[:, 0], *s[:, 1]]))

    def where(b, i, j):
        m = maps[b]
        depth = m[6] * j + m[7] * i + 1
        return (m[3] * j + m[4] * i + m[5]) / depth, (m[0] * j + m[1] * i + m[2]) / depth

    return _moved(x, where, "bilinear", "constant", 0.0)


for mode in ("constant", "nearest", "wrap", "mirror", "reflect"):
    row("image.map_coordinates", _map_coordinates, normal(5, 3), uniform(-7.9, 9.9, 2, 6), 1, mode, 0.5).checked(
        dtypes=WIDE, tolerance=64
    )
    row("image.map_coordinates", _map_coordinates, normal(5, 3), uniform(-7.9, 9.9, 2, 6), 0, mode, 0.5).checked(
        dtypes=WIDE, derivatives=1, of=None
    )
TURN = values((0.9, -0.3, 1.13, 0.25, 1.1, -0.57, 0, 0), (1.01, 0.02, 2.63, 0.1, 0.8, -1.37, 0, 0))
row("image.affine_transform", _affine, normal(2, 4, 5, 2), TURN).checked(dtypes=WIDE, tolerance=64)
row("image.affine_transform", _affine, normal(2, 4, 5, 1), TURN, fill_mode="reflect").checked(dtypes=WIDE, tolerance=64)
row("image.affine_transform", _affine, normal(2, 4, 5, 1), TURN, interpolation="nearest", fill_value=0.3).checked(
    dtypes=WIDE, derivatives=1
)
SQUARE = values(((0.2, -0.1), (4.3, 0.15), (-0.15, 3.2), (3.9, 2.85)))
MOVED = values(((0.3, 0.1), (3.8, -0.4), (-0.2, 3.2), (4.1, 2.6)))
row("image.perspective_transform", _perspective, normal(1, 4, 5, 2), SQUARE, MOVED).checked(dtypes=WIDE, tolerance=512)

KERNELS = {
    "bilinear": (1, lambda t: 1 - t),
    "bicubic": (2, lambda t: 1.5 * t**3 - 2.5 * t**2 + 1 if t < 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2),
    "lanczos3": (3, lambda t: float(np.sinc(t) * np.sinc(t / 3))),
    "lanczos5": (5, lambda t: float(np.sinc(t) * np.sinc(t / 5))),
}


def _line(x, axis, new, method, antialias):
    """Each new element as the weighted mean of those near its centre."""
    n = x.shape[axis]
    radius, kernel = KERNELS[method]
    wide = max(1.0, n / new) if antialias else 1.0
    parts = []
    for i in range(new):
        centre = (i + 0.5) * n / new - 0.5
        weights = [kernel(abs(centre - j) / wide) if abs(centre - j) / wide < radius else 0.0 for j in range(n)]
        parts.append(np.tensordot(np.array(weights) / sum(weights), x, (0, axis)))
    return np.stack(parts, axis)


def _resize(x, size, interpolation="bilinear", antialias=False):
    if interpolation == "nearest":
        rows, columns = ([int((i + 0.5) * n / m) for i in range(m)] for n, m in zip(x.shape[1:3], size))
        return x[:, rows][:, :, columns]
    return _line(_line(x, 1, size[0], interpolation, antialias), 2, size[1], interpolation, antialias)


for method in ("bilinear", "bicubic", "lanczos3", "lanczos5", "nearest"):
    row("image.resize", _resize, normal(N, 5, 6, 2), (3, 11), interpolation=method).checked(dtypes=WIDE, tolerance=16)
row("image.resize", _resize, normal(N, 7, 6, 1), (3, 4), interpolation="bicubic", antialias=True).checked(
    dtypes=WIDE, tolerance=16
)
row(
    "image.resize",
    lambda x, s, crop_to_aspect_ratio: _resize(x[:, 1:4], s),
    normal(N, 5, 6, 2),
    (2, 4),
    crop_to_aspect_ratio=True,
)
row(
    "image.resize",
    lambda x, s, pad_to_aspect_ratio, fill_value: _resize(
        np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), constant_values=0.5), s
    ),
    normal(N, 2, 4, 1),
    (4, 4),
    pad_to_aspect_ratio=True,
    fill_value=0.5,
)
row(
    "image.resize",
    lambda x, s, data_format: np.moveaxis(_resize(np.moveaxis(x, 1, -1), s), -1, 1),
    normal(2, 3, 4, 5),
    (3, 7),
    data_format="channels_first",
)
row("image.resize", lambda x, s: _resize(x[None], s)[0], normal(4, 5, 3), (3, 7))


def _scaled(x, shape, scale, translation, dims, method, antialias):
    for d, s, t in zip(dims, scale, translation):
        n, parts = x.shape[d], []
        wide = max(1.0, 1 / s) if antialias else 1.0
        for i in range(shape[d]):
            centre = (i + 0.5 - t) / s - 0.5
            weights = np.array([max(0.0, 1 - abs(centre - j) / wide) for j in range(n)])
            inside = -0.5 <= centre <= n - 0.5
            parts.append(np.tensordot(weights / weights.sum() if inside and weights.sum() else weights * 0, x, (0, d)))
        x = np.stack(parts, d)
    return x


row(
    "image.scale_and_translate",
    _scaled,
    normal(4, 5, 2),
    (6, 3, 2),
    np.array([1.3, 0.6]),
    np.array([0.4, 0.2]),
    (0, 1),
    "linear",
    True,
).checked(dtypes=WIDE, tolerance=16)

COLOURS = uniform(0.05, 0.95, N, 3, 2, 3)


def _each(function):
    return lambda x: np.apply_along_axis(lambda p: function(*p), -1, x)


row("image.rgb_to_hsv", _each(colorsys.rgb_to_hsv), COLOURS).checked(dtypes=WIDE, tolerance=16)
row("image.hsv_to_rgb", _each(colorsys.hsv_to_rgb), COLOURS).checked(dtypes=WIDE, tolerance=16)
row("image.rgb_to_grayscale", lambda x: x @ [[0.2989], [0.587], [0.114]], normal(N, 3, 2, 3)).checked(tolerance=4)
row(
    "image.rgb_to_grayscale",
    lambda x, f: np.einsum("bchw,c->bhw", x, [0.2989, 0.587, 0.114])[:, None],
    normal(N, 3, 2, 4),
    "channels_first",
)


def _correlated(x, kernel, valid=False):
    edges = [0 if valid else k // 2 for k in kernel.shape]
    padded = np.pad(x, ((0, 0), (edges[0],) * 2, (edges[1],) * 2, (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape, (1, 2))
    return np.einsum("bhwcij,ij->bhwc", views, kernel)


def _gaussian(n, sigma):
    g = np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / sigma) ** 2)
    return g / g.sum()


row(
    "image.gaussian_blur",
    lambda x, size, sigma: _correlated(x, np.outer(_gaussian(size[1], sigma[1]), _gaussian(size[0], sigma[0]))),
    normal(N, 5, 6, 2),
    (3, 5),
    (0.8, 1.5),
).checked(dtypes=WIDE, tolerance=8)
EDGES = np.outer([1, 2, 1], [-1, 0, 1])
row(
    "image.sobel_edges", lambda x: np.stack([_correlated(x, EDGES.T), _correlated(x, EDGES)], -1), normal(N, 4, 5, 2)
).checked(dtypes=WIDE, tolerance=16)


def _ssim(a, b, max_val, filter_size):
    window = np.outer(_gaussian(filter_size, 1.5), _gaussian(filter_size, 1.5))
    mean = lambda v: _correlated(v, window, True)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * max_val) ** 2, (0.03 * max_val) ** 2
    return ((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean((1, 2, 3))


row("image.ssim", _ssim, uniform(0, 1, N, 6, 7, 2), uniform(0, 1, N, 6, 7, 2), 1.0, 5).checked(
    dtypes=WIDE, tolerance=512
)

row("image.crop_images", lambda x, *a, **k: x[:, 1:4, 2:5], normal(N, 5, 6, 2), 1, 2, target_height=3, target_width=3)
row("image.pad_images", lambda x, *a, **k: np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0))), normal(N, 4, 5, 2), 1, 0, 2, 3)


def _patches(x, size, strides, rate=1):
    windows = [
        x[:, i : i + rate * (size - 1) + 1 : rate, j : j + rate * (size - 1) + 1 : rate].reshape(len(x), -1)
        for i in range(0, x.shape[1] - rate * (size - 1), strides)
        for j in range(0, x.shape[2] - rate * (size - 1), strides)
    ]
    side = len(range(0, x.shape[1] - rate * (size - 1), strides))
    return np.stack(windows, 1).reshape(len(x), side, -1, size * size * x.shape[-1])


row("image.extract_patches", lambda x, size: _patches(x, size, size), normal(N, 4, 6, 2), 2)
row("image.extract_patches", _patches, normal(N, 6, 7, 2), 2, 2, 2)
row(
    "image.extract_patches",
    lambda x, size, strides, padding: _patches(np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))), 2, 2),
    normal(N, 5, 7, 2),
    2,
    2,
    padding="same",
)
row(
    "image.extract_patches_3d",
    lambda x, size: x.reshape(2, 2, 2, 1, 2, 2, 2, 3).transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(2, 2, 1, 2, 24),
    normal(2, 4, 2, 4, 3),
    2,
)
row("image.resize", lambda x, s: _resize(x, s), distinct(1, 1, 1, 1), (2, 2))
