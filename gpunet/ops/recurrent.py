"""LSTM and GRU along a sequence whose inputs have been projected."""

from __future__ import annotations

from typing import Any

from gpunet.autograd.apply import apply, autocast
from gpunet.autograd.fused import fused_gradient
from gpunet.backend.primitives import matmul
from gpunet.backend.primitives import recurrent as prim
from gpunet.ops import elementwise as el
from gpunet.ops.activation import sigmoid, tanh
from gpunet.ops.joining import concatenate, split, stack, unstack
from gpunet.ops.operands import cast_to, float_operand, operand
from gpunet.ops.products import matmul as product
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def lstm(x: Any, recurrent_kernel: Any, h: Any, c: Any, mask: Any = None) -> tuple[Any, Any, Any]:
    """Long short-term memory with tanh and sigmoid, along projected inputs.

    Args:
        x: (steps, batch, 4·units), the inputs' share of the gates input, forget, cell, output, biases included.
        recurrent_kernel: (units, 4·units).
        h, c: (batch, units), the states before the first step.
        mask: (steps, batch), False where a sample's states stay as they are; None for no mask.

    Returns:
        (outputs (steps, batch, units), last h, last c), computed in float32 or wider.

    Raises:
        ValueError: if a shape does not fit, or there are no steps.
    """
    x, mask, (kernel, h, c) = _prepared("lstm", 4, x, mask, recurrent_kernel, h, c)
    return tuple(cast_to(y, x.dtype) for y in apply(prim.lstm, _wide(x), kernel, h, c, mask))


@symbolic_op
def gru(x: Any, recurrent_kernel: Any, recurrent_bias: Any, h: Any, mask: Any = None) -> tuple[Any, Any]:
    """Gated recurrent units with tanh and sigmoid, the reset after the product, along projected inputs.

    Args:
        x: (steps, batch, 3·units), the inputs' share of the gates update, reset, candidate, biases included.
        recurrent_kernel: (units, 3·units).
        recurrent_bias: (3·units,), added to the product of state and kernel, or None.
        h: (batch, units), the state before the first step.
        mask: (steps, batch), False where a sample's state stays as it is; None for no mask.

    Returns:
        (outputs (steps, batch, units), last h), computed in float32 or wider.

    Raises:
        ValueError: if a shape does not fit, or there are no steps.
    """
    x, mask, (kernel, h) = _prepared("gru", 3, x, mask, recurrent_kernel, h)
    bias = recurrent_bias if recurrent_bias is None else _wide(autocast(operand(recurrent_bias)))
    if bias is not None and tuple(bias.shape) != (x.shape[-1],):
        raise ValueError(f"gru expected recurrent_bias of shape {(x.shape[-1],)}. Received: shape={tuple(bias.shape)}")
    return tuple(cast_to(y, x.dtype) for y in apply(prim.gru, _wide(x), kernel, bias, h, mask))


def _wide(x: Any) -> Any:
    return cast_to(x, "float32") if x.dtype.itemsize == 2 else x


def _prepared(op: str, gates: int, x: Any, mask: Any, kernel: Any, *states: Any) -> tuple[Any, Any, list]:
    """x as a float tensor, the mask in the dtype of computation, and kernel and states in that dtype."""
    x = float_operand(x)
    others = [cast_to(_wide(autocast(operand(a))), _wide(x).dtype) for a in (kernel, *states)]
    units = others[0].shape[0]
    expected = [(units, gates * units), *((*x.shape[1:2], units) for _ in states)]
    if x.ndim != 3 or x.shape[-1] != gates * units or [tuple(a.shape) for a in others] != expected:
        raise ValueError(
            f"{op} expected x of shape (steps, batch, {gates}·units), a kernel (units, {gates}·units) and states "
            f"(batch, units). Received shapes: {tuple(x.shape)}, {[tuple(a.shape) for a in others]}"
        )
    if not x.shape[0]:
        raise ValueError(f"{op} needs at least one step. Received: x.shape={tuple(x.shape)}")
    if mask is not None:
        mask = operand(mask)
        if tuple(mask.shape) != tuple(x.shape[:2]):
            raise ValueError(f"{op} expected a mask {tuple(x.shape[:2])}. Received: mask.shape={tuple(mask.shape)}")
        mask = cast_to(cast_to(mask, "bool"), others[0].dtype)
    return x, mask, others


def _states_before(outputs, h):
    """The states that the products of all steps began with."""
    return concatenate([expand_dims(h, 0), outputs[:-1]], 0)


def _lstm_backward(g, r):
    _, kernel, h, c, mask = r.inputs
    dx, dh, dc = apply(prim.lstm_grad, kernel, h, c, mask, *r.residuals, *g)
    dk = apply(matmul.linear_weight_grad, _states_before(r.out[0], h), dx) if r.needs[1] else None
    return dx, dk, dh, dc, None


def _lstm_decomposition(x, kernel, h, c, mask):
    outputs = []
    for t, gates in enumerate(unstack(x)):
        i, f, g, o = split(el.add(gates, product(h, kernel)), 4, axis=-1)
        new_c = el.add(el.multiply(sigmoid(f), c), el.multiply(sigmoid(i), tanh(g)))
        new_h = el.multiply(sigmoid(o), tanh(new_c))
        h, c = _chosen(mask, t, new_h, h), _chosen(mask, t, new_c, c)
        outputs.append(h)
    return stack(outputs), h, c


def _chosen(mask, t, new, old):
    """`new` for the samples that take part in step t."""
    return new if mask is None else el.where(el.not_equal(expand_dims(mask[t], 1), 0), new, old)


prim.lstm.gradient = fused_gradient(_lstm_backward, _lstm_decomposition, saves="xio")


def _gru_backward(g, r):
    _, kernel, _, h, mask = r.inputs
    dx, d_product, dh = apply(prim.gru_grad, kernel, h, mask, r.out[0], *r.residuals, *g)
    dk = apply(matmul.linear_weight_grad, _states_before(r.out[0], h), d_product) if r.needs[1] else None
    return dx, dk, sum_(d_product, (0, 1)) if r.needs[2] else None, dh, None


def _gru_decomposition(x, kernel, bias, h, mask):
    outputs = []
    for t, gates in enumerate(unstack(x)):
        inner = product(h, kernel) if bias is None else el.add(product(h, kernel), bias)
        (x_z, x_r, x_h), (z, r, candidate) = split(gates, 3, axis=-1), split(inner, 3, axis=-1)
        z, r = sigmoid(el.add(x_z, z)), sigmoid(el.add(x_r, r))
        candidate = tanh(el.add(x_h, el.multiply(r, candidate)))
        new = el.add(el.multiply(z, h), el.multiply(el.subtract(1, z), candidate))
        h = _chosen(mask, t, new, h)
        outputs.append(h)
    return stack(outputs), h


prim.gru.gradient = fused_gradient(_gru_backward, _gru_decomposition, saves="xio")
