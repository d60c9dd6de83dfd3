"""Devices as values, what is said where there is no GPU, and arrays that meet on different devices."""

import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import gpunet
from gpunet import GradientTape, Tensor, Variable, ops
from gpunet.backend import cupy_gate, devices
from gpunet.backend.devices import CPU, Device, as_array, device_of, to_device, to_host
from gpunet.testing import DeviceArray, emulated_gpu

NO_GPU = pytest.mark.skipif(bool(cupy_gate.probe().gpus), reason="there is a GPU")


@pytest.fixture
def gpu():
    with emulated_gpu() as device:
        yield device


def test_the_cpu_as_a_value():
    cpu = gpunet.device("cpu")
    assert cpu == gpunet.device("/CPU:0") == gpunet.device(cpu) == CPU
    assert cpu == "cpu"
    assert cpu != "gpu:0"
    assert (str(cpu), repr(cpu), hash(cpu)) == ("cpu", "device('cpu')", hash(CPU))
    assert gpunet.devices()[0] is CPU


@pytest.mark.parametrize("name", ["tpu", "gpu:x", "", "cpu:", "gpu 0", None, 0, "gpu:-1"])
def test_names_that_are_no_device(name):
    with pytest.raises(ValueError, match=r'device expected "cpu" or "gpu:N". Received: '):
        gpunet.device(name)


def test_there_is_one_cpu():
    with pytest.raises(ValueError, match="one device, \"cpu\". Received: 'cpu:1'"):
        gpunet.device("cpu:1")


@NO_GPU
@pytest.mark.parametrize("name", ["gpu", "gpu:0", "cuda:0", "gpu:3"])
def test_without_a_gpu_the_error_says_why(name):
    with pytest.raises(gpunet.GPUNotAvailableError, match="No GPU is available: "):
        gpunet.device(name)
    assert gpunet.default_device() == "cpu"


@pytest.fixture
def probe_again():
    yield
    cupy_gate.probe.cache_clear()


class CUDARuntimeError(RuntimeError):
    pass


def _fake_cupy(count, version="14.0", nvrtc=lambda: (12, 9), is_hip=False):
    runtime = types.SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError, is_hip=is_hip)
    cuda = types.SimpleNamespace(runtime=runtime, nvrtc=types.SimpleNamespace(getVersion=nvrtc))
    return types.SimpleNamespace(__version__=version, cuda=cuda, ndarray=type("ndarray", (), {"__module__": "cupy"}))


def _no_driver():
    raise CUDARuntimeError("cudaErrorInsufficientDriver")


def _no_nvrtc():
    raise RuntimeError('Failure finding "libnvrtc.so.12"')


class _Broken(types.ModuleType):
    """A module that cannot be imported after all."""

    def __getattr__(self, name):
        raise AttributeError("numpy.dtype size changed")


@pytest.mark.usefixtures("probe_again")
@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (None, r"CuPy cannot be imported .*install it with pip install 'gpunet\[cuda12x\]' or 'gpunet\[cuda13x\]'"),
        (_fake_cupy(_no_driver), "found no usable NVIDIA driver .cudaErrorInsufficientDriver.: install or update"),
        (_fake_cupy(lambda: 0), "reports no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES"),
        (_fake_cupy(lambda: 1, "13.6.0"), r"CuPy 13.6.0 is too old, gpunet needs 14 or newer: install it with pip"),
        (_fake_cupy(lambda: 1, nvrtc=_no_nvrtc), r"cannot load NVRTC, .*libnvrtc.so.12.*: install it with pip"),
        (_fake_cupy(lambda: 1, is_hip=True), "CuPy 14.0 is for AMD GPUs, and gpunet's kernels are for NVIDIA's"),
        (_Broken("cupy"), r"CuPy is installed but broken \(AttributeError: numpy.dtype size changed\): install it"),
    ],
    ids=["no CuPy", "no driver", "no device", "old", "no NVRTC", "ROCm", "broken"],
)
def test_the_reasons_for_no_gpu(monkeypatch, module, reason):
    monkeypatch.setitem(sys.modules, "cupy", module)
    cupy_gate.probe.cache_clear()
    with pytest.raises(gpunet.GPUNotAvailableError, match=reason):
        gpunet.device("gpu:0")
    assert gpunet.devices() == [CPU]


@pytest.mark.usefixtures("probe_again")
def test_arrays_of_an_old_cupy_are_refused_with_the_reason(monkeypatch):
    cupy = _fake_cupy(lambda: 1, "13.6.0")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    cupy_gate.probe.cache_clear()
    with pytest.raises(gpunet.GPUNotAvailableError, match="CuPy 13.6.0 is too old"):
        ops.exp(cupy.ndarray())


def test_scopes_nest_and_end_with_an_error(gpu):
    assert gpunet.default_device() == gpu
    with gpunet.device("cpu"):
        assert gpunet.default_device() == "cpu"
        with gpunet.device("gpu:0"):
            assert Variable(1.0).device == gpu
        assert Variable(1.0).device == "cpu"
        with pytest.raises(KeyError), gpu:
            raise KeyError
        assert gpunet.default_device() == "cpu"
    assert gpunet.default_device() == gpu


