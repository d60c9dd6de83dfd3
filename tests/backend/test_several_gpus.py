"""Several GPUs: everything that is made for arrays of one of them is made there, whichever is CuPy's current one."""

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of
from gpunet.testing import emulated_gpu
from gpunet.testing.emulation import why_not
from tests.op_table import FAMILIES, checks

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def second():
    with emulated_gpu(check_races=False, gpus=2):
        yield gpunet.device("gpu:1")


def test_there_are_as_many_as_are_found(second):
    assert list(map(str, gpunet.devices())) == ["cpu", "gpu:0", "gpu:1"]
    with pytest.raises(ValueError, match="below 2. Received: 'gpu:2'"):
        gpunet.device("gpu:2")


MAKERS = {
    "zeros": lambda: ops.zeros((2, 3)),
    "ones": lambda: ops.ones((2, 3)),
    "empty": lambda: ops.empty((2, 3)),
    "arange": lambda: ops.arange(5),
    "converted": lambda: ops.convert_to_tensor([1.0, 2.0]),
    "variable": lambda: gpunet.Variable(np.ones(3)),
    "random": lambda: gpunet.random.normal((4,), seed=1),
    "moved": lambda: ops.to_device(ops.to_device(np.ones(3), "gpu:0"), "gpu:1"),
    "NumPy that meets a tensor": lambda: ops.add(ops.ones(3), np.ones(3, "float32")),
    "not contiguous": lambda: gpunet.custom_op(lambda x: x.copy())(ops.transpose(ops.ones((2, 3)))),
}


@pytest.mark.parametrize("name", MAKERS)
def test_new_arrays_are_where_they_are_asked_for(second, name):
    with second:
        assert device_of(raw(MAKERS[name]())) == second


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__.rpartition(".")[2])
def test_rows_of_the_op_table(second, family):
    for row in family.ROWS[::12]:
        if row.has_inputs:
            checks.forward(row, second)


def test_arrays_of_two_are_an_error(second):
    a, b = (ops.ones(3, device=f"gpu:{i}") for i in range(2))
    with pytest.raises(ValueError, match="on one device"):
        ops.add(a, b)


def trained(device):
    gpunet.set_random_seed(1)
    with device:
        model = gpunet.Sequential(
            [
                layers.Input((6, 6, 1)),
                layers.Conv2D(3, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Flatten(),
                layers.Dense(4, activation="softmax"),
            ]
        )
        optimizer = gpunet.optimizers.LossScaleOptimizer(gpunet.optimizers.Adam(0.01))
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    for _ in range(6):  # outside of the device's block: the model's variables say where to compute
        model.train_on_batch(rng.standard_normal((4, 6, 6, 1)).astype("float32"), rng.integers(0, 4, 4))
    return model


def test_a_model_trains_on_the_second_as_on_the_first(second):
    first, other = trained(gpunet.device("gpu:0")), trained(second)
    (recording,) = other._stepper._functions["train_step"]._recordings.values()
    assert recording.program.graph.obstacle is None
    assert recording.program.graph.captured
    for variable in (*other.variables, *other.optimizer.inner_optimizer.variables):
        assert variable.device == second, variable.path
    for a, b in zip(first.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
