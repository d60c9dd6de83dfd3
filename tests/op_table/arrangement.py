"""Rows of orders and shapes, adaptive pooling, windows of signals."""

import numpy as np

from .row import NUMBERS, WIDE, N, Rows, distinct, index, normal

ROWS = Rows()
row = ROWS.add

row("append", np.append, normal(2, 3), normal(2))
row("append", np.append, normal(N, 3), normal(N, 2), axis=1).checked(dtypes=NUMBERS)
row("array_split", np.array_split, normal(N, 7), 3, axis=1)
row("hsplit", np.hsplit, normal(N, 4), 2)
row("vsplit", np.vsplit, normal(4, N), (1, 3))
row("dsplit", np.dsplit, normal(N, 2, 4), 2)
row("dstack", np.dstack, [normal(3), normal(3)])
row("dstack", np.dstack, [normal(N, 3), normal(N, 3)])
for k in (0, 1, -2):
    row("diag", lambda x, k: np.diag(x, k), normal(3), k)
    row("diag", lambda x, k: np.diag(x, k), normal(4, 3), k)
row("diagflat", np.diagflat, normal(2, 2), 1)
row("fliplr", np.fliplr, normal(N, 3))
row("flipud", np.flipud, normal(N, 3))
for k in (0, 1, 2, 3, -1):
    row("rot90", np.rot90, normal(N, 3, 2), k, (1, 2))


def _cross(a, b, **axes):
    return np.cross(a, b, **axes) if a.shape[-1] == 3 or axes else a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


row("cross", _cross, normal(N, 3), normal(N, 3)).checked(tolerance=2)
row("cross", _cross, normal(N, 2), normal(N, 2)).checked(tolerance=2)
row("cross", _cross, normal(3, N), normal(3, N), axis=0).checked(tolerance=2)
row("kron", np.kron, normal(N, 3), normal(2, 2))
row("kron", np.kron, normal(3), normal(2, 2))
row("vander", np.vander, normal(N)).checked(symbolic=False, tolerance=4)
row("vander", lambda x, N, increasing: np.vander(x, N, increasing), normal(3), N=4, increasing=True).checked(
    tolerance=4
)
row("unravel_index", np.unravel_index, index(24, N), (2, 3, 4)).checked(derivatives=0, result="int32")
row("argpartition", lambda x, kth, axis: np.argsort(x, axis), distinct(N, 5), 2, axis=1).checked(
    derivatives=0, result="int32"
)


def _depth_to_space(x, r):
    n, h, w, c = x.shape
    y = np.zeros((n, h * r, w * r, c // r**2))
    for i in range(r):
        for j in range(r):
            y[:, i::r, j::r] = x[..., (i * r + j) * (c // r**2) :][..., : c // r**2]
    return y


row("depth_to_space", _depth_to_space, normal(N, 2, 3, 8), 2)
row(
    "depth_to_space",
    lambda x, r, data_format: x.reshape(2, 3, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 3, 4, 6),
    normal(2, 12, 2, 3),
    2,
    data_format="channels_first",
)


def _space_to_depth(x, r):
    return np.concatenate([x[:, i::r, j::r] for i in range(r) for j in range(r)], -1)


row("space_to_depth", _space_to_depth, normal(N, 4, 6, 3), 2)
row(
    "space_to_depth",
    lambda x, r, data_format: np.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 2).reshape(2, 12, 2, 3),
    normal(2, 3, 4, 6),
    2,
    data_format="channels_first",
)


def _unfold(x, k, dilation=1, padding=0, stride=1):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    span = dilation * (k - 1) + 1
    columns = [
        x[:, :, i : i + span : dilation, j : j + span : dilation].reshape(len(x), -1)
        for i in range(0, x.shape[2] - span + 1, stride)
        for j in range(0, x.shape[3] - span + 1, stride)
    ]
    return np.stack(columns, -1)


def _fold(x, size, k, dilation=1, padding=0, stride=1):
    """The adjoint of unfold, by its matrix."""
    n, c = x.shape[0], x.shape[1] // k**2
    count = c * size[0] * size[1]
    basis = np.eye(count).reshape(count, c, *size)
    matrix = _unfold(basis, k, dilation, padding, stride).reshape(count, -1)
    return (x.reshape(n, -1) @ matrix.T).reshape(n, c, *size)


row("unfold", _unfold, normal(N, 2, 5, 6), 3)
row("unfold", _unfold, normal(2, 2, 6, 7), 2, dilation=2, padding=1, stride=2)
row("fold", _fold, normal(2, 8, 12), (4, 5), 2).checked(tolerance=4)
row("fold", _fold, normal(2, 8, 12), (6, 7), 2, dilation=2, padding=1, stride=2).checked(tolerance=4)

for name, reduce in {"sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod}.items():
    row(
        f"segment_{name}",
        lambda x, ids, num_segments, f=reduce: np.stack([f(x[ids == k], 0) for k in range(num_segments)]),
        normal(5, 3),
        np.array([0, 2, 0, 1, 2], "int32"),
        num_segments=3,
    ).checked(tolerance=4)

for mode in ("valid", "same", "full"):
    row("correlate", lambda a, v, mode: np.correlate(a, v, mode), normal(7), normal(3), mode=mode).checked(tolerance=8)
    row("correlate", lambda a, v, mode: np.correlate(a, v, mode), normal(6), normal(4), mode=mode).checked(tolerance=8)
row(
    "cdist",
    lambda a, b: np.sqrt(((a[..., :, None, :] - b[..., None, :, :]) ** 2).sum(-1)),
    normal(N, 3, 2),
    normal(N, 4, 2),
).checked(tolerance=8, dtypes=WIDE)


def _adaptive(reduce):
    def pooled(x, size):
        for axis, m in enumerate(size, 1):
            n = x.shape[axis]
            parts = [
                reduce(np.take(x, range(i * n // m, -(-(i + 1) * n // m)), axis), axis=axis, keepdims=True)
                for i in range(m)
            ]
            x = np.concatenate(parts, axis)
        return x

    return pooled


for size, shape in (((3,), (N, 7, 2)), ((3, 4), (N, 7, 4, 2)), ((2, 3, 1), (1, 4, 3, 5, 2))):
    row("adaptive_average_pool", _adaptive(np.mean), normal(*shape), size).checked(tolerance=8)
    row("adaptive_max_pool", _adaptive(np.max), distinct(*shape), size)

for name in ("bartlett", "blackman", "hamming", "hanning"):
    row(name, getattr(np, name), 7).checked(derivatives=0, result="float32", dtypes=("float32",))
row("kaiser", np.kaiser, 7, 3.0).checked(derivatives=0, result="float32", dtypes=("float32",))
row("logspace", np.logspace, 0, 2, num=5).checked(derivatives=0, result="float32", dtypes=("float32",))
row("geomspace", np.geomspace, 1, 16, num=5).checked(derivatives=0, result="float32", dtypes=("float32",))
