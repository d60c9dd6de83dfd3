"""Settings of the process: made when asked for, never against the user's own."""

import ctypes
import logging
import os
import subprocess
import sys

import pytest

import gpunet
from gpunet.backend import process, report
from gpunet.backend.cpu import blas

MALLOC = [name for name in os.environ if name.startswith("MALLOC_")]


@pytest.fixture
def calls(monkeypatch):
    """Calls of mallopt in place of real ones, in a process where the user has set nothing."""
    found = []

    class Library:
        def __init__(self, name):
            pass

        def mallopt(self, name, value):
            found.append((name, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(process.platform, "libc_ver", lambda: ("glibc", "2.40"))
    for name in ("GLIBC_TUNABLES", *MALLOC):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.fixture
def machine(monkeypatch):
    """A processor with AVX-512 whose OpenBLAS has kernels for Haswell."""
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(blas, "core", lambda: "Haswell")
    monkeypatch.setattr(process, "_processor_flags", lambda: process._AVX512 | {"fpu"})
    return monkeypatch


def test_memory_is_kept(calls, machine):
    machine.setattr(blas, "core", lambda: "SkylakeX")
    assert gpunet.tune_process() == []
    assert calls == [(-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 1 << 26)]


@pytest.mark.parametrize("setting", ["MALLOC_TOP_PAD_=1", "MALLOC_ARENA_MAX=1", "GLIBC_TUNABLES=glibc.malloc.check=1"])
def test_settings_of_the_user_stay(calls, monkeypatch, setting):
    monkeypatch.setenv(*setting.split("=", 1))
    gpunet.tune_process()
    assert calls == []


def test_other_libraries_than_glibc_are_left_alone(calls, monkeypatch):
    monkeypatch.setattr(process.platform, "libc_ver", lambda: ("", ""))
    assert process._keep_memory() is False
    assert calls == []


def test_a_real_process_takes_the_settings_and_import_makes_none():
    code = (
        "import ctypes, os, gpunet, gpunet.layers\n"
        "before = dict(os.environ)\n"
        "from gpunet.backend import process\n"
        "expected = process.platform.libc_ver()[0] == 'glibc' and not any(n.startswith('MALLOC_') for n in before)\n"
        "assert process._keep_memory() is expected\n"
        "assert dict(os.environ) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_advice_for_kernels_without_avx512(calls, machine, caplog):
    with caplog.at_level(logging.WARNING, "gpunet"):
        (advice,) = gpunet.tune_process()
    assert caplog.messages == [advice]
    assert "kernels for Haswell" in advice
    assert "OPENBLAS_CORETYPE=SkylakeX" in advice
    machine.setenv("OPENBLAS_CORETYPE", "Haswell")
    (advice,) = process.blas_advice()
    assert advice.startswith("OPENBLAS_CORETYPE=Haswell keeps NumPy from AVX-512")


@pytest.mark.parametrize("core", ["SkylakeX", "SAPPHIRERAPIDS", None])
def test_no_advice_where_nothing_is_better(machine, core):
    machine.setattr(blas, "core", lambda: core)
    assert process.blas_advice() == []


@pytest.mark.parametrize("missing", sorted(process._AVX512))
def test_no_advice_without_every_instruction(machine, missing):
    machine.setattr(process, "_processor_flags", lambda: process._AVX512 - {missing})
    assert process.blas_advice() == []


def test_devices_shows_the_kernels(machine):
    lines = report.blas_kernels()
    assert lines[0] == "NumPy's OpenBLAS: kernels for Haswell"
    assert lines[1:] == process.blas_advice() != []
    machine.setattr(blas, "core", lambda: None)
    assert report.blas_kernels() == []


def test_the_library_is_asked():
    if blas.threads() is None:
        assert blas.core() is None
    else:
        assert blas.threads()[0]() >= 1
        assert blas.core() is None or blas.core().isidentifier()
