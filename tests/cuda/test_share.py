"""The share of primitives that kernels of ours serve never falls."""

from gpunet.backend.primitive import PRIMITIVES
from gpunet.backend.report import kernel_share

# What CuPy computes. Names only ever leave this list.
WITHOUT_A_KERNEL = {"check_labels"}


def test_no_primitive_has_lost_its_kernel():
    served, missing = kernel_share()
    assert set(missing) <= WITHOUT_A_KERNEL
    assert served + len(missing) == sum(not primitive.is_view for primitive in PRIMITIVES.values())
