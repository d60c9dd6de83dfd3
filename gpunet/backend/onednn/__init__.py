"""The onednn provider: float32 on the CPU by oneDNN's C API, loaded when a primitive is first looked for.

Each implementation leaves to the next provider what it does not do (other dtypes, arrays without elements) or does
slower (small products).
"""

from gpunet.backend.numba_cpu import team
from gpunet.backend.onednn import library
from gpunet.backend.primitive import Provider

onednn = Provider("onednn", partial=True, available=library.is_usable)

team.library = library
from gpunet.backend.onednn import conv, matmul, pooling, recurrent  # noqa: E402 - they register on `onednn`

__all__ = ["conv", "matmul", "onednn", "pooling", "recurrent"]
