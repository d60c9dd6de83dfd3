"""Softmax, log-softmax and cross-entropies against the portable implementation."""
# kernels: softmax.cu rows.cuh

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.portable import portable
from gpunet.backend.primitives import nn as prim

TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3}
# Rows within a thread, a warp, a block and beyond; along the last axis and across neighbouring rows; vectors and tails.
SHAPES = {
    "one element": ((1,), 0),
    "one row": ((1, 4), -1),
    "rows of one": ((300, 1), -1),
    "ten classes": ((130, 10), 1),
    "vectors in a thread": ((2, 3, 16), -1),
    "two threads": ((5, 24), -1),
    "a warp": ((3, 512), -1),
    "a warp, odd": ((5, 333), -1),
    "two warps": ((7, 515), -1),
    "a block": ((2, 3000), -1),
    "two chunks, vectors": ((2, 4400), -1),
    "two chunks, odd": ((2, 4101), -1),
    "few neighbours": ((3, 5, 7), 1),
    "few neighbours, long": ((2, 700, 2), 1),
    "across": ((2, 10, 33), 1),
    "across, two threads": ((3, 21, 9), -2),
    "across, eight threads": ((125, 40), 0),
    "across, chunks": ((2, 160, 9), 1),
}
CLASSES = [name for name, (shape, axis) in SHAPES.items() if axis % len(shape) == len(shape) - 1]

pytestmark = pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])


