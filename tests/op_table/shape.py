"""Rows of views, indexing, gathering, joining and padding."""

import numpy as np

from .row import NUMBERS, N, Rows, distinct, index, mask, normal, positive

ROWS = Rows()
row = ROWS.add

row("reshape", np.reshape, normal(N, 6), (-1, 3)).checked(dtypes=NUMBERS)
row("reshape", np.reshape, normal(N, 6), (4, 2, 3)).checked(symbolic=False)
row("reshape", np.reshape, normal(2, 6), (4, 3))
row("reshape", np.reshape, normal(1, 1), ())
row("reshape", np.reshape, normal(), (1, 1))
row("reshape", np.reshape, normal(2, 0, 3), (0, 5))
row("ravel", np.ravel, normal(N, 3))
row("ravel", np.ravel, normal())
row("transpose", np.transpose, normal(N, 2, 3)).checked(dtypes=NUMBERS)
row("transpose", np.transpose, normal(N, 2, 3), (0, -1, 1))
row("transpose", np.transpose, normal())
row("swapaxes", np.swapaxes, normal(N, 2, 3), -1, 0)
row("moveaxis", np.moveaxis, normal(N, 2, 3), 0, -1)
row("moveaxis", np.moveaxis, normal(N, 2, 3), (0, 2), (1, 0))
row("expand_dims", np.expand_dims, normal(N, 3), 1)
row("expand_dims", np.expand_dims, normal(N, 3), (0, -1))
row("squeeze", np.squeeze, normal(1, 3, 1))
row("squeeze", np.squeeze, normal(N, 1, 3, 1), -1)
row("squeeze", np.squeeze, normal(N, 1, 3, 1), (1, 3))
row("flip", np.flip, normal(N, 3)).checked(dtypes=NUMBERS)
row("flip", np.flip, normal(N, 3), axis=-1)
row("flip", np.flip, normal(N, 3, 2), axis=(0, 2))


def _indexed(x, *parts):
    return x[parts[0] if len(parts) == 1 else parts]


for item in (
    1,
    -1,
    slice(1, 3),
    slice(None, None, -1),
    slice(3, 0, -2),
    ...,
    None,
    (slice(None), 1),
    (..., -1, None),
    (slice(None), slice(None, None, 2), slice(0, 0)),
    (2, 0, 1),
    ([0, 2, 2],),
    ([0, 2], [1, 0]),
    (slice(None), [[0, 2], [1, 1]]),
    ([3, -1], slice(None), [0, 0]),
    np.array([True, False, True, True]),
    (slice(None), np.array([False, True, True])),
    [],
):
    row(
        "getitem", lambda x, item: x[item if not isinstance(item, list) else np.array(item, int)], normal(4, 3, 2), item
    ).checked(dtypes=("float64", "float32", "bfloat16", "int32"), variant=str(item).replace(" ", ""))

row("take", np.take, normal(4, 5), index(4, 3), axis=0).checked(dtypes=NUMBERS)
row("take", np.take, normal(N, 5), index(5, 2, 3), axis=1)
row("take", np.take, normal(N, 5, 2), index(4, 3, low=-5), axis=-2)
row("take", np.take, normal(3, 5), index(15, 4))
row("take", np.take, normal(N, 5), 2, axis=1)
row("take", np.take, normal(N, 5), index(5, 0), axis=1)
row("take_along_axis", np.take_along_axis, normal(N, 5), index(5, N, 2), axis=1).checked(dtypes=NUMBERS)
row("take_along_axis", np.take_along_axis, normal(5, N), index(4, 7, N, low=-5), axis=0)
row("take_along_axis", np.take_along_axis, normal(3, 5), index(15, 4), axis=None)
row("take_along_axis", np.take_along_axis, normal(N, 3, 5), index(5, N, 1, 2), axis=-1)
row("one_hot", lambda x, num_classes: np.eye(num_classes)[x], index(5, N), num_classes=5).checked(
    derivatives=0, result="float32"
)
row(
    "one_hot",
    lambda x, num_classes, axis, dtype: np.moveaxis(np.eye(num_classes)[x], -1, axis),
    index(5, N, 3),
    num_classes=5,
    axis=1,
    dtype="int32",
).checked(derivatives=0, result="int32")
row(
    "one_hot", lambda x, num_classes: np.where(x[:, None] == np.arange(2), 1.0, 0), index(3, 6, low=-2), num_classes=2
).checked(derivatives=0, result="float32", variant="out of range")
row("slice", lambda x, start, shape: x[1:3, 2:4], normal(4, 5), (1, 2), (2, 2)).checked(dtypes=NUMBERS)
row("slice", lambda x, start, shape: x[:, 1:], normal(N, 5), (0, 1), (-1, -1))


def _updated(x, starts, update):
    y = x.copy()
    y[tuple(slice(a, a + n) for a, n in zip(starts, update.shape))] = update
    return y


def _scattered(indices, update, shape):
    y = np.zeros(shape)
    for place, value in zip(
        indices.reshape(-1, indices.shape[-1]), update.reshape(-1, *update.shape[indices.ndim - 1 :])
    ):
        y[tuple(place)] += value
    return y


def _with_rows(x, indices, updates):
    x = x.copy()
    x[tuple(indices.T)] = updates
    return x


