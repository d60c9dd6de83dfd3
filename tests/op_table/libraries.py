"""Rows of linear algebra, Fourier transforms and bits, which libraries compute."""

import math

import numpy as np

from .row import WIDE, Input, N, Rows, distinct, normal

ROWS = Rows()


def row(op, reference, *inputs, **attributes):
    return ROWS.add(op, reference, *inputs, **attributes).checked(dtypes=WIDE, tolerance=64)


def regular(*shape: int) -> Input:
    """Matrices far from singular ones."""
    return Input(lambda rng, s: rng.standard_normal(s) * 0.5 + 2 * np.eye(*s[-2:]), shape)


def definite(*shape: int) -> Input:
    """Symmetric matrices with eigenvalues from 1, far from each other."""

    def draw(rng, s):
        q = np.linalg.qr(rng.standard_normal(s))[0]
        return q * np.arange(1.0, s[-1] + 1) @ np.swapaxes(q, -1, -2)

    return Input(draw, shape)


def graded(*shape: int) -> Input:
    """Matrices whose singular values are 1, 2, 3, …"""

    def draw(rng, s):
        *lead, m, n = s
        k = min(m, n)
        u, v = (np.linalg.qr(rng.standard_normal((*lead, size, k)))[0] for size in (m, n))
        return u * np.arange(k, 0.0, -1) @ np.swapaxes(v, -1, -2)

    return Input(draw, shape)


def _symmetric(function):
    return lambda x, **options: function((x + np.swapaxes(x, -1, -2)) / 2, **options)


row("solve", np.linalg.solve, regular(N, 3, 3), normal(N, 3, 2))
row("solve", lambda a, b: np.linalg.solve(a, b[..., None])[..., 0], regular(N, 3, 3), normal(N, 3))
row("solve", np.linalg.solve, regular(3, 3), normal(3))
for lower in (False, True):
    triangle = np.tril if lower else np.triu
    row(
        "solve_triangular",
        lambda a, b, lower, f=triangle: np.linalg.solve(f(a), b),
        regular(N, 3, 3),
        normal(N, 3, 2),
        lower=lower,
    )
row("inv", np.linalg.inv, regular(N, 3, 3))
row("det", np.linalg.det, regular(N, 3, 3))
row("det", np.linalg.det, regular(4, 4))
row("slogdet", lambda x: tuple(np.linalg.slogdet(x)), regular(N, 3, 3)).checked(of=1)
row("logdet", _symmetric(lambda x: np.linalg.slogdet(x)[1]), definite(N, 3, 3)).checked(whole=True)
row("pinv", np.linalg.pinv, graded(N, 4, 2))
row("pinv", np.linalg.pinv, graded(2, 4))
row("lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], graded(5, 3), normal(5, 2))
row("lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], graded(2, 4), normal(2))
for upper in (False, True):
    row("cholesky", _symmetric(np.linalg.cholesky), definite(N, 3, 3), upper=upper).checked(whole=True)
    row(
        "cholesky_inverse",
        lambda x, upper: np.linalg.inv(np.triu(x).T @ np.triu(x) if upper else np.tril(x) @ np.tril(x).T),
        regular(3, 3),
        upper=upper,
    )
row("eigh", lambda x: tuple(_symmetric(np.linalg.eigh)(x)), definite(N, 3, 3)).checked(whole=True)
for shape in ((N, 4, 3), (3, 3), (2, 4)):
    row("qr", lambda x: tuple(np.linalg.qr(x)), graded(*shape))
row("qr", lambda x, mode: tuple(np.linalg.qr(x, mode)), graded(4, 3), mode="complete").checked(derivatives=None)
for shape in ((N, 4, 3), (3, 3), (2, 4)):
    row("svd", lambda x, full_matrices: tuple(np.linalg.svd(x, False)), graded(*shape), full_matrices=False)
row("svd", lambda x: tuple(np.linalg.svd(x)), graded(2, 4, 3)).checked(derivatives=None)
row("svd", lambda x, compute_uv: np.linalg.svd(x, compute_uv=False), graded(N, 4, 3), compute_uv=False)
row("matrix_rank", np.linalg.matrix_rank, graded(N, 4, 3)).checked(derivatives=0, result="int32")
row("matrix_rank", np.linalg.matrix_rank, graded(4, 3), tol=1.5).checked(derivatives=0, result="int32")


def _lu(x):
    """L below the diagonal and U, and the row that each step swapped with its own: Gauss's elimination with the largest
    pivot of a column (G. H. Golub, C. F. Van Loan, "Matrix Computations", algorithm 3.4.1).
    """
    packed, steps = x.copy(), min(x.shape[-2:])
    pivots = np.empty((*x.shape[:-2], steps), "int64")
    for place in np.ndindex(x.shape[:-2]):
        matrix = packed[place]
        for k in range(steps):
            pivots[(*place, k)] = pivot = k + np.abs(matrix[k:, k]).argmax()
            matrix[[k, pivot]] = matrix[[pivot, k]]
            matrix[k + 1 :, k] /= matrix[k, k]
            matrix[k + 1 :, k + 1 :] -= np.outer(matrix[k + 1 :, k], matrix[k, k + 1 :])
    return packed, pivots


row("lu_factor", _lu, graded(N, 3, 3)).checked(of=0, result=("same", "int32"))
row("lu_factor", _lu, graded(4, 3)).checked(derivatives=None, result=("same", "int32"))

for ord_ in (None, 0, 1, 2, 3, math.inf, -math.inf):
    row("norm", np.linalg.norm, distinct(N, 4), ord=ord_, axis=-1).checked(derivatives=None if ord_ == 0 else 2)
for ord_ in (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
    row("norm", np.linalg.norm, graded(4, 3), ord=ord_)
    row("norm", np.linalg.norm, graded(2, 4, 3), ord=ord_, axis=(1, 2), keepdims=True)
row("norm", np.linalg.norm, normal(2, 4, 3))


def _pair(function):
    """A function of complex numbers as one of pairs."""

    def paired(x, **options):
        found = function(x[0] + 1j * x[1], **options)
        return (found.real, found.imag) if np.iscomplexobj(found) else found

    return paired


def _parts(x):
    return x.real, x.imag


for n in (6, 5):
    row("fft", _pair(np.fft.fft), [normal(N, n), normal(N, n)])
    row("rfft", lambda x: _parts(np.fft.rfft(x)), normal(N, n))
row("fft2", _pair(np.fft.fft2), [normal(N, 3, 4), normal(N, 3, 4)])
row("ifft2", _pair(np.fft.ifft2), [normal(N, 3, 4), normal(N, 3, 4)])
for n in (6, 7, 10):
    row("rfft", lambda x, fft_length: _parts(np.fft.rfft(x, fft_length)), normal(N, 8), fft_length=n)
    row("irfft", lambda x, fft_length: _pair(np.fft.irfft)(x, n=fft_length), [normal(N, 5)] * 2, fft_length=n)
row("irfft", _pair(np.fft.irfft), [normal(N, 5), normal(N, 5)])


def _frames(x, length, stride):
    return np.stack([x[..., i : i + length] for i in range(0, x.shape[-1] - length + 1, stride)], -2)


def _weights(window, length, fft_length):
    if window is None:
        found = np.ones(length)
    else:
        found = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}[window]
        found = found[0] - found[1] * np.cos(2 * np.pi * np.arange(length) / length)
    left = (fft_length - length) // 2
    return np.pad(found, (left, fft_length - length - left))


def _stft(x, length, stride, fft_length, window="hann", center=True):
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2,) * 2], mode="reflect")
    return _parts(np.fft.rfft(_frames(x, fft_length, stride) * _weights(window, length, fft_length)))