def draw(shape, dtype, seed=0):
    return np.asarray(2 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def reference(primitive, *arrays, **attributes):
    """By the portable implementation, on the host and in float64."""
    arrays = [a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
    with np.errstate(all="ignore"):
        return portable.bind(primitive, np)(*arrays, **attributes)


def check(found, expected, dtype, scale=1.0):
    assert (found.dtype, found.shape) == (dtype, expected.shape)
    tolerance = TOLERANCE[dtype] * scale
    np.testing.assert_allclose(found.get(), expected, rtol=tolerance, atol=tolerance)


def on(gpu, *arrays):
    return [as_array(a, target=gpu) for a in arrays]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_forward_and_backward(gpu, name, shape, dtype):
    shape, axis = SHAPES[shape]
    forward, backward = getattr(prim, name), getattr(prim, f"{name}_grad")
    x, g = draw(shape, dtype), draw(shape, dtype, 1)
    y = forward(*on(gpu, x), axis=axis)
    check(y, reference(forward, x, axis=axis), dtype, 4)
    found = backward(as_array(g, target=gpu), y, axis=axis)
    check(found, reference(backward, g, y.get(), axis=axis), dtype, 60)
    assert gpu.launches == {name: 1, f"{name}_grad": 1}
    assert not gpu.not_emulated


@pytest.mark.parametrize("label_dtype", ["int32", "int64"])
@pytest.mark.parametrize("shape", CLASSES)
def test_sparse_crossentropy(gpu, shape, label_dtype, dtype):
    shape, _ = SHAPES[shape]
    x, g = draw(shape, dtype), draw(shape[:-1], dtype, 1)
    labels = np.random.default_rng(2).integers(0, shape[-1], shape[:-1], dtype=label_dtype)
    labels.reshape(-1)[-1:] = shape[-1] - 1
    arrays = on(gpu, x, labels)
    loss, (probabilities,) = prim.sparse_softmax_crossentropy(*arrays, residuals=True)
    expected, (expected_probabilities,) = reference(prim.sparse_softmax_crossentropy, x, labels, residuals=True)
    check(loss, expected, dtype, 4)
    check(probabilities, expected_probabilities, dtype, 4)
    alone, nothing = prim.sparse_softmax_crossentropy(*arrays)
    np.testing.assert_array_equal(alone.get(), loss.get())
    assert nothing == ()
    found = prim.sparse_softmax_crossentropy_grad(*on(gpu, g, labels), probabilities)
    check(found, reference(prim.sparse_softmax_crossentropy_grad, g, labels, probabilities.get()), dtype, 4)
    assert not gpu.not_emulated


@pytest.mark.parametrize("shape", CLASSES)
def test_crossentropy(gpu, shape, dtype):
    shape, _ = SHAPES[shape]
    x, g, targets = draw(shape, dtype), draw(shape[:-1], dtype, 1), draw(shape, dtype, 2)
    targets = (abs(targets) / abs(targets.astype("float64")).sum(-1, keepdims=True)).astype(dtype)
    arrays = on(gpu, x, targets)
    loss, (probabilities,) = prim.softmax_crossentropy(*arrays, residuals=True)
    expected, (expected_probabilities,) = reference(prim.softmax_crossentropy, x, targets, residuals=True)
    check(loss, expected, dtype, 4)
    check(probabilities, expected_probabilities, dtype, 4)
    alone, nothing = prim.softmax_crossentropy(*arrays)
    np.testing.assert_array_equal(alone.get(), loss.get())
    assert nothing == ()
    found = prim.softmax_crossentropy_grad(*on(gpu, g, targets), probabilities)
    check(found, reference(prim.softmax_crossentropy_grad, g, targets, probabilities.get()), dtype, 4)
    assert not gpu.not_emulated


INF, NAN = np.inf, np.nan
EXTREMES = {
    "minus infinity": [-INF, 1, 2, -INF],
    "only minus infinity": [-INF, -INF, -INF, -INF],
    "infinity": [1, INF, 2, 3],
    "two infinities": [INF, INF, -INF, 3],
    "nan": [1, 2, NAN, 3],
    "nan and infinities": [NAN, -INF, INF, 0],
    "large": [30000, 29990, -30000, 29999],
}


@pytest.mark.parametrize("repeat", [1, 8, 1100])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes(gpu, extreme, repeat, dtype):
    """Once in four elements; in the first chunk's first elements, and in all others of each kind."""
    first = np.array(EXTREMES[extreme], dtype)
    x = np.stack([np.tile(first, repeat), np.repeat(first, repeat), np.linspace(0, 1, 4 * repeat, dtype=dtype)])
    labels = np.array([1, 4 * repeat - 1, 0], "int32")
    for primitive in (prim.softmax, prim.log_softmax):
        check(primitive(*on(gpu, x)), reference(primitive, x), dtype, 4)
        check(primitive(*on(gpu, x.T), axis=0), reference(primitive, x.T, axis=0), dtype, 4)
    for primitive, wanted in (
        (prim.sparse_softmax_crossentropy, labels),
        (prim.softmax_crossentropy, np.eye(4 * repeat, dtype=dtype)[labels]),
    ):
        loss, (probabilities,) = primitive(*on(gpu, x, wanted), residuals=True)
        expected, (expected_probabilities,) = reference(primitive, x, wanted, residuals=True)
        check(loss, expected, dtype, 4)
        check(probabilities, expected_probabilities, dtype, 4)


def test_a_label_outside_of_its_row_gives_nan(gpu, dtype):
    x, g = draw((4, 3), dtype), np.ones(4, dtype)
    for label_dtype, large in (("int32", 2**31 - 1), ("int64", 2**32 + 1)):
        labels = np.array([3, -1, 1, large], label_dtype)
        loss, (probabilities,) = prim.sparse_softmax_crossentropy(*on(gpu, x, labels), residuals=True)
        np.testing.assert_array_equal(np.isnan(loss.get()), [True, True, False, True])
        assert not np.isnan(probabilities.get()).any()
        found = prim.sparse_softmax_crossentropy_grad(*on(gpu, g, labels), probabilities)
        np.testing.assert_array_equal(np.isnan(found.get()).all(1), [True, True, False, True])
        np.testing.assert_array_equal(np.isnan(found.get()).any(1), [True, True, False, True])


def test_views_and_out(gpu, dtype):
    whole = as_array(draw((6, 5, 9), dtype), target=gpu)
    room = as_array(np.zeros(4 * 5 * 8 + 1, dtype), target=gpu)
    x, g = whole[:4, :, 1:], whole[2:, ::-1, :8]
    for start in (0, 1):
        out = room[start : start + x.size].reshape(x.shape)
        for axis in (1, 2):
            assert prim.softmax(x, axis=axis, out=out) is out
            check(out, reference(prim.softmax, x.get(), axis=axis), dtype, 4)
            assert prim.log_softmax_grad(g, x, axis=axis, out=out) is out
            check(out, reference(prim.log_softmax_grad, g.get(), x.get(), axis=axis), dtype, 400)
        labels = as_array(np.arange(40, dtype="int32").reshape(4, 10) % 8, target=gpu)[:, ::2]
        targets = np.eye(8, dtype=dtype)[labels.get()]
        scales = [
            as_array(draw((), dtype), target=gpu),
            as_array(draw((4, 1), dtype), target=gpu),
            as_array(draw((4, 5), dtype), target=gpu),
        ]
        for scale in (np.broadcast_to(s, (4, 5)) for s in scales):
            for primitive, wanted in (
                (prim.sparse_softmax_crossentropy_grad, labels),
                (prim.softmax_crossentropy_grad, as_array(targets, target=gpu)),
            ):
                assert primitive(scale, wanted, x, out=out) is out
                check(out, reference(primitive, scale.get(), wanted.get(), x.get()), dtype, 30)
        loss = room[start : start + 20].reshape(4, 5)
        assert prim.sparse_softmax_crossentropy(x, labels, out=loss)[0] is loss
        check(loss, reference(prim.sparse_softmax_crossentropy, x.get(), labels.get())[0], dtype, 4)
    assert not gpu.not_emulated


def test_what_has_no_kernel_is_left_to_the_portable_implementation(gpu, dtype):
    x = as_array(draw((3, 4), dtype), target=gpu)
    assert prim.softmax(x[:0]).shape == (0, 4)
    labels = as_array(np.array([0, 3, 2], "int8"), target=gpu)
    loss, (probabilities,) = prim.sparse_softmax_crossentropy(x, labels, residuals=True)
    check(loss, reference(prim.sparse_softmax_crossentropy, x.get(), labels.get())[0], dtype, 4)
    found = prim.sparse_softmax_crossentropy_grad(loss, labels, probabilities)
    expected = reference(prim.sparse_softmax_crossentropy_grad, loss.get(), labels.get(), probabilities.get())
    check(found, expected, dtype, 4)
    assert not gpu.launches.keys() - {"strided_copy"}
