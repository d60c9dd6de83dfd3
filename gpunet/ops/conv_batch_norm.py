"""A convolution and the batch normalisation behind it, whose statistics a GPU finds while it convolves."""

from __future__ import annotations

from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tensor import raw
from gpunet.backend.dtypes import is_float
from gpunet.backend.primitive import backend_of
from gpunet.backend.primitives import conv as conv_prim
from gpunet.backend.primitives import nn as prim
from gpunet.config import standardize_data_format
from gpunet.ops import normalization as norm
from gpunet.ops.conv import channels_last, cotangents, prepared, restore_format
from gpunet.ops.operands import operand
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def conv_batch_norm_training(
    inputs: Any,
    kernel: Any,
    gamma: Any = None,
    beta: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    *,
    bias: Any = None,
    addend: Any = None,
    activation: str | None = None,
    epsilon: float = 1e-3,
) -> tuple[Any, Any, Any]:
    """`batch_norm_training` of `conv`, or with the activation "relu" `batch_norm_relu_training` of it.

    On a GPU the kernel of the convolution leaves the sums of which the statistics are made, which saves a pass over
    memory. Elsewhere, and for 16-bit dtypes, it is those ops one after the other.

    Args:
        gamma, beta: (out,) or None for 1 and 0.
        addend: of the shape of the convolution, for the activation "relu" only. The others as in the ops named above.

    Returns:
        (y, mean, variance) as `batch_norm_training` returns them, y in the layout of the inputs.

    Raises:
        ValueError: if a shape does not fit, or there is an addend without ReLU.
    """
    if activation not in (None, "relu") or (addend is not None and activation is None):
        raise ValueError(
            f'activation must be None or "relu", and "relu" where there is an addend. '
            f"Received: activation={activation!r}"
        )
    data_format = standardize_data_format(data_format)
    (x, w, b), geometry = prepared(inputs, kernel, bias, strides, padding, data_format, dilation_rate)
    addend = None if addend is None else channels_last(operand(addend), data_format)
    options = {"epsilon": epsilon, "relu": activation == "relu"}
    if x.dtype.itemsize == 2 or not is_float(x.dtype):
        y, *statistics = _one_after_the_other(x, w, b, gamma, beta, addend, **options, **geometry)
    else:
        out = conv_prim.conv.infer(x, w, b, **geometry)
        others = norm.checked_parameters(out, gamma, beta, addend)
        y, *statistics = apply(prim.conv_batch_norm, x, w, b, *others, **options, **geometry)
    return restore_format(y, data_format), *statistics


def _one_after_the_other(x, w, b, gamma, beta, addend, *, epsilon, relu, **geometry):
    z = apply(conv_prim.conv, x, w, b, activation=None, **geometry)
    if relu:
        return norm.batch_norm_relu_training(z, gamma, beta, addend, epsilon=epsilon)
    return norm.batch_norm_training(z, gamma, beta, epsilon=epsilon)


def saves_a_pass(x: Any) -> bool:
    """Whether the device of an array or Tensor has a kernel for `conv_batch_norm_training`."""
    return backend_of(type(raw(x))).provider_of(prim.conv_batch_norm) not in (None, "portable")


def _backward(g, r):
    if g[0] is None or g[1] is not None or g[2] is not None:
        return None  # a cotangent of the statistics: the decomposition covers it
    *_, gamma, _, addend = r.inputs
    z, *kept = r.residuals
    options = {"epsilon": r.attributes["epsilon"]}
    if r.attributes["relu"]:
        options["with_addend"] = addend is not None
        dz, *more = apply(prim.batch_norm_relu_grad, g[0], z, gamma, *kept, **options)
    else:
        dz, *more = apply(prim.batch_norm_grad, g[0], z, gamma, *kept, **options)
    return *cotangents(dz, r), *more, *[None] * (3 - len(more))


prim.conv_batch_norm.gradient = fused_gradient(_backward, _one_after_the_other, saves="xi")
