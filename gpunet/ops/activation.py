"""Activation functions with Keras's names and defaults. Elementwise unless they take an axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tape import Gradient
from gpunet.backend.primitives import nn as prim
from gpunet.backend.primitives.elementwise import GATED, GATED_GRAD, RECTIFIER_GRADS, RECTIFIERS
from gpunet.ops import elementwise as el
from gpunet.ops.elementwise import relu, sigmoid, softplus, tanh
from gpunet.ops.joining import split
from gpunet.ops.operands import float_operand, normalize_axis
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import moveaxis, reshape
from gpunet.symbolic.ops import symbolic_op


def _gelu_steps(x):
    return el.multiply(el.multiply(x, 0.5), el.add(el.erf(el.multiply(x, math.sqrt(0.5))), 1.0))


def _gelu_tanh_steps(x):
    cubic = el.add(x, el.multiply(el.multiply(el.square(x), x), 0.044715))
    return el.multiply(el.multiply(x, 0.5), el.add(tanh(el.multiply(cubic, math.sqrt(2 / math.pi))), 1.0))


def _elu_steps(x, *, alpha):
    return el.where(el.greater(x, 0), x, el.multiply(el.expm1(el.minimum(x, 0.0)), alpha))


def _gradient_of(backward, steps):
    def of(g, r):
        return (apply(backward, g, r.inputs[0], *r.residuals, **r.attributes),)

    return fused_gradient(of, steps, saves="x")


# Activations that are one pass each, step by step: what their derivatives of higher order are made of.
_STEPS: dict[str, Callable] = {
    "gelu": _gelu_steps,
    "gelu_tanh": _gelu_tanh_steps,
    "silu": lambda x: el.multiply(x, sigmoid(x)),
    "mish": lambda x: el.multiply(x, tanh(softplus(x))),
    "elu": _elu_steps,
    "leaky_relu": lambda x, *, alpha: el.where(el.greater(x, 0), x, el.multiply(x, alpha)),
}


for _name, _primitive in {**GATED, **RECTIFIERS}.items():
    _primitive.gradient = _gradient_of({**GATED_GRAD, **RECTIFIER_GRADS}[_name], _STEPS[_name])


def _with_alpha(name, x, alpha):
    """An activation whose alpha is a number, or step by step one whose alpha is an array."""
    x = float_operand(x)
    if isinstance(alpha, int | float):
        return apply(RECTIFIERS[name], x, alpha=float(alpha))
    return _STEPS[name](x, alpha=alpha)


@symbolic_op
def relu6(x: Any) -> Any:
    """min(max(x, 0), 6), without a gradient where x is 0, as of units that are never active."""
    return el.minimum(relu(x), 6)


@symbolic_op
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x where positive, else negative_slope·x."""
    return _with_alpha("leaky_relu", x, negative_slope)


