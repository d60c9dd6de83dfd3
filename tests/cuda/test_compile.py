"""Every kernel in every specialisation compiles for NVIDIA GPUs, and keeps its variables in registers.

All are compiled for sm_80, and those whose sources the working tree or the last commit changed for the other
architectures too; `GPUNET_CHANGED_SINCE` names another commit to compare with. `make kernels-full` compiles all for
all, by `GPUNET_ARCHITECTURES="sm_75 sm_80 sm_90"`. A run prints how long the compiler took.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from gpunet.backend.cuda import source
from gpunet.backend.cuda.launcher import all_specialisations
from gpunet.testing import nvrtc

ALWAYS = os.environ.get("GPUNET_ARCHITECTURES", "sm_80").split()
OTHERS = [a for a in ("sm_75", "sm_80", "sm_90") if a not in ALWAYS]


def changed_sources():
    """The names of the CUDA sources that differ from the last commit but one; none where there is no such commit."""
    command = ["git", "diff", "--name-only", os.environ.get("GPUNET_CHANGED_SINCE", "HEAD~1"), "--", "cuda_kernels"]
    try:
        run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    except FileNotFoundError:
        return set()
    return {Path(line).name for line in run.stdout.splitlines()} if run.returncode == 0 else set()


def includes(specialisation, files):
    return any(f'#line 1 "{name}"\n' in source.inlined(specialisation.file) for name in files)


def cases():
    """(specialisation, architecture) for all that is to be compiled."""
    changed = changed_sources()
    return [
        pytest.param(specialisation, architecture, id=f"{specialisation.name}-{architecture}")
        for specialisation in all_specialisations()
        for architecture in [*ALWAYS, *(OTHERS if includes(specialisation, changed) else [])]
    ]


# CUDA's own sin, cos and tan of doubles keep bits of 2/π there, for arguments beyond 10⁵.
STACK = {("unary.cu TYPE=double", f"map_{name}"): 40 for name in ("sin", "cos", "tan")}

pytestmark = pytest.mark.skipif(bool(nvrtc.why_not()), reason=nvrtc.why_not())


@pytest.mark.parametrize(("specialisation", "architecture"), cases())
def test_compiles_without_stack_or_spills(specialisation, architecture, record_property):
    start = time.process_time()
    usage = nvrtc.compile_for(specialisation, architecture)
    record_property("compiled", (architecture, time.process_time() - start))
    assert set(usage) == set(specialisation.kernels())
    for name, kernel in specialisation.kernels().items():
        assert usage[name].stack <= STACK.get((specialisation.name, name), 0), name
        assert usage[name].spills == 0, name
        assert usage[name].registers * kernel.threads <= 65536, name


def test_what_a_header_changes_is_found():
    changed = {s.file for s in all_specialisations() if includes(s, {"gather.cuh"})}
    assert changed == {"conv.cu", "conv_weight.cu"}
    assert all(includes(s, {"common.cuh"}) for s in all_specialisations())
    assert not any(includes(s, {"README.md"}) for s in all_specialisations())


def test_errors_are_shown(write_source):
    broken = write_source('#include "common.cuh"\nKERNEL(1) broken(GLOBAL(float) x) { nonsense; }\n')
    with pytest.raises(RuntimeError, match=r"nonsense"):
        nvrtc.compile_for(broken, "sm_80")
