"""Elementwise primitives: operands broadcast, dtypes are settled before the call (see gpunet.ops)."""

from __future__ import annotations

import numpy as np

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import BOOL
from gpunet.backend.primitive import Primitive

# Result has the dtype of the operand. The float functions are only called on float arrays.
UNARY = {
    name: Primitive(name, lambda x: AbstractArray(x.shape, x.dtype))
    for name in """
    negative absolute sign square reciprocal floor ceil rint trunc exp expm1 exp2 log log1p log2
    log10 sqrt rsqrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh sigmoid
    softplus erf relu invert
""".split()
}
UNARY_BOOL = {
    name: Primitive(name, lambda x: AbstractArray(x.shape, BOOL))
    for name in ["isfinite", "isnan", "isinf", "logical_not"]
}


def broadcast_shapes(*operands) -> tuple[int, ...]:
    """The common shape of arrays and Python scalars.

    Raises:
        ValueError: if the shapes do not broadcast.
    """
    shapes = [getattr(x, "shape", ()) for x in operands]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"operands cannot be broadcast together. Received shapes: {shapes}") from None


def _common_dtype(*operands):
    return next(x.dtype for x in operands if hasattr(x, "dtype"))


def _infer_same(*operands):
    return AbstractArray(broadcast_shapes(*operands), _common_dtype(*operands))


def _infer_bool(*operands):
    return AbstractArray(broadcast_shapes(*operands), BOOL)


# Either operand may be a Python scalar, not both.
BINARY = {
    name: Primitive(name, _infer_same)
    for name in """
    add subtract multiply divide floor_divide mod power maximum minimum arctan2 logaddexp
    bitwise_and bitwise_or bitwise_xor left_shift right_shift
""".split()
}
BINARY_BOOL = {
    name: Primitive(name, _infer_bool)
    for name in """
    equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
""".split()
}

# where(condition, x, y): x and y of one dtype; either may be a Python scalar, not both.
where = Primitive("where", lambda c, x, y: AbstractArray(broadcast_shapes(c, x, y), _common_dtype(x, y)))
# clip(x, low, high) with array or scalar bounds.
clip = Primitive("clip", _infer_same)
cast = Primitive("cast", lambda x, *, dtype: AbstractArray(x.shape, dtype))
copy = Primitive("copy", lambda x: AbstractArray(x.shape, x.dtype))
zeros_like = Primitive("zeros_like", lambda x: AbstractArray(x.shape, x.dtype))
ones_like = Primitive("ones_like", lambda x: AbstractArray(x.shape, x.dtype))
zeros_like.of_shape = ones_like.of_shape = True

# Activations of several steps in one pass, and their slopes times a gradient. Gated ones are x·gate(x), of which the
# gate may be a residual: (x) and (g, x, *residuals). Rectifiers have a number for negative x: (x; alpha) and
# (g, x; alpha).
GATED = {
    name: Primitive(name, lambda x: AbstractArray(x.shape, x.dtype), has_residuals=True)
    for name in "gelu gelu_tanh silu mish".split()
}
GATED_GRAD = {name: Primitive(f"{name}_grad", lambda g, x, *_: AbstractArray(x.shape, x.dtype)) for name in GATED}
RECTIFIERS = {
    name: Primitive(name, lambda x, *, alpha: AbstractArray(x.shape, x.dtype)) for name in ("elu", "leaky_relu")
}
RECTIFIER_GRADS = {
    name: Primitive(f"{name}_grad", lambda g, x, *, alpha: AbstractArray(x.shape, x.dtype)) for name in RECTIFIERS
}

# The derivatives that backward needs most, in one pass: g·[y>0], g·(1−y²), g·y·(1−y).
relu_grad = Primitive("relu_grad", _infer_same)
tanh_grad = Primitive("tanh_grad", _infer_same)
sigmoid_grad = Primitive("sigmoid_grad", _infer_same)