@symbolic_op
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, else alpha·(e^x − 1) (Clevert et al., arXiv:1511.07289)."""
    return _with_alpha("elu", x, alpha)


@symbolic_op
def selu(x: Any) -> Any:
    """Self-normalising ELU: 1.0507·elu(x, 1.6733) (Klambauer et al., arXiv:1706.02515)."""
    return el.multiply(elu(x, 1.6732632423543772848), 1.0507009873554804934)


@symbolic_op
def celu(x: Any, alpha: float = 1.0) -> Any:
    """max(x, 0) + min(0, alpha·(e^(x/alpha) − 1)) (Barron, arXiv:1704.07483)."""
    x = float_operand(x)
    low = el.multiply(el.expm1(el.divide(el.minimum(x, 0.0), alpha)), alpha)
    return el.add(el.maximum(x, 0.0), low)


@symbolic_op
def gelu(x: Any, approximate: bool = True) -> Any:
    """x·Φ(x), by default through tanh (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return apply(GATED["gelu_tanh" if approximate else "gelu"], float_operand(x))


@symbolic_op
def silu(x: Any) -> Any:
    """x·sigmoid(x), also called swish (arXiv:1710.05941)."""
    return apply(GATED["silu"], float_operand(x))


swish = silu


@symbolic_op
def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    x = float_operand(x)
    return el.divide(x, el.add(el.absolute(x), 1.0))


@symbolic_op
def mish(x: Any) -> Any:
    """x·tanh(softplus(x)) (Misra, arXiv:1908.08681)."""
    return apply(GATED["mish"], float_operand(x))


@symbolic_op
def log_sigmoid(x: Any) -> Any:
    """log sigmoid(x) without overflow."""
    return el.negative(softplus(el.negative(float_operand(x))))


@symbolic_op
def hard_sigmoid(x: Any) -> Any:
    """min(max(x/6 + 1/2, 0), 1)."""
    return el.divide(relu6(el.add(float_operand(x), 3.0)), 6.0)


@symbolic_op
def hard_silu(x: Any) -> Any:
    """x·hard_sigmoid(x), also called hard swish (arXiv:1905.02244)."""
    x = float_operand(x)
    return el.multiply(x, hard_sigmoid(x))


hard_swish = hard_silu


@symbolic_op
def hard_tanh(x: Any) -> Any:
    """x limited to [−1, 1]."""
    return el.clip(float_operand(x), -1.0, 1.0)


@symbolic_op
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """x where it is greater than the threshold, else `default_value`."""
    x = float_operand(x)
    return el.where(el.greater(x, threshold), x, default_value)


@symbolic_op
def tanh_shrink(x: Any) -> Any:
    """x − tanh(x)."""
    x = float_operand(x)
    return el.subtract(x, tanh(x))


@symbolic_op
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x moved towards 0 by the threshold, 0 within it."""
    x = float_operand(x)
    return el.subtract(x, el.clip(x, -threshold, threshold))


@symbolic_op
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x where |x| is greater than the threshold, else 0."""
    x = float_operand(x)
    return el.where(el.greater(el.absolute(x), threshold), x, 0.0)


@symbolic_op
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of an axis times the sigmoid of the second (arXiv:1612.08083).

    Raises:
        ValueError: if the axis has an odd size.
    """
    first, second = split(float_operand(x), 2, axis)
    return el.multiply(first, sigmoid(second))


def _over_axis(primitive, x, axis):
    """Run a primitive over one axis or several, which are flattened to one at the end."""
    x = float_operand(x)
    if isinstance(axis, int) or axis is None:
        if axis is None:
            return reshape(apply(primitive, reshape(x, (-1,)), axis=0), x.shape)
        return apply(primitive, x, axis=normalize_axis(axis, x.ndim))
    axes = [normalize_axis(a, x.ndim) for a in axis]
    if len(axes) == 1:
        return apply(primitive, x, axis=axes[0])
    last = list(range(x.ndim - len(axes), x.ndim))
    moved = moveaxis(x, axes, last)
    rest = moved.shape[: x.ndim - len(axes)]
    flat = reshape(moved, (*rest, math.prod(moved.shape[len(rest) :])))
    return moveaxis(reshape(apply(primitive, flat, axis=flat.ndim - 1), moved.shape), last, axes)


@symbolic_op
def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(x) / Σ exp(x) over `axis`, computed without overflow."""
    return _over_axis(prim.softmax, x, axis)


@symbolic_op
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """x − log Σ exp(x) over `axis`, computed without overflow."""
    return _over_axis(prim.log_softmax, x, axis)


prim.softmax.gradient = Gradient(
    vjp=lambda g, r: (apply(prim.softmax_grad, g, r.out, axis=r.attributes["axis"]),), saves="o"
)
prim.log_softmax.gradient = Gradient(
    vjp=lambda g, r: (apply(prim.log_softmax_grad, g, r.out, axis=r.attributes["axis"]),), saves="o"
)


def _softmax_grad_gradient(h, r):
    """The derivatives of y·(g − Σ g·y) in g and in y."""
    (g, y), axis = r.inputs, r.attributes["axis"]
    dg = dy = None
    if r.needs[0]:
        dg = apply(prim.softmax_grad, h, y, axis=axis)
    if r.needs[1]:
        gy = sum_(el.multiply(g, y), axis, keepdims=True)
        hy = sum_(el.multiply(h, y), axis, keepdims=True)
        dy = el.subtract(el.multiply(h, el.subtract(g, gy)), el.multiply(g, hy))
    return dg, dy


def _log_softmax_grad_gradient(h, r):
    """The derivatives of g − exp(y)·Σ g in g and in y."""
    (g, y), axis = r.inputs, r.attributes["axis"]
    p = el.exp(y)
    dg = el.subtract(h, sum_(el.multiply(h, p), axis, keepdims=True)) if r.needs[0] else None
    dy = el.negative(el.multiply(h, el.multiply(p, sum_(g, axis, keepdims=True)))) if r.needs[1] else None
    return dg, dy


prim.softmax_grad.gradient = Gradient(vjp=_softmax_grad_gradient, saves="xy")
prim.log_softmax_grad.gradient = Gradient(vjp=_log_softmax_grad_gradient, saves="xy")


__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
