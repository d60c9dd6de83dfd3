"""Random primitives. `state` is an integer array (seed, stream): the same state gives the same bits everywhere.

The generator is Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) with key
(seed, stream) and a counter that starts at 1: NumPy's own `Philox(key=[seed, stream])` bit for bit.
"""

from __future__ import annotations

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitive import Primitive

# (state; shape) → uint32 words
random_bits = Primitive("random_bits", lambda state, *, shape: AbstractArray(shape, as_dtype("uint32")))
# (state; shape, dtype) → uniform in [0, 1), a multiple of 2^-24 (float64: 2^-53)
random_uniform = Primitive("random_uniform", lambda state, *, shape, dtype: AbstractArray(shape, dtype))
# (state; shape, dtype, truncated) → standard normal by inverse CDF, within two standard deviations if truncated
random_normal = Primitive("random_normal", lambda state, *, shape, dtype, truncated=False: AbstractArray(shape, dtype))
# (x, state; rate) → x / (1 − rate) where kept, else 0; element i is kept where its 16 bits are ≥ rate·2^16.
dropout = Primitive("dropout", lambda x, state, *, rate: AbstractArray(x.shape, x.dtype), has_residuals=True)
dropout_grad = Primitive("dropout_grad", lambda g, *residuals, rate: AbstractArray(g.shape, g.dtype))
# (state,) → a copy of (seed, stream) for one draw; the stream in `state` moves on by 1, in place
next_state = Primitive("next_state", lambda state: AbstractArray(state.shape, state.dtype))
