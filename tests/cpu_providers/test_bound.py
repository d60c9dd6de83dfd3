"""Calls made ready for a replay: bound to their arrays, they give the bits of the implementations."""

import os
import threading
import warnings

import numpy as np
import pytest

import gpunet
from gpunet import config, layers
from gpunet.backend.onednn import library, onednn
from gpunet.backend.primitive import PRIMITIVES, backend_of

from .problems import floats

pytestmark = pytest.mark.skipif(library.find() is None, reason="oneDNN is not installed (pip install onednn-cpu-gomp)")

GEOMETRY = {"strides": (1, 1), "padding": ((1, 1), (0, 2)), "dilation": (1, 1), "groups": 1}
POOL = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
# name → shapes of the operands, attributes, the result's shape
CASES = {
    "conv": (("conv", [(2, 9, 8, 6), (3, 3, 6, 5), (5,)], GEOMETRY), (2, 9, 8, 5)),
    "conv_relu": (("conv", [(2, 9, 8, 6), (3, 3, 6, 16), (16,)], GEOMETRY | {"activation": "relu"}), (2, 9, 8, 16)),
    "conv_bare": (("conv", [(2, 9, 8, 16), (3, 3, 16, 16)], GEOMETRY), (2, 9, 8, 16)),
    "input_grad": (("conv_input_grad", [(2, 9, 8, 5), (3, 3, 6, 5)], GEOMETRY | {"spatial": (9, 8)}), (2, 9, 8, 6)),
    "weight_grad": (("conv_weight_grad", [(2, 9, 8, 6), (2, 9, 8, 5)], GEOMETRY | {"window": (3, 3)}), (3, 3, 6, 5)),
    "matmul": (("matmul", [(70, 80), (60, 80)], {"transpose_b": True}), (70, 60)),
    "linear": (("linear", [(70, 80), (80, 60), (60,)], {"activation": "relu"}), (70, 60)),
    "linear_narrow": (("linear", [(400, 8), (8, 60), (60,)], {"activation": "relu"}), (400, 60)),
    "linear_weight_grad": (("linear_weight_grad", [(70, 80), (70, 60)], {}), (80, 60)),
    "max_pool": (("max_pool", [(2, 8, 8, 9)], POOL | {"residuals": True}), (2, 4, 4, 9)),
}


def call(case):
    (name, shapes, attributes), shape = CASES[case]
    rng = np.random.default_rng(0)
    arrays = [floats(rng, *s) for s in shapes]
    out = np.empty(shape, "float32")
    return PRIMITIVES[name], arrays, attributes | {"out": out}, out


def ready(case):
    primitive, arrays, attributes, out = call(case)
    run = backend_of(np.ndarray).ready(primitive, lambda: "general", *arrays, **attributes)
    return run, arrays, out


@pytest.mark.parametrize("case", CASES)
def test_a_bound_call_gives_the_bits_of_its_implementation(case):
    run, arrays, out = ready(case)
    primitive, _, attributes, expected = call(case)
    for scale in (1.0, -2.0):  # what is in the arrays may change, where they are may not
        for a in arrays:
            a *= np.float32(scale)
        found, reference = run(), primitive(*arrays, **attributes)
        assert found is out or found[0] is out
        np.testing.assert_array_equal(out, expected)
        if type(found) is tuple:
            np.testing.assert_array_equal(found[1][0], reference[1][0])


@pytest.mark.parametrize("case", ["conv_relu", "linear", "linear_narrow"])
def test_a_bound_relu_passes_nan_on(case):
    run, arrays, out = ready(case)
    run()
    assert not np.isnan(out).any()
    arrays[0].reshape(-1)[0] = np.nan
    run()
    assert np.isnan(out).any()


def test_a_bound_maximum_leaves_nan_and_other_threads_to_the_implementation():
    run, arrays, _ = ready("max_pool")
    assert run() != "general"
    found = []
    other = threading.Thread(target=lambda: found.append(run()))
    other.start()
    other.join()
    assert found == ["general"]
    arrays[0][0, 0, 0, 0] = np.nan
    assert run() == "general"


def test_what_cannot_be_bound_stays_general():
    primitive, arrays, attributes, _ = call("conv")
    strided = np.empty((2, 9, 8, 10), "float32")[..., ::2]
    for given, options in (
        (arrays, attributes | {"out": strided}),
        ([arrays[0].astype("float64"), *arrays[1:]], attributes),
        (arrays, attributes | {"activation": "tanh"}),
    ):
        run = backend_of(np.ndarray).ready(primitive, lambda: "general", *given, **options)
        assert run() == "general"


SMALL = {
    "matmul": ([(7, 8), (8, 6)], {}, (7, 6)),
    "matmul_transposed": ([(8, 7), (6, 8)], {"transpose_a": True, "transpose_b": True}, (7, 6)),
    "linear": ([(7, 8), (8, 6), (6,)], {"activation": "relu"}, (7, 6)),
    "linear_weight_grad": ([(7, 8), (7, 6)], {}, (8, 6)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", SMALL)
def test_small_products_are_bound_to_blas(case, dtype):
    shapes, attributes, shape = SMALL[case]
    primitive = PRIMITIVES[case.removesuffix("_transposed")]
    rng = np.random.default_rng(0)
    arrays, out = [floats(rng, *s).astype(dtype) for s in shapes], np.empty(shape, dtype)
    run = backend_of(np.ndarray).ready(primitive, lambda: "general", *arrays, **attributes, out=out)
    if dtype == "float16":
        assert run() == "general"
        return
    assert run() is out
    np.testing.assert_array_equal(out, primitive(*arrays, **attributes))


def test_every_binder_has_a_case_and_an_implementation():
    assert set(onednn.binders) == {name for (name, _, _), _ in CASES.values()}
    assert set(onednn.binders) <= set(onednn.implementations)


def model():
    gpunet.set_random_seed(0)
    net = gpunet.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(8, 3, activation="relu"), layers.Flatten()])
    net.compile("sgd", "mse")
    return net


def trained(net, steps):
    x = floats(np.random.default_rng(0), 32, 8, 8, 3)
    for _ in range(steps):
        net.train_on_batch(x, np.ones((32, 288), "float32"))
    return net.get_weights()[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_records_anew():
    """Its parent's recording holds calls of oneDNN, which would wait for threads that the child has not got."""
    net = model()
    expected = trained(model(), 9)
    trained(net, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(trained(net, 4), expected, atol=1e-4) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_other_providers_and_threads_begin_recordings_anew():
    net, expected = model(), trained(model(), 12)
    trained(net, 4)
    (recording,) = net._stepper._functions["train_step"]._recordings.values()
    first = recording.program
    assert first is not None
    try:
        config.set_cpu_providers(["numpy"])
        trained(net, 4)
        assert recording.program is not None
        assert recording.program is not first
    finally:
        config.set_cpu_providers(None)
    np.testing.assert_allclose(trained(net, 4), expected, atol=1e-4)
