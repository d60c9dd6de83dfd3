"""Ops whose results depend on values, and what composed ops say of bad arguments."""

import numpy as np
import pytest

from gpunet import ops
from gpunet.testing import emulated_gpu


def test_places_and_distinct_values():
    x = np.array([[0, 3, 0], [3, 1, 0]])
    for find in (ops.nonzero, ops.where):
        for got, wanted in zip(find(x), np.nonzero(x), strict=True):
            np.testing.assert_array_equal(got, wanted)
    values, inverse, counts = ops.unique(x, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values, [0, 1, 3])
    np.testing.assert_array_equal(counts, [3, 1, 2])
    np.testing.assert_array_equal(values[inverse], x)
    np.testing.assert_array_equal(ops.unique(x, size=5, fill_value=9), [0, 1, 3, 9, 9])
    np.testing.assert_array_equal(ops.unique(x, size=2), [0, 1])
    np.testing.assert_array_equal(ops.unique(x[:, [0, 0]], axis=1), x[:, [0]])
    with emulated_gpu() as gpu:
        assert ops.unique(ops.convert_to_tensor([2.0, 2.0])).device == gpu


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.quantile(x, 0.5, method="best"), "method must be one of"),
        (lambda x: ops.average(x, 0, weights=np.ones((2, 1))), "weights must have the shape of x"),
        (lambda x: ops.searchsorted(x, x), "1-D sorted"),
        (lambda x: ops.searchsorted(x[0], x, side="up"), "'left' or 'right'"),
        (lambda x: ops.histogram(x, 0), "positive integer"),
        (lambda x: ops.histogram(x, 3, (2, 1)), "ascending order"),
        (lambda x: ops.bincount(x, sparse=True), "sparse"),
        (lambda x: ops.multi_hot(x), "num_classes"),
        (lambda x: ops.select([], []), "at least one"),
        (lambda x: ops.diag(x[None]), "a vector or a matrix"),
        (lambda x: ops.rot90(x, axes=(0, 0)), "two different axes"),
        (lambda x: ops.cross(np.ones(4), np.ones(4)), "2 or 3 components"),
        (lambda x: ops.depth_to_space(np.ones((1, 2, 2, 3)), 2), "divisible by 4"),
        (lambda x: ops.space_to_depth(np.ones((1, 3, 2, 3)), 2), "divisible by 2"),
        (lambda x: ops.fold(np.ones((1, 8, 5)), (4, 4), 2), "fold expected x of shape"),
        (lambda x: ops.segment_sum(x, [0]), "`segment_ids` should be a vector"),
        (lambda x: ops.correlate(x, x), "two vectors"),
        (lambda x: ops.correlate(x[0], x[0], "some"), "'valid', 'same' or 'full'"),
        (lambda x: ops.psnr(x, x[0], 1.0), "one shape"),
        (lambda x: ops.adaptive_max_pool(x, 2), "rank 3 to 5"),
        (lambda x: ops.image.resize(x[..., None], (0, 2)), "2 positive integers"),
        (lambda x: ops.image.resize(x, (1, 2)), "Invalid images rank"),
        (lambda x: ops.image.resize(x[..., None], (1, 2), "linear"), "interpolation"),
        (lambda x: ops.image.resize(x[..., None], (1, 2), fill_mode="edge"), "fill_mode"),
        (lambda x: ops.image.affine_transform(x[..., None], np.ones((1, 1, 8))), "Invalid transform rank"),
        (lambda x: ops.image.map_coordinates(x, np.ones((3, 2)), 1), "the same as the rank"),
        (lambda x: ops.image.map_coordinates(x, np.ones((2, 2)), 3), "order"),
        (lambda x: ops.image.perspective_transform(x[..., None], x, x), "Invalid start_points shape"),
        (lambda x: ops.image.rgb_to_grayscale(x[..., None, None] * np.ones(2)), "Invalid channel size"),
        (lambda x: ops.image.rgb_to_hsv(np.ones((2, 2, 3), int)), "expected float dtype"),
        (lambda x: ops.image.crop_images(x[..., None], 1), "exactly two of"),
        (lambda x: ops.image.pad_images(x[..., None], 1, 0, 0, target_width=1), "right_padding must be >= 0"),
        (lambda x: ops.image.extract_patches(x[..., None], (1, 2, 3, 4)), "length 2 or 3"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([[1.0, 2.0], [3.0, 4.0]]))


def test_unique_tells_where_each_occurs_first():
    values, first, counts = ops.unique(np.array([3, 1, 3, 2, 1]), return_index=True, return_counts=True)
    np.testing.assert_array_equal(values, [1, 2, 3])
    np.testing.assert_array_equal(first, [1, 3, 0])
    np.testing.assert_array_equal(counts, [2, 1, 2])
    values, first = ops.unique(np.array([3, 1, 3]), return_index=True, size=3, fill_value=9)
    np.testing.assert_array_equal(values, [1, 3, 9])
    np.testing.assert_array_equal(first, [1, 0, 0])
