"""Where new tensors go."""

import numpy as np

from gpunet import Tensor, device, ops
from gpunet.layers import UpSampling2D
from gpunet.testing import emulated_gpu


def test_numpy_becomes_a_tensor_on_the_default_device():
    x = np.ones(3, "float32")
    assert np.shares_memory(ops.convert_to_tensor(x).array, x)
    with emulated_gpu():
        assert ops.convert_to_tensor(x).device == "gpu:0"
        assert Tensor(x).device == "cpu"
        on_gpu = ops.convert_to_tensor(x)
        with device("cpu"):
            assert ops.convert_to_tensor(on_gpu).device == "gpu:0"


def test_bilinear_upsampling_stays_on_the_device_of_its_input():
    x = np.random.default_rng(0).random((1, 3, 3, 2), dtype="float32")
    expected = UpSampling2D(2, interpolation="bilinear")(Tensor(x))
    with emulated_gpu():
        found = UpSampling2D(2, interpolation="bilinear")(ops.convert_to_tensor(x))
        with device("cpu"):
            elsewhere = UpSampling2D(2, interpolation="bilinear")(ops.convert_to_tensor(found))
        assert found.device == elsewhere.device == "gpu:0"
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-6)


def test_an_emulated_gpu_inside_another_leaves_the_outer_one_as_it_was():
    with emulated_gpu() as outer:
        x = ops.ones((2, 3))
        with emulated_gpu(schedule=3) as inner:
            ops.relu(x) + x
        assert sum(inner.launches.values()) > 0
        before = dict(outer.launches)
        assert (x + x).device == "gpu:0"
        assert outer.launches != before


def test_an_element_of_a_device_array_is_a_view_as_cupy_has_it():
    with emulated_gpu():
        x = ops.zeros((2, 3)).array
        x[1, 2][...] = 5.0
        x[0][1][...] = 3.0
        assert x.get().tolist() == [[0, 3, 0], [0, 0, 5]]