def test_scopes_belong_to_a_thread(gpu):
    found = []
    with gpunet.device("cpu"):
        thread = threading.Thread(target=lambda: found.append(gpunet.default_device()))
        thread.start()
        thread.join()
    assert found == [gpu]


def test_the_default_can_be_set(gpu):
    with gpunet.device("cpu"):
        pass
    try:
        gpunet.set_default_device("cpu")
        thread_default = []
        thread = threading.Thread(target=lambda: thread_default.append(gpunet.default_device()))
        thread.start()
        thread.join()
        assert thread_default == ["cpu"]
    finally:
        gpunet.set_default_device(None)


def test_the_environment_names_the_default():
    code = "import gpunet; print(gpunet.default_device())"
    run = subprocess.run([sys.executable, "-c", code], env={"GPUNET_DEVICE": "cpu"}, capture_output=True, text=True)
    assert run.stdout.strip() == "cpu", run.stderr
    run = subprocess.run([sys.executable, "-c", code], env={"GPUNET_DEVICE": "moon"}, capture_output=True, text=True)
    assert "Received: 'moon'" in run.stderr


def test_an_index_that_does_not_exist(gpu):
    with pytest.raises(ValueError, match="GPU index below 1. Received: 'gpu:1'"):
        gpunet.device("gpu:1")


def test_moving_arrays(gpu):
    x = np.arange(6.0).reshape(2, 3)
    there = to_device(x, gpu)
    assert type(there) is DeviceArray
    assert device_of(there) == gpu
    assert to_device(there, gpu) is there
    back = to_host(there)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, x)
    back[0] = 9
    assert to_host(there)[0, 0] == 0
    assert to_device(x, CPU) is x
    assert device_of(as_array([1.0])) == gpu
    assert as_array(x) is x


def test_to_device_is_differentiable(gpu):
    v = Variable(np.array([1.0, 2.0]), device=CPU)
    with GradientTape() as tape:
        y = ops.sum(ops.to_device(v, gpu) ** 2)
    assert y.device == gpu
    g = tape.gradient(y, v)
    assert g.device == "cpu"
    np.testing.assert_array_equal(g.numpy(), [2, 4])
    assert type(ops.to_device(np.ones(2), gpu)) is DeviceArray
    t = Tensor(np.ones(2))
    assert ops.to_device(t, "cpu") is t


def test_numpy_meets_a_gpu_tensor(gpu):
    t = Tensor([1.0, 2.0])
    assert t.device == gpu
    y = t * np.array([3.0, 4.0], "float32")
    assert y.device == gpu
    np.testing.assert_array_equal(y.numpy(), [3, 8])


def test_numpy_meets_a_gpu_array(gpu):
    with pytest.raises(ValueError, match=r"NumPy and gpu:0 arrays meet: move one of them.*Received"):
        ops.add(to_device(np.ones(2), gpu), np.ones(2))


def test_tensors_of_two_devices_meet(gpu):
    cpu_tensor = Tensor(np.ones(2, "float32"), device=CPU)
    with pytest.raises(ValueError, match=r"different devices.*Tensor\(shape=\(2,\)\) on gpu:0.*on cpu"):
        ops.add(Tensor([1.0, 2.0]), cpu_tensor)
    with pytest.raises(ValueError, match="different devices"):
        ops.concatenate([Tensor([1.0]), cpu_tensor])


def test_indices_follow_the_array(gpu):
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(x[np.array([1, 0])].numpy(), [[3, 4], [1, 2]])
    np.testing.assert_array_equal(ops.take(x, [1], axis=1).numpy(), [[2], [4]])
    np.testing.assert_array_equal(x[np.array([True, False])].numpy(), [[1, 2]])


def test_what_the_report_prints(gpu, capsys):
    from gpunet.backend.report import describe, print_devices

    print_devices()
    printed = capsys.readouterr().out
    assert "* gpu:0" in printed
    assert describe(CPU).startswith("cpu (")
    assert f"NumPy {np.__version__}" in printed


def test_types_that_are_no_arrays():
    for wrong in ("text", {"a": 1}, [[1.0], [2.0, 3.0]]):
        with pytest.raises((TypeError, ValueError)):
            ops.exp(wrong)
    with pytest.raises(TypeError, match="rectangular array. Received: str: 'text'"):
        ops.exp("text")


def test_devices_of_other_objects_differ():
    assert Device("gpu", 0) == "gpu:0" == Device("gpu", 0)
    assert Device("gpu", 0) == "gpu"
    assert Device("gpu", 1) != "gpu"
    assert Device("gpu", 1) != 3
    assert len({Device("gpu", 1), Device("gpu", 1), CPU}) == 2


def test_the_stand_in_refuses_numpy_arrays(gpu):
    there = to_device(np.ones(3), gpu)
    for meet in (
        lambda: there + np.ones(3),
        lambda: there[np.array([0])],
        lambda: there.__setitem__(0, np.ones(())),
        lambda: np.concatenate([there, np.ones(2)]),
    ):
        with pytest.raises(TypeError, match="met an array of the GPU"):
            meet()
    assert devices.gpu_backend().array_type is DeviceArray
