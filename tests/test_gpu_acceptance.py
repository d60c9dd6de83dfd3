"""The acceptance program of the GPU, run on the stand-in: its figures mean nothing there, its code does."""

import json

import numpy as np
import pytest

from benchmarks.gpu import __main__ as acceptance
from benchmarks.gpu import report, target
from benchmarks.gpu.section import Findings
from benchmarks.gpu.sections import compile as compile_section
from gpunet.backend import cupy_gate
from gpunet.testing.emulation import EmulatedRuntime


def test_without_a_gpu_it_says_so_and_exits_with_a_code_of_its_own(capsys):
    if cupy_gate.probe().gpus:
        pytest.skip("there is a GPU")
    assert acceptance.main([]) == acceptance.NO_GPU == 3
    assert "No GPU is available" in capsys.readouterr().out


@pytest.mark.parametrize("section", list(acceptance.SECTIONS))
def test_a_section_runs_on_the_stand_in(section):
    found = acceptance.run_section(section, standin=True)
    assert found["failures"] == []
    assert found["rows"]
    assert all(isinstance(row, dict) for row in found["rows"])


def test_a_section_that_dies_is_reported_as_failed():
    found = acceptance.run_section("no_such_section", standin=True)
    assert found["failures"]
    assert "no_such_section" in found["failures"][0]


def test_what_a_section_finds_is_kept_at_once(tmp_path):
    findings = Findings(None, tmp_path / "section.json")
    findings.add(kernel="first", ms=1.0)
    findings.attempt("second", lambda: [][0])
    findings.check(True, "all is well")
    kept = json.loads((tmp_path / "section.json").read_text())
    assert kept["rows"] == [{"kernel": "first", "ms": 1.0}]
    assert kept["failures"] == ["second: IndexError: list index out of range"]


def test_a_section_that_is_stopped_is_reported_as_failed():
    found = acceptance.run_section("facts", standin=True, seconds=0.01)
    assert found["failures"] == ["facts: stopped after 0 s"]


def test_results_of_sections_that_were_not_run_are_kept(tmp_path):
    row = {"rows": [{"a": 1.23456}], "failures": [], "seconds": 1.0}
    report.write(tmp_path, "NVIDIA H200", {"one": "first"}, {"one": row})
    folder = report.write(tmp_path, "NVIDIA H200", {"two": "second"}, {"two": row | {"failures": ["it broke"]}})
    assert folder.name == "nvidia-h200"
    assert set(json.loads((folder / "gpu.json").read_text())["sections"]) == {"one", "two"}
    page = (folder / "gpu.md").read_text()
    assert "1.235" in page
    assert "FAILED: it broke" in page


def test_results_are_written_after_each_section(tmp_path, monkeypatch):
    def run_section(name, standin, seconds):
        if name == "philox":
            raise KeyboardInterrupt
        return {"rows": [{"a": 1}], "failures": [], "seconds": seconds}

    monkeypatch.setattr(acceptance, "run_section", run_section)
    with pytest.raises(KeyboardInterrupt):
        acceptance.main(["--standin", "--output", str(tmp_path), "facts", "launch", "philox", "--seconds", "7"])
    written = json.loads((tmp_path / "stand-in" / "gpu.json").read_text())["sections"]
    assert {name: found["seconds"] for name, found in written.items()} == {"facts": 7, "launch": 7}


@pytest.mark.parametrize("error", [ImportError("No module named 'torch'"), OSError("libcudart.so.12: cannot open")])
def test_a_torch_that_cannot_be_used_is_left_out_with_the_reason(monkeypatch, error):
    def refuse(name):
        raise error

    gpu = target.Gpu("a GPU", None, True)
    monkeypatch.setattr(target.importlib, "import_module", refuse)
    assert target.torch_on_gpu(gpu) is None
    assert target.why_no_torch(gpu) == f"{type(error).__name__}: {error}"


def test_numbers_repeat_but_not_in_every_row():
    with target.find_gpu(standin=True) as gpu:
        x = gpu.host(gpu.random(2, 1_000_003, dtype="float16"))
        assert (x[0] == x[1]).all()
        x = gpu.host(gpu.random(1001, 1000))
        assert len(np.unique(x[:, 0])) > 990


def test_kernels_that_do_not_compile_are_failures(monkeypatch):
    def refuse(self, specialisation):
        raise RuntimeError("ptxas died")

    monkeypatch.setattr(EmulatedRuntime, "compile", refuse)
    with target.find_gpu(standin=True) as gpu:
        findings = Findings(gpu, None)
        monkeypatch.setattr(findings, "save", lambda: None)
        compile_section.run(gpu, findings)
    assert len(findings.failures) == 2
    assert "ptxas died" in findings.failures[0]
