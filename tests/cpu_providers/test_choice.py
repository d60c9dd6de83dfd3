"""Which providers serve NumPy arrays: by configuration, environment, what is installed, and after a fork."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import gpunet
from gpunet import config
from gpunet.backend.devices import backend_of
from gpunet.backend.onednn import library
from gpunet.backend.primitive import ArrayBackend, Primitive, Provider
from gpunet.backend.primitives import conv as conv_prim
from gpunet.backend.primitives import matmul as matmul_prim
from gpunet.backend.primitives import update as update_prim

from .problems import floats, needs_numba

needs_onednn = pytest.mark.skipif(not library.is_usable(), reason=f"no oneDNN: {library.absence()}")


def python(code, **environment):
    """The output of a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def provider_of(primitive):
    return backend_of(np.ndarray).provider_of(primitive)


@needs_onednn
def test_providers_are_chosen_and_taken_back():
    config.set_cpu_providers(None)
    assert provider_of(conv_prim.conv) == "onednn"
    config.set_cpu_providers(["numpy"])
    assert config.cpu_providers() == ("numpy",)
    assert provider_of(conv_prim.conv) == "numpy"
    config.set_cpu_providers(())
    assert provider_of(conv_prim.conv) == "portable"
    config.set_cpu_providers(["numpy", "onednn"])  # in any order: the fastest is asked first
    assert config.cpu_providers() == ("onednn", "numpy")
    assert provider_of(matmul_prim.matmul) == "onednn"


def test_unknown_providers_are_refused():
    before = config.cpu_providers()
    for names in (["cuda"], "numpy", [1]):
        with pytest.raises(ValueError, match="Received"):
            config.set_cpu_providers(names)
    assert config.cpu_providers() == before


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_set_threads_refuses_what_is_no_count(count):
    with pytest.raises(ValueError, match="set_threads expected a positive int"):
        config.set_threads(count)


def test_set_threads_reaches_blas_and_splits():
    from gpunet.backend.cpu import threads

    config.set_threads(1)
    assert threads.thread_count() == 1
    if threads._blas() is not None:
        assert threads._blas()[0]() == 1
    config.set_threads(None)
    assert threads.thread_count() >= 1


def test_the_environment_names_providers():
    code = (
        "import gpunet.ops, numpy; from gpunet.backend.devices import backend_of; "
        "from gpunet.backend.primitives import conv; print(backend_of(numpy.ndarray).provider_of(conv.conv))"
    )
    assert python(code, GPUNET_CPU_PROVIDERS="numpy") == ["numpy"]
    assert python(code, GPUNET_CPU_PROVIDERS="portable") == ["portable"]


def test_importing_loads_no_native_library():
    """Neither Numba nor oneDNN: not by importing gpunet, nor by arithmetic that has no use for them."""
    code = (
        "import sys, numpy, gpunet, gpunet.ops as ops; x = ops.add(numpy.ones(3, 'f'), 1); "
        "print('numba' in sys.modules, 'dnnl' in open('/proc/self/maps').read())"
    )
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("needs /proc to see which libraries are loaded")
    assert python(code) == ["False", "False"]


def test_a_partial_provider_hands_on_what_it_declines():
    calls = []
    first, second, third = Provider("first", partial=True), Provider("second", partial=True), Provider("third")
    absent = Provider("absent", available=lambda: False)
    primitive = Primitive("test_partial", lambda x: x)
    try:
        first.implements(primitive)(lambda x: "first" if x == 1 else NotImplemented)
        second.implements(primitive)(lambda x: "second" if x == 2 else NotImplemented)
        third.implements(primitive)(lambda x: calls.append(x) or "third")
        absent.implements(primitive)(lambda x: "absent")
        run = ArrayBackend(int, None, [absent, first, second, third]).implementation(primitive)
        assert [run(1), run(2), run(3)] == ["first", "second", "third"]
        assert calls == [3]
        with pytest.raises(NotImplementedError, match="test_partial has no implementation"):
            ArrayBackend(int, None, [first, second]).implementation(primitive)
    finally:
        from gpunet.backend.primitive import PRIMITIVES

        del PRIMITIVES["test_partial"]


