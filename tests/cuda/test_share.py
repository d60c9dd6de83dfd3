"""The share of primitives that kernels of ours serve never falls."""

from gpunet.backend.primitive import PRIMITIVES
from gpunet.backend.report import kernel_share

# What CuPy computes. Names only ever leave this list.
WITHOUT_A_KERNEL = set(
    """
    argsort concatenate log_softmax log_softmax_grad one_hot pad put_along_axis scatter softmax softmax_crossentropy
    softmax_crossentropy_grad softmax_grad sparse_softmax_crossentropy sparse_softmax_crossentropy_grad take_along_axis
    """.split()
)


def test_no_primitive_has_lost_its_kernel():
    served, missing = kernel_share()
    assert set(missing) <= WITHOUT_A_KERNEL
    assert served + len(missing) == sum(not primitive.is_view for primitive in PRIMITIVES.values())
