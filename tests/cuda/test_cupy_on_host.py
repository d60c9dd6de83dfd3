"""Everything between ops and kernels on CuPy's own arrays, where CuPy is installed but no GPU is."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gpunet.backend import cupy_gate
from gpunet.testing.emulation import why_not


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_op_table_on_arrays_of_cupy_in_host_memory():
    if cupy_gate.probe().gpus:
        pytest.skip("there is a GPU, which `make gpu` tests")
    command = [sys.executable, "-m", "tests.cuda.cupy_on_host", "4"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert not found["failures"], "\n".join(found["failures"])
    assert found["passed"] > 4 * found["left to CuPy"]
    assert found["launches"] > 1000
