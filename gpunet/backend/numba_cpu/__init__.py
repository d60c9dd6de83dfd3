"""The numba provider: loops over float32 arrays that NumPy would make several passes of, compiled and kept on disk.

`loops.py` is plain Python that Numba compiles; `compiled.py` says when. All of it runs without the GIL in the calling
thread or in those of `backend/cpu/threads.py`, so nothing here fears a fork.
"""

from gpunet.backend.numba_cpu import compiled
from gpunet.backend.primitive import Provider

numba = Provider("numba", partial=True, available=compiled.is_installed)

from gpunet.backend.numba_cpu import (  # noqa: E402 - they register on `numba`
    activation,
    crossentropy,
    elementwise,
    layer_norm,
    nn,
    pooling,
    recurrent,
    rows,
    shape,
    update,
)

__all__ = [
    "activation",
    "compiled",
    "crossentropy",
    "elementwise",
    "layer_norm",
    "nn",
    "numba",
    "pooling",
    "recurrent",
    "rows",
    "shape",
    "update",
]
