"""The runtime on CuPy, of which a small part is played by a stand-in, and compiling ahead."""

from types import SimpleNamespace

import numpy as np
import pytest

from gpunet import cli
from gpunet.backend import cupy_gate
from gpunet.backend.cuda.launcher import all_specialisations
from gpunet.backend.cuda.runtime import CupyRuntime
from gpunet.backend.cuda.source import signatures_of
from gpunet.testing.emulation import EmulatedRuntime


class Nvtx(list):
    def __init__(self):
        super().__init__()
        self.arguments = []

    def RangePush(self, name):
        self.append(name)

    def RangePop(self):
        self.append("end")


class CupyArray(np.ndarray):
    device = SimpleNamespace(id=0)


@pytest.fixture
def cupy(monkeypatch):
    """CuPy's module, kernels and NVTX, which note what is done."""
    log = Nvtx()

    def raw_module(code, options, backend):
        log.append("module")
        log.code = code

        def compiled(name):
            def launch(grid, block, arguments):
                log.append((name, grid, block))
                log.arguments.append(arguments)

            return SimpleNamespace(kernel=launch)

        return SimpleNamespace(get_function=compiled)

    cuda = SimpleNamespace(nvtx=log, runtime=SimpleNamespace(getDevice=lambda: 0), Device=None)
    module = SimpleNamespace(RawModule=raw_module, cuda=cuda, ndarray=CupyArray, log=log)
    monkeypatch.setattr(cupy_gate, "probe", lambda: SimpleNamespace(cupy=module))
    return module


@pytest.mark.parametrize("ranges", [False, True])
def test_kernels_are_held_and_named_for_profilers(cupy, monkeypatch, ranges):
    monkeypatch.setenv("GPUNET_NVTX", "1" if ranges else "")
    specialisation = next(s for s in all_specialisations() if s.file == "random.cu")
    runtime = CupyRuntime()
    for name in ("random_bits", "next_state", "random_bits"):
        runtime.launch(specialisation[name], (2, 1, 1), (32, 1, 1), [np.zeros(2).view(CupyArray)])
    bits, state = ("random_bits", (2, 1, 1), (32, 1, 1)), ("next_state", (2, 1, 1), (32, 1, 1))
    if ranges:
        expected = ["random_bits", bits, "end", "next_state", state, "end", "random_bits", bits, "end"]
    else:
        expected = [bits, state, bits]
    assert cupy.log == ["module", *expected]


@pytest.mark.parametrize("file", sorted({s.file for s in all_specialisations()}))
def test_what_cupy_compiles_is_ascii_and_has_the_lines_of_the_source(cupy, file):
    specialisation = next(s for s in all_specialisations() if s.file == file)
    CupyRuntime().function(next(iter(specialisation.kernels().values())))
    code, text = cupy.log.code, specialisation.text()
    assert code.isascii()
    assert code.count("\n") == text.count("\n")
    assert signatures_of(code, specialisation.defines) == signatures_of(text, specialisation.defines)


def test_absent_operands_are_null_pointers(cupy):
    specialisation = next(s for s in all_specialisations() if s.file == "gemm.cu")
    a, struct = np.zeros(2).view(CupyArray), np.zeros(1, [("rows", "i4")])
    CupyRuntime().launch(specialisation["gemm"], (1, 1, 1), (32, 1, 1), [a, None, np.int32(3), struct])
    (found,) = cupy.log.arguments
    assert found[0] is a
    assert found[1].dtype == np.uint64
    assert found[1:3] == (0, 3)
    assert found[3] is struct


def test_warmup_compiles_every_specialisation(gpu, monkeypatch, capsys):
    compiled = []
    monkeypatch.setattr(EmulatedRuntime, "compile", lambda self, specialisation: compiled.append(specialisation))
    assert cli.main(["warmup"]) == 0
    assert sorted(s.name for s in compiled) == sorted(s.name for s in all_specialisations())
    assert f"{len(compiled)} sets of kernels for gpu:0" in capsys.readouterr().out


def test_warmup_without_a_gpu_says_why(capsys):
    if cupy_gate.probe().gpus:
        pytest.skip("there is a GPU")
    assert cli.main(["warmup"]) == 1
    assert "gpunet warmup: No GPU is available: " in capsys.readouterr().err
