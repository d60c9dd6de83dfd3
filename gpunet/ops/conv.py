"""Convolution in any number of dimensions, its transpose, and the depthwise and separable forms."""

from __future__ import annotations

from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Gradient, Record
from gpunet.backend.primitives import conv as prim
from gpunet.config import standardize_data_format
from gpunet.ops import elementwise as el
from gpunet.ops.operands import cast_to, operand, promote
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import moveaxis, reshape
from gpunet.symbolic.ops import symbolic_op


def per_axis(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """An int or a sequence of `rank` positive ints as a tuple.

    Raises:
        ValueError: on another length or a value below 1.
    """
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or any(not isinstance(v, int) or v < 1 for v in values):
        raise ValueError(f"{name} must be a positive int or {rank} of them. Received: {name}={value}")
    return values


def resolve_padding(padding: Any, spatial, window, strides, dilation) -> tuple[tuple[int, int], ...]:
    """Explicit (low, high) pairs for "valid", "same" (Keras's and TensorFlow's rule), "full", ints or pairs.

    Raises:
        ValueError: on anything else.
    """
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation)]
    name = padding.lower() if isinstance(padding, str) else padding
    if name == "valid":
        return ((0, 0),) * len(reach)
    if name == "same":
        return tuple(_same(n, k, s) for n, k, s in zip(spatial, reach, strides))
    if name == "full":
        return tuple((k - 1, k - 1) for k in reach)
    if isinstance(padding, int):
        return ((padding, padding),) * len(reach)
    if isinstance(padding, list | tuple) and len(padding) == len(reach):
        return tuple((p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in padding)
    raise ValueError(
        f'padding must be "valid", "same", "full", an int or {len(reach)} ints or (low, high) pairs. '
        f"Received: padding={padding!r}"
    )


def _same(n: int, reach: int, stride: int) -> tuple[int, int]:
    total = max((-(-n // stride) - 1) * stride + reach - n, 0)
    return total // 2, total - total // 2


def channels_last(x: Any, data_format: str) -> Any:
    """x as (batch, *spatial, channels): a transposed view of "channels_first"."""
    return x if data_format == "channels_last" else moveaxis(x, 1, -1)


def restore_format(y: Any, data_format: str) -> Any:
    """A channels-last result in the caller's layout."""
    return y if data_format == "channels_last" else moveaxis(y, -1, 1)


def _operands(inputs, kernel, data_format, name):
    inputs, kernel = promote(inputs, kernel)
    if inputs.ndim < 3 or kernel.ndim != inputs.ndim:
        raise ValueError(
            f"{name} expected inputs of rank 3 or more (batch, *spatial, channels) and a kernel of the same rank. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    return channels_last(inputs, data_format), kernel


@symbolic_op
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    *,
    bias: Any = None,
    activation: str | None = None,
) -> Any:
    """N-d convolution (cross-correlation, as in all neural-network libraries) with optional bias and ReLU.

    Args:
        inputs: (batch, *spatial, in), or (batch, in, *spatial) for "channels_first"; 1 to N spatial axes.
        kernel: (*window, in / groups, out). Fewer channels than the inputs have means a grouped convolution.
        strides, dilation_rate: an int or one per spatial axis.
        padding: "valid", "same", "full", an int, or ints or (low, high) pairs per spatial axis.
        bias: (out,), added to every position.
        activation: None or "relu".

    Returns:
        (batch, *out_spatial, out) in the layout of the inputs. Plain arrays give a plain array.

    Raises:
        ValueError: if ranks, channels or padding do not fit.
    """
    data_format = standardize_data_format(data_format)
    operands, geometry = prepared(inputs, kernel, bias, strides, padding, data_format, dilation_rate)
    return restore_format(apply(prim.conv, *operands, **geometry, activation=activation), data_format)


def prepared(
    inputs: Any, kernel: Any, bias: Any, strides: Any, padding: Any, data_format: str, dilation_rate: Any
) -> tuple[tuple[Any, Any, Any], dict[str, Any]]:
    """(x, kernel, bias) with the channels last, and the attributes of `prim.conv` but the activation.

    Raises:
        ValueError: if ranks, channels or padding do not fit.
    """
    x, kernel = _operands(inputs, kernel, data_format, "conv")
    rank = x.ndim - 2
    groups = _groups(x.shape[-1], kernel.shape)
    strides = per_axis(strides, rank, "strides")
    dilation = per_axis(dilation_rate, rank, "dilation_rate")
    geometry = {
        "strides": strides,
        "padding": resolve_padding(padding, x.shape[1:-1], kernel.shape[:-2], strides, dilation),
        "dilation": dilation,
        "groups": groups,
    }
    return (x, kernel, None if bias is None else _bias(bias, x.dtype, kernel.shape)), geometry


def _bias(bias: Any, dtype: Any, kernel_shape) -> Any:
    bias = cast_to(operand(bias), dtype)
    if tuple(bias.shape) != (kernel_shape[-1],):
        raise ValueError(
            f"conv expected a bias of shape ({kernel_shape[-1]},), for a kernel of shape {tuple(kernel_shape)}. "
            f"Received: bias.shape={tuple(bias.shape)}"
        )
    return bias


def _groups(channels: int, kernel_shape) -> int:
    per_group, out = kernel_shape[-2:]
    groups = channels // per_group if per_group else 0
    if not groups or channels % per_group or out % groups:
        raise ValueError(
            f"conv: the inputs' channels must be a multiple of the kernel's input channels, and the kernel's output "
            f"channels a multiple of the number of groups. "
            f"Received: {channels} input channels, kernel.shape={tuple(kernel_shape)}"
        )
    return groups


def _geometry(attributes):
    return {name: attributes[name] for name in ("strides", "padding", "dilation", "groups")}


def _conv_gradient(g, r):
    if r.attributes["activation"] == "relu":
        g = el.relu_grad(g, r.out)
    return cotangents(g, r)


def cotangents(g: Any, r: Record) -> tuple[Any, Any, Any]:
    """Those of x, kernel and bias, the first inputs of a record of a linear convolution, where they are needed."""
    x, w, *_ = r.inputs
    geometry = _geometry(r.attributes)
    dx = dw = db = None
    if r.needs[0]:
        dx = apply(prim.conv_input_grad, g, w, spatial=r.shapes[0][1:-1], **geometry)
    if r.needs[1]:
        dw = apply(prim.conv_weight_grad, x, g, window=r.shapes[1][:-2], **geometry)
    if r.needs[2]:
        db = sum_(g, axis=tuple(range(len(g.shape) - 1)))
    return dx, dw, db


def _conv_input_grad_gradient(h, r):
    """Bilinear in (g, w): the adjoint in g is a convolution, in w a weight gradient."""
    g, w = r.inputs
    geometry = _geometry(r.attributes)
    dg = apply(prim.conv, h, w, None, activation=None, **geometry) if r.needs[0] else None
    window = r.shapes[1][:-2]
    return dg, apply(prim.conv_weight_grad, h, g, window=window, **geometry) if r.needs[1] else None


def _conv_weight_grad_gradient(h, r):
    """Bilinear in (x, g): the adjoint in x is an input gradient, in g a convolution."""
    x, g = r.inputs
    geometry = _geometry(r.attributes)
    dx = None
    if r.needs[0]:
        dx = apply(prim.conv_input_grad, g, h, spatial=r.shapes[0][1:-1], **geometry)
    return dx, apply(prim.conv, x, h, None, activation=None, **geometry) if r.needs[1] else None


prim.conv.gradient = Gradient(vjp=_conv_gradient, saves=lambda attributes: "xyo" if attributes["activation"] else "xy")
prim.conv_input_grad.gradient = Gradient(vjp=_conv_input_grad_gradient, saves="xy")
prim.conv_weight_grad.gradient = Gradient(vjp=_conv_weight_grad_gradient, saves="xy")


@symbolic_op
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Transposed convolution: the adjoint of `conv`, with the output size of Keras and TensorFlow.

    Args:
        inputs: (batch, *spatial, in), or (batch, in, *spatial) for "channels_first".
        kernel: (*window, out, in).
        padding: "valid" or "same"; "same" makes the output `strides` times as large.
        output_padding: None, an int or one per spatial axis: rows added at the high end.

    Raises:
        ValueError: if ranks, channels or padding do not fit.
    """
    data_format = standardize_data_format(data_format)
    x, kernel = _operands(inputs, kernel, data_format, "conv_transpose")
    if x.shape[-1] != kernel.shape[-1]:
        raise ValueError(
            f"conv_transpose: the kernel's last axis must be the inputs' channels. "
            f"Received: {x.shape[-1]} input channels, kernel.shape={tuple(kernel.shape)}"
        )
    rank = x.ndim - 2
    strides = per_axis(strides, rank, "strides")
    dilation = per_axis(dilation_rate, rank, "dilation_rate")
    extra = output_padding if isinstance(output_padding, list | tuple) else (output_padding,) * rank
    axes = [
        transpose_geometry(n, k, s, padding, e, d)
        for n, k, s, e, d in zip(x.shape[1:-1], kernel.shape[:-2], strides, extra, dilation)
    ]
    y = apply(
        prim.conv_input_grad,
        x,
        kernel,
        spatial=tuple(size for size, _ in axes),
        strides=strides,
        padding=tuple(pair for _, pair in axes),
        dilation=dilation,
        groups=1,
    )
    return restore_format(y, data_format)


def transpose_geometry(
    n: int, window: int, stride: int, padding: str, extra: int | None, dilation: int
) -> tuple[int, tuple[int, int]]:
    """Output size along one axis of a transposed convolution, and the padding of the convolution it transposes.

    The rule is Keras's: "valid" gives (n−1)·s + max(k, s), "same" gives n·s; with an explicit `output_padding` p,
    (n−1)·s + k + p and (n−1)·s + k mod 2 + p, where k is the dilated window.
    """
    reach = dilation * (window - 1) + 1
    mode = str(padding).lower()
    if mode == "valid":
        size = (n - 1) * stride + reach + (max(reach, stride) - reach if extra is None else extra)
        low = 0
    elif mode == "same":
        size = n * stride if extra is None else (n - 1) * stride + reach % 2 + extra
        total = size - (n - 1) * stride + reach - 2
        low = reach - 1 - min(total // 2 + total % 2, reach - 1)
    else:
        raise ValueError(f'padding must be "valid" or "same". Received: padding={padding!r}')
    return size, (low, (n - 1) * stride + reach - size - low)


@symbolic_op
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """A convolution of each channel by itself: kernel (*window, in, multiplier), output in·multiplier channels.

    Raises:
        ValueError: if the kernel has not one filter, or several, for each channel.
    """
    inputs, kernel = operand(inputs), operand(kernel)
    place = -1 if standardize_data_format(data_format) == "channels_last" else 1
    if inputs.ndim < 3 or kernel.ndim != inputs.ndim or inputs.shape[place] != kernel.shape[-2]:
        raise ValueError(
            f"depthwise_conv expected a kernel of shape (*window, in, multiplier) for inputs with as many channels. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    kernel = reshape(kernel, (*kernel.shape[:-2], 1, kernel.shape[-2] * kernel.shape[-1]))
    return conv(inputs, kernel, strides, padding, data_format, dilation_rate)


@symbolic_op
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """A depthwise convolution followed by a 1×1 convolution with `pointwise_kernel`."""
    y = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(y, pointwise_kernel, 1, "valid", data_format)