row("scatter_update", _with_rows, normal(4, 5), np.array([[0], [2]]), normal(2, 5)).checked(dtypes=NUMBERS)
row("scatter_update", _with_rows, normal(4, 5), np.array([[0, 1], [2, 4], [3, 0]]), normal(3)).checked(dtypes=NUMBERS)
row("slice_update", _updated, normal(4, 5), (1, 2), normal(2, 3)).checked(dtypes=NUMBERS)
row("scatter", _scattered, index(4, 6, 1), normal(6), (4,)).checked(dtypes=NUMBERS, tolerance=4)
row("scatter", _scattered, index(3, 6, 2), normal(6), (3, 5)).checked(tolerance=4)
row("scatter", _scattered, index(4, 5, 1), normal(5, 3), (4, 3)).checked(tolerance=4)
row("scatter", _scattered, index(4, 0, 1), normal(0, 3), (4, 3))

row("concatenate", lambda xs, axis=0: np.concatenate(xs, axis), [normal(N, 3), normal(N, 2)], axis=1).checked(
    dtypes=NUMBERS
)
row("concatenate", lambda xs, axis=0: np.concatenate(xs, axis), [normal(2, 3), normal(1, 3), normal(0, 3)])
row("concatenate", lambda xs, axis=0: np.concatenate(xs, axis), [normal(N, 2, 3)], axis=-1)
row("stack", lambda xs, axis=0: np.stack(xs, axis), [normal(N, 3), normal(N, 3)])
row("stack", lambda xs, axis=0: np.stack(xs, axis), [normal(N, 3), normal(N, 3), normal(N, 3)], axis=-1)
row("stack", lambda xs, axis=0: np.stack(xs, axis), [normal(), normal()])
row("vstack", np.vstack, [normal(3), normal(3)])
row("vstack", np.vstack, [normal(2, 3), normal(1, 3)])
row("hstack", np.hstack, [normal(3), normal(2)])
row("hstack", np.hstack, [normal(N, 3), normal(N, 2)])
row("split", np.split, normal(N, 6), 3, axis=1).checked(dtypes=NUMBERS)
row("split", np.split, normal(N, 6), (1, 4), axis=-1)
row("split", np.split, normal(6, N), 2)
row("split", np.split, normal(N, 3), (2, 2), axis=1).checked(variant="an empty part")
row("unstack", lambda x: [x[0], x[1], x[2]], normal(3, N))
row("unstack", lambda x, axis: [x[:, 0], x[:, 1]], normal(N, 2, 3), axis=1)

for mode in ("constant", "reflect", "symmetric", "edge"):
    row("pad", lambda x, w, mode="constant": np.pad(x, w, mode), normal(4, 3), ((1, 2), (0, 2)), mode=mode).checked(
        dtypes=NUMBERS
    )
for mode in ("reflect", "symmetric", "edge"):
    row("pad", lambda x, w, mode: np.pad(x, w, mode), normal(3, 2), ((7, 4), (5, 0)), mode=mode).checked(
        variant=f"{mode} wider than x"
    )
    row("pad", lambda x, w, mode: np.pad(x, w, mode), normal(1, 2), ((2, 1), (0, 0)), mode=mode).checked(
        variant=f"{mode} of one element"
    )
row("pad", np.pad, normal(N, 3), ((0, 0), (2, 1)))
row("pad", lambda x, w, constant_values: np.pad(x, w, constant_values=1.5), normal(2, 3), 1, constant_values=1.5)
row("pad", np.pad, normal(2, 3), (1, 2))
row("pad", np.pad, normal(2, 3), ((1, 2),))
row("pad", np.pad, normal(0, 3), ((1, 1), (0, 0)))
row("tile", np.tile, normal(N, 3), (2, 3)).checked(dtypes=NUMBERS)
row("tile", np.tile, normal(3), (2, 1, 2))
row("tile", np.tile, normal(N, 2, 3), 2)
row("tile", np.tile, normal(2, 3), (0, 1))
row("repeat", np.repeat, normal(N, 3), 2, axis=1).checked(dtypes=NUMBERS)
row("repeat", np.repeat, normal(2, 3), 2)
row("repeat", np.repeat, normal(N, 3), (2, 0, 1), axis=-1)
row("roll", np.roll, normal(4, 3), 2).checked(dtypes=NUMBERS)
row("roll", np.roll, normal(N, 3), -4, axis=1)
row("roll", np.roll, normal(4, 3), (1, 2), axis=(0, 1))
row("roll", np.roll, normal(0, 3), 1, axis=0)
row("roll", np.roll, distinct(3, 2), 1, axis=(0, 1))
row("take_along_axis", np.take_along_axis, positive(N, 3), index(3, N, 3), axis=1)


row("stack", lambda xs: np.stack(xs), [mask(3), mask(3)]).checked(derivatives=0, dtypes=("int32",), result="bool")
row("meshgrid", np.meshgrid, normal(2), normal(3))
row("meshgrid", np.meshgrid, normal(N), normal(3), normal(2), indexing="ij")
row("meshgrid", np.meshgrid, normal(3), normal(2), normal(0))
row("meshgrid", np.meshgrid, normal(3))
row("meshgrid", np.meshgrid, normal(), normal(3))