def _istft(x, length, stride, fft_length, samples=None, window="hann", center=True):
    frames = np.fft.irfft(x[0] + 1j * x[1], fft_length)
    weights = _weights(window, length, fft_length)
    count = frames.shape[-2]
    whole = np.zeros((*frames.shape[:-2], fft_length + (count - 1) * stride))
    squares = np.zeros(whole.shape[-1])
    for i in range(count):
        place = slice(i * stride, i * stride + fft_length)
        whole[..., place] += frames[..., i, :] * weights
        squares[place] += weights**2
    whole /= np.where(squares > 1e-10, squares, 1)
    start = fft_length // 2 if center else 0
    return whole[..., start : whole.shape[-1] - start if samples is None else start + samples]


row("extract_sequences", _frames, normal(N, 7), 3, 2)
row("stft", _stft, normal(N, 12), 4, 2, 6)
row("stft", _stft, normal(12), 6, 3, 6, "hamming", False)
row("stft", _stft, normal(N, 12), 5, 2, 8, None)
row("istft", _istft, [normal(N, 5, 4), normal(N, 5, 4)], 4, 2, 6)
row("istft", _istft, [normal(4, 4), normal(4, 4)], 6, 3, 6, 10, "hamming", False)

row("nextafter", np.nextafter, normal(N, 3), normal(N, 3)).checked(derivatives=None, dtypes=("float64",))
row("view", lambda x, dtype: x.view(dtype), normal(N, 3), "int64").checked(
    derivatives=0, dtypes=("float64",), result="int64"
)


def _holes(*shape):
    def draw(rng, s):
        x = rng.permutation(np.linspace(-2, 2, math.prod(s))).reshape(s)
        return np.where(rng.random(s) < 0.3, np.nan, x)

    return Input(draw, shape)


row("nanmedian", np.nanmedian, _holes(N, 7), axis=-1).checked(derivatives=None)
row("nanmedian", np.nanmedian, _holes(4, 7)).checked(derivatives=None)
for method in ("linear", "lower", "higher", "midpoint", "nearest"):
    row("nanquantile", np.nanquantile, _holes(3, 9), 0.4, axis=1, method=method).checked(derivatives=None)
row("nanquantile", np.nanquantile, distinct(3, 9), np.array([0.2, 0.9]), axis=1, keepdims=True)
row("nanpercentile", np.nanpercentile, _holes(N, 9), 40.0, axis=1).checked(derivatives=None)

row(
    "rearrange",
    lambda x, pattern, r: x.reshape(x.shape[0], 2, r, 3).transpose(0, 3, 2, 1).reshape(x.shape[0], 3 * r, 2),
    normal(N, 6, 3),
    "b (h r) c -> b (c r) h",
    r=3,
)
row("rearrange", lambda x, pattern: x.reshape(-1, x.shape[-1]), normal(N, 2, 3), "a b c -> (a b) c")

for reduction, combine in {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}.items():

    def _updated(x, places, updates, reduction, combine=combine):
        x = x.copy()
        combine.at(x, tuple(np.asarray(places).T), updates)
        return x

    row("scatter_update", _updated, distinct(3, 4), np.array([[0], [2], [0]]), normal(3, 4), reduction=reduction)
row("scatter_update", _updated, distinct(3, 4), np.array([[0, 1], [2, 3], [0, 1]]), normal(3), reduction="mul")
