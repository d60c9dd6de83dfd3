"""Calls made ready for a replay: bound to their arrays, they give the bits of the implementations."""

import os
import threading
import warnings

import numpy as np
import pytest

import gpunet
from gpunet import config, layers
from gpunet.backend.cpu import cpu
from gpunet.backend.numba_cpu import numba
from gpunet.backend.numba_cpu.compiled import Loop
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
    "matmul_in_shares": (("matmul", [(20, 64), (768, 64)], {"transpose_b": True}), (20, 768)),
    "linear_in_shares": (("linear", [(20, 768), (768, 64), (64,)], {"activation": "relu"}), (20, 64)),
    "linear_in_shares_bare": (("linear", [(20, 768), (768, 64), None], {}), (20, 64)),
    "linear_of_steps_in_shares": (("linear", [(2, 10, 768), (768, 64), (64,)], {"activation": "relu"}), (2, 10, 64)),
    "weight_grad_in_shares": (("linear_weight_grad", [(20, 768), (20, 64)], {}), (768, 64)),
    "linear_weight_grad": (("linear_weight_grad", [(70, 80), (70, 60)], {}), (80, 60)),
    "linear_of_steps": (("linear", [(7, 10, 80), (80, 60), (60,)], {}), (7, 10, 60)),
    "weight_grad_of_steps": (("linear_weight_grad", [(7, 10, 80), (7, 10, 60)], {}), (80, 60)),
    "max_pool": (("max_pool", [(2, 8, 8, 9)], POOL | {"residuals": True}), (2, 4, 4, 9)),
    "avg_pool": (("avg_pool", [(2, 8, 8, 9)], POOL), (2, 4, 4, 9)),
    "avg_pool_grad": (("avg_pool_grad", [(2, 4, 4, 9)], POOL | {"spatial": (8, 8)}), (2, 8, 8, 9)),
}


def call(case):
    (name, shapes, attributes), shape = CASES[case]
    rng = np.random.default_rng(0)
    arrays = [None if s is None else floats(rng, *s) for s in shapes]
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
            if a is not None:
                a *= np.float32(scale)
        found, reference = run(), primitive(*arrays, **attributes)
        assert found is out or found[0] is out
        np.testing.assert_array_equal(out, expected)
        if type(found) is tuple:
            np.testing.assert_array_equal(found[1][0], reference[1][0])


@pytest.mark.parametrize("case", ["conv_relu", "linear", "linear_narrow", "linear_in_shares"])
def test_a_bound_relu_passes_nan_on(case):
    run, arrays, out = ready(case)
    run()
    assert not np.isnan(out).any()
    arrays[0].reshape(-1)[0] = np.nan
    run()
    assert np.isnan(out).any()


@pytest.mark.parametrize("case", ["conv_relu", "linear", "linear_narrow", "linear_in_shares"])
def test_a_bound_relu_passes_on_the_nan_that_infinity_makes(case):
    run, arrays, out = ready(case)
    arrays[0].reshape(-1)[0] = np.inf
    arrays[1][...] = 0
    run()
    assert np.isnan(out).any()


def test_a_bound_maximum_leaves_nan_to_the_implementation():
    primitive, arrays, attributes, out = call("max_pool")
    general = lambda: primitive(*arrays, **attributes)
    run = backend_of(np.ndarray).ready(primitive, general, *arrays, **attributes)
    run()
    assert np.isfinite(out).all()
    arrays[0][0, 0, 0, 0] = np.nan
    arrays[0][1, 0, 0, 0] = 9.0
    run()
    assert np.isnan(out[0, 0, 0, 0])
    assert run.parts[0] is out
    np.testing.assert_array_equal(run.parts[1], general()[1][0])  # the residual is where later calls look for it


def test_another_thread_replays_without_bound_calls():
    """Their work space belongs to the thread that recorded."""
    x = floats(np.random.default_rng(0), 8, 8, 8, 3)
    net = gpunet.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(8, 3, activation="relu")])
    step = gpunet.function(lambda x: gpunet.ops.max_pool(net(x), 2))
    expected = [step(x).numpy() for _ in range(4)][-1]
    found = []
    for _ in range(2):
        other = threading.Thread(target=lambda: found.append(step(x).numpy()))
        other.start()
        other.join()
    found.append(step(x).numpy())
    for values in found:
        np.testing.assert_array_equal(values, expected)
    (recording,) = step._recordings.values()
    assert "_elsewhere" in recording.program.__dict__


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


