"""The shares of primitives with a CUDA kernel, which README and test runs print and which may not fall."""

import json
from pathlib import Path

from benchmarks import shares
from gpunet.backend.report import kernel_share

README = Path(__file__).resolve().parents[1] / "README.md"


def test_readme_states_the_shares():
    text = README.read_text()
    assert f"- {shares.emulated()}\n" in text
    assert f"- {shares.measured()}\n" in text


def test_at_least_163_primitives_have_a_kernel():
    assert kernel_share()[0] >= 163


def test_results_of_a_gpu_are_counted(tmp_path):
    assert shares.measured(tmp_path) == "CUDA kernels, measured on a GPU: not yet"
    for name, kernels in (("a", ["add"]), ("b", ["add", "conv"])):
        section = {"rows": [{"family": "x"}, {"kernels": kernels}], "failures": [], "date": "2030-01-02"}
        (tmp_path / name).mkdir()
        (tmp_path / name / "gpu.json").write_text(json.dumps({"device": name, "sections": {"correctness": section}}))
    assert f"2 of {kernel_share()[0]} primitives (b, 2030-01-02)" in shares.measured(tmp_path)
