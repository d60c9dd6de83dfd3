"""Every kernel in every specialisation compiles for NVIDIA GPUs, and keeps its variables in registers.

`GPUNET_ARCHITECTURES="sm_75 sm_80 sm_90"` names the targets; `make kernels-full` compiles for all.
"""

import os

import pytest

from gpunet.backend.cuda.launcher import all_specialisations
from gpunet.testing import nvrtc

ARCHITECTURES = os.environ.get("GPUNET_ARCHITECTURES", "sm_80").split()

# CUDA's own sin, cos and tan of doubles keep bits of 2/π there, for arguments beyond 10⁵.
STACK = {("unary.cu TYPE=double", f"map_{name}"): 40 for name in ("sin", "cos", "tan")}

pytestmark = pytest.mark.skipif(bool(nvrtc.why_not()), reason=nvrtc.why_not())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("specialisation", all_specialisations(), ids=lambda s: s.name)
def test_compiles_without_stack_or_spills(specialisation, architecture):
    usage = nvrtc.compile_for(specialisation, architecture)
    assert set(usage) == set(specialisation.kernels())
    for name, kernel in specialisation.kernels().items():
        assert usage[name].stack <= STACK.get((specialisation.name, name), 0), name
        assert usage[name].spills == 0, name
        assert usage[name].registers * kernel.threads <= 65536, name


def test_errors_are_shown(write_source):
    broken = write_source('#include "common.cuh"\nKERNEL(1) broken(GLOBAL(float) x) { nonsense; }\n')
    with pytest.raises(RuntimeError, match=r"nonsense"):
        nvrtc.compile_for(broken, "sm_80")