LABELS = np.array([3, 0, 9, 9, 1, 7], "int32")
RATE, STEP = np.asarray(0.02, "float32"), np.asarray(7, "int32")
# provider, primitive, operands (shapes of floats, or arrays), attributes, the result's shape and dtype or None
ADAM = [(99,), (99,), (99,), "positive", RATE, STEP], {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}, None
OTHERS = {
    "max_pool_grad": (onednn, "max_pool_grad", [(2, 4, 4, 9), "winner"], POOL | {"spatial": (8, 8)}, (2, 8, 8, 9)),
    "scattered": (numba, "max_pool_grad", [(9, 20, 20, 3), "winner"], POOL | {"spatial": (40, 40)}, (9, 40, 40, 3)),
    "relu": (numba, "relu", [(40, 50)], {}, (40, 50)),
    "erf": (numba, "erf", [(40, 50)], {}, (40, 50)),
    "relu_grad": (numba, "relu_grad", [(40, 50), (40, 50)], {}, (40, 50)),
    "relu_grad_small": (cpu, "relu_grad", [(4, 5), (4, 5)], {}, (4, 5)),
    "crossentropy": (cpu, "sparse_softmax_crossentropy", [(6, 10), LABELS], {"residuals": True}, (6,)),
    "crossentropy_wide": (cpu, "sparse_softmax_crossentropy", [(6, 99), LABELS], {"residuals": False}, (6,)),
    "crossentropy_grad": (cpu, "sparse_softmax_crossentropy_grad", [(6,), LABELS, (6, 10)], {}, (6, 10)),
    "sum": (cpu, "sum", [(6, 10)], {"axis": (1,), "keepdims": True}, (6, 1)),
    "sum_rows": (cpu, "sum", [(40, 90)], {"axis": (0,)}, (90,)),
    "sum_many_rows": (cpu, "sum", [(70, 9, 9, 6)], {"axis": (0, 1, 2)}, (6,)),
    "mean": (cpu, "mean", [(6, 10)], {}, ()),
    "mean_rows": (cpu, "mean", [(40, 90)], {"axis": (0,)}, (90,)),
    "argmax": (cpu, "argmax", [(6, 10)], {"axis": 1}, (6,)),
    "argmax_kept": (cpu, "argmax", [(6, 10)], {"axis": 0, "keepdims": True}, (1, 10)),
    "check_labels": (cpu, "check_labels", [LABELS], {"classes": 10}, None),
    "assign_add": (cpu, "assign_add", [(6, 10), (10,)], {}, None),
    "assign_add_number": (cpu, "assign_add", [(6, 10), 0.1], {}, None),
    "count_step": (cpu, "count_step", [STEP], {}, None),
    "sgd": (numba, "sgd", [(99,), (99,), RATE], {}, None),
    "momentum": (numba, "momentum", [(99,)] * 3 + [RATE], {"momentum": 0.9, "nesterov": True}, None),
    "rmsprop": (numba, "rmsprop", [(99,), (99,), "positive", RATE], {"rho": 0.9, "epsilon": 1e-7}, None),
    "adam": (numba, "adam", *ADAM),
    "adam_by_numpy": (cpu, "adam", *ADAM),
}


def drawn(what, rng, shapes):
    if isinstance(what, str):
        return floats(rng, 99) ** 2 if what == "positive" else rng.integers(0, 4, shapes[0]).astype("uint8")
    if isinstance(what, tuple):
        return floats(rng, *what)
    return what.copy() if isinstance(what, np.ndarray) else what


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("case", OTHERS)
def test_every_other_bound_call_gives_the_bits_of_its_implementation(case, compiled, monkeypatch):
    provider, name, operands, attributes, shape = OTHERS[case]
    if provider is numba and not numba.available():
        pytest.skip("Numba is not installed")
    when_ready = Loop.when_ready
    monkeypatch.setattr(Loop, "when_ready", lambda self, n: (self.now(n), when_ready(self, n))[1] if compiled else None)
    primitive, (ours, theirs) = (
        PRIMITIVES[name],
        [
            [drawn(what, rng, operands) for what in operands]
            for rng in (np.random.default_rng(0), np.random.default_rng(0))
        ],
    )
    dtype = "int32" if name == "argmax" else "float32"
    outs = [{} if shape is None else {"out": np.empty(shape, dtype)} for _ in range(2)]
    assert provider.binders[name](*ours, **attributes, **outs[0]) not in (None, NotImplemented)
    run = backend_of(np.ndarray).ready(
        primitive, lambda: primitive(*ours, **attributes, **outs[0]), *ours, **attributes, **outs[0]
    )
    for _ in range(2):
        found, expected = run(), primitive(*theirs, **attributes, **outs[1])
        if shape is not None and type(expected) is tuple:
            np.testing.assert_array_equal(
                np.hstack([r.ravel() for r in found[1]] or [0]), np.hstack([r.ravel() for r in expected[1]] or [0])
            )
        for a, b in zip([*ours, *outs[0].values()], [*theirs, *outs[1].values()]):
            np.testing.assert_array_equal(a, b)


def test_a_bound_check_raises_for_labels_that_change():
    labels = LABELS.copy()
    run = backend_of(np.ndarray).ready(PRIMITIVES["check_labels"], lambda: "general", labels, classes=10)
    run()
    labels[2] = -1
    with pytest.raises(ValueError, match="a label -1"):
        run()


def test_every_binder_has_a_case_and_an_implementation():
    tested = [(onednn, name) for (name, _, _), _ in CASES.values()]
    tested += [(cpu, case.removesuffix("_transposed")) for case in SMALL]
    tested += [(provider, name) for provider, name, *_ in OTHERS.values()]
    batch_norm = ["batch_norm", "batch_norm_grad", "batch_norm_relu", "batch_norm_relu_grad", "scale_shift_relu"]
    crossentropy = ["sparse_softmax_crossentropy", "sparse_softmax_crossentropy_grad"]
    tested += [(numba, name) for name in (*batch_norm, *crossentropy)]  # in test_numba.py
    rows = ["lstm", "lstm_grad", "gru", "gru_grad", "softmax", "softmax_grad"]
    tested += [(numba, name) for name in rows]  # in test_recurrent.py and test_rows.py
    one_pass = ["layer_norm", "gelu", "gelu_tanh", "silu"]  # in test_layer_norm.py and test_activation.py
    tested += [(numba, name + suffix) for name in one_pass for suffix in ("", "_grad")]
    for provider in (onednn, numba, cpu):
        assert set(provider.binders) == {name for owner, name in tested if owner is provider}
        assert set(provider.binders) <= set(provider.implementations)


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