@needs_onednn
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_computes_without_openmp():
    rng = np.random.default_rng(0)
    a, b = floats(rng, 300, 300), floats(rng, 300, 300)
    config.set_cpu_providers(None)
    expected = matmul_prim.matmul(a, b)  # OpenMP's threads are running now
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads
        child = os.fork()
    if child == 0:
        good = provider_of(matmul_prim.matmul) == "numpy" and np.allclose(matmul_prim.matmul(a, b), expected, atol=1e-3)
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert provider_of(matmul_prim.matmul) == "onednn"


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_during_a_compilation_can_compile():
    code = """
import os, threading, time, warnings
from gpunet.backend.numba_cpu import compiled, loops
make = lambda: compiled.Loop(loops.sgd, "void(float32[::1], float32[::1], float32, intp)")
first, second = make(), make()
compiler = threading.Thread(target=first.now)
compiler.start()
time.sleep(0.05)
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    os._exit(0 if second.now() is not None else 1)
compiler.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(code) == ["0"]


def test_without_the_extra_everything_runs_on_numpy():
    code = """
import sys
sys.modules["numba"] = None
from gpunet.backend.onednn import library
library._candidates = lambda: iter(["/no/such/libdnnl.so.3", "libdnnl_missing.so.3"])
import numpy as np
from gpunet import ops
from gpunet.backend.report import cpu_extras, provider_shares
from gpunet.backend.devices import device
y = ops.conv(np.ones((2, 8, 8, 3), "float32"), np.ones((3, 3, 3, 4), "float32"))
assert (y == 27).all()
assert not {"onednn", "numba"} & set(provider_shares(device("cpu")))
try:
    library.library()
except library.OneDNNError as error:
    assert "libdnnl_missing.so.3" in str(error) and "pip install onednn-cpu-gomp" in str(error)
    print(cpu_extras().split(":")[0])
"""
    assert python(code) == ["no", "oneDNN"]


@needs_numba
def test_numba_is_imported_only_when_it_pays():
    """A few small updates stay with NumPy; nothing of Numba is loaded for them."""
    code = (
        "import sys, numpy as np, gpunet.ops; from gpunet.backend.primitives import update; p = np.ones(999, 'f')\n"
        "for i in range(9): update.sgd(p, p.copy(), np.float32(0.1))\n"
        "print('numba' in sys.modules)"
    )
    assert python(code) == ["False"]


def test_devices_shows_the_providers(capsys):
    from gpunet.backend.report import print_devices

    config.set_cpu_providers(["numpy"])
    print_devices()
    shown = capsys.readouterr().out
    assert "numpy (" in shown
    assert "onednn (" not in shown


def train():
    """The weights after a few steps of a small convolutional network."""
    gpunet.set_random_seed(0)
    model = gpunet.Sequential(
        [
            gpunet.Input((12, 12, 3)),
            gpunet.layers.Conv2D(8, 3, padding="same", activation="relu"),
            gpunet.layers.BatchNormalization(),
            gpunet.layers.MaxPooling2D(),
            gpunet.layers.Conv2D(8, 3, strides=2),
            gpunet.layers.AveragePooling2D(2, padding="same"),
            gpunet.layers.Flatten(),
            gpunet.layers.Dense(5),
        ]
    )
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(gpunet.optimizers.Adam(), loss)
    rng = np.random.default_rng(0)
    model.fit(floats(rng, 256, 12, 12, 3), rng.integers(0, 5, 256), batch_size=128, epochs=2, verbose=0)
    return model.get_weights()


@needs_onednn
def test_training_is_repeatable_and_agrees_between_providers():
    config.set_cpu_providers(None)
    first, second = train(), train()
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    config.set_cpu_providers(["numpy"])
    for a, b in zip(first, train()):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_update_primitives_fall_through_to_numpy_for_float64():
    p = np.ones(5)
    update_prim.sgd(p, np.ones(5), np.float64(0.5))
    np.testing.assert_array_equal(p, 0.5)
