"""Recurrent layers as one primitive each: all that is left of them once the inputs have been projected.

Arrays are time-major: (steps, batch, …). A mask is 1 where a sample takes part in a step and 0 where its states stay as
they are, in the dtype of x.
"""

from __future__ import annotations

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.primitive import Primitive


def _outputs(x, state, count):
    steps, batch = x.shape[:2]
    whole = AbstractArray((steps, batch, state.shape[1]), x.dtype)
    return whole, *(AbstractArray(state.shape, x.dtype) for _ in range(count))


# (x (t, b, 4u), kernel (u, 4u), h (b, u), c (b, u), mask (t, b) or None) → (outputs (t, b, u), last h, last c). Gates,
# side by side in x and kernel: input, forget, cell, output. Residuals: activated gates, c and tanh(c) of every step.
lstm = Primitive("lstm", lambda x, kernel, h, c, mask: _outputs(x, h, 2), has_residuals=True)
# (kernel, h, c, mask, *residuals, cotangents of the three outputs or None) → (dx, dh, dc)
lstm_grad = Primitive(
    "lstm_grad",
    lambda kernel, h, c, mask, gates, cs, tanhs, *gs: (AbstractArray(gates.shape, gates.dtype), h, c),
)
# (x (t, b, 3u), kernel (u, 3u), bias (3u,) or None, h (b, u), mask) → (outputs, last h). Gates: update, reset,
# candidate; the bias is added to the product of state and kernel, before the reset. Residuals: activated gates, and the
# candidate's share of that product.
gru = Primitive("gru", lambda x, kernel, bias, h, mask: _outputs(x, h, 1), has_residuals=True)
# (kernel, h, mask, outputs, *residuals, cotangents of the two outputs or None) → (dx, d(product), dh)
gru_grad = Primitive(
    "gru_grad",
    lambda kernel, h, mask, outputs, gates, inner, *gs: (*(AbstractArray(gates.shape, gates.dtype) for _ in "xp"), h),
)
