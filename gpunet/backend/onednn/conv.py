"""Convolution and its two gradients on channels-last arrays, kernels packed in the layout that oneDNN wants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.bound import Packing, packing
from gpunet.backend.cpu.results import deliver, target
from gpunet.backend.memory import lasting
from gpunet.backend.onednn import onednn
from gpunet.backend.onednn.library import Handle, dims
from gpunet.backend.onednn.memory import (
    byte_size,
    channels_last,
    row_major,
    same_layout,
    strided,
    unspecified,
    vector,
    workspace,
)
from gpunet.backend.onednn.order import Kept, fuses_relu, with_relu
from gpunet.backend.onednn.plan import (
    BIAS,
    DIFF_DST,
    DIFF_SRC,
    DIFF_WEIGHTS,
    DST,
    SRC,
    WEIGHTS,
    Description,
    Plan,
    cached,
    is_plain,
    reorder,
)
from gpunet.backend.primitives import conv as prim

_BYTES = np.dtype(np.uint8)
_DIRECT = 1
_TRAINING = 64
_LANES = 16  # channels in a vector


class Geometry(NamedTuple):
    """What a convolution's primitives are made for."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def axes(self) -> list[Any]:
        """Strides, dilation and padding as oneDNN takes them: its dilation counts the places that are left out."""
        low, high = zip(*self.padding)
        return [dims(self.strides), dims([d - 1 for d in self.dilation]), dims(low), dims(high)]

    def multiplications(self) -> int:
        """Of any of the three forms."""
        return math.prod(self.y) * math.prod(self.w[:-1])

    def kernel(self) -> Handle:
        """The layout of a contiguous (*window, in / groups, out) kernel, as (groups, out / groups, in / groups, …)."""
        *steps, in_step, out_step = row_major(self.w)
        *window, per_group, out = self.w
        if self.groups == 1:
            return strided((out, per_group, *window), (out_step, in_step, *steps))
        shape = (self.groups, out // self.groups, per_group, *window)
        return strided(shape, (out_step * (out // self.groups), out_step, in_step, *steps))

    def packed(self) -> Handle:
        """A kernel in whatever layout the primitive likes best."""
        *window, per_group, out = self.w
        shape = (out, per_group) if self.groups == 1 else (self.groups, out // self.groups, per_group)
        return unspecified((*shape, *window))


def _forward(geometry: Geometry, y: Handle, biased: bool = False, relu: bool = False) -> Description:
    x, w, bias = channels_last(geometry.x), geometry.packed(), vector(geometry.y[-1]) if biased else None
    return Description("convolution_forward", _TRAINING, _DIRECT, x, w, bias, y, *geometry.axes(), relu=relu)


def forward_description(geometry: Geometry, biased: bool, relu: bool) -> Description:
    """act(conv(x, w) + b), with w in a layout of oneDNN's choice."""
    ragged = geometry.w[-2] % _LANES != 0
    return _by_the_faster_loops(lambda y: _forward(geometry, y, biased, relu), geometry.y, DST, ragged)


def input_grad_description(geometry: Geometry) -> Description:
    """The adjoint in x."""

    def make(y: Handle) -> Description:
        x, w, hint = channels_last(geometry.x), geometry.packed(), _forward(geometry, y)
        return Description("convolution_backward_data", _DIRECT, x, w, y, *geometry.axes(), hint)

    return _by_the_faster_loops(make, geometry.y, DIFF_DST, geometry.x[-1] <= 2 * _LANES)


def _by_the_faster_loops(make: Callable[[Handle], Description], y: tuple[int, ...], code: int, few: bool):
    """A description on channels-last images; with `few` channels by the loops that oneDNN prefers for its own layouts.

    Those take 0.55 to 0.95 of the time of the ones for channels-last images there, and more with many channels. oneDNN
    looks at them only where it may choose the layout of y, which turns out to be channels last as well.
    """
    if few:
        n, *spatial, channels = y
        description = make(unspecified((n, channels, *spatial)))
        if description.implementation.startswith("jit") and same_layout(
            description.layout(code), channels_last(y).value
        ):
            return description
    return make(channels_last(y))


def weight_grad_description(geometry: Geometry) -> Description:
    """The adjoint in w."""
    return Description(
        "convolution_backward_weights",
        _DIRECT,
        channels_last(geometry.x),
        geometry.packed(),
        None,
        channels_last(geometry.y),
        *geometry.axes(),
        _forward(geometry, channels_last(geometry.y)),
    )


class _Convolution:
    """One of the three forms with the copy of its kernel: packed before, or unpacked after for a weight gradient."""

    def __init__(self, geometry: Geometry, description: Description, kernel_code: int, codes: tuple[int, ...]):
        self.is_slow = description.is_reference
        self.run = Plan(description, *codes)
        plain, layout = geometry.kernel(), description.layout(kernel_code)
        self.layout = layout
        self.pack = reorder(plain.value, layout)
        self.unpack = reorder(layout, plain.value) if kernel_code == DIFF_WEIGHTS else None
        self.packed_bytes = byte_size(layout)

    def packed(self, w):
        """w as the primitive wants it, in work space."""
        if self.pack is None:
            return w
        buffer = workspace("onednn kernel", self.packed_bytes)
        self.pack(w, buffer)
        return buffer

    def into_kernel(self, *arrays, out):
        """Compute a kernel's gradient into `out`."""
        if self.unpack is None:
            self.run(*arrays, out)
            return
        buffer = workspace("onednn kernel", self.packed_bytes)
        self.run(*arrays, buffer)
        self.unpack(buffer, out)

    def bound(self, x, w, *rest) -> Callable[[], Any]:
        """A function that packs w, runs on these very arrays, and returns the last."""
        if self.pack is None:
            return self.bound_to_packed(x, w, *rest)
        buffer = workspace("onednn kernel", self.packed_bytes)
        return _both(self.pack.bound(w, buffer), self.bound_to_packed(x, buffer, *rest))

    def bound_to_packed(self, x, packed, *rest) -> Callable[[], Any]:
        """The same for a kernel that is packed already."""
        return self.run.bound(x, packed, *rest, result=rest[-1])

    def bound_into_kernel(self, x, g, dw) -> Callable[[], Any]:
        """A function that runs on these very arrays, unpacks the gradient, and returns it."""
        if self.unpack is None:
            return self.run.bound(x, g, dw, result=dw)
        buffer = workspace("onednn kernel", self.packed_bytes)
        return _both(self.run.bound(x, g, buffer), self.unpack.bound(buffer, dw, result=dw))


def _both(first: Callable[[], Any], second: Callable[[], Any]) -> Callable[[], Any]:
    def run():
        first()
        return second()

    return run


def _geometry(x, w, y, strides, padding, dilation, groups) -> Geometry | None:
    """None for what is left to other providers: more than three spatial axes, cropping, nothing to compute."""
    if not 1 <= len(strides) <= 3 or 0 in x or 0 in w or 0 in y or any(lo < 0 or hi < 0 for lo, hi in padding):
        return None
    return Geometry(x, w, y, strides, padding, dilation, groups)


def _convolution(form: str, geometry: Geometry, biased: bool, relu: bool) -> _Convolution | None:
    """The thread's plan, or None where oneDNN has nothing, or only its reference loops."""
    key = (form, geometry, biased, relu)
    plan = cached(key, lambda: _FORMS[form](geometry, biased, relu), geometry.multiplications())
    return None if plan is None or plan.is_slow else plan


_FORMS: dict[str, Callable[[Geometry, bool, bool], _Convolution]] = {
    "conv": lambda geometry, biased, relu: _Convolution(
        geometry,
        forward_description(geometry, biased, relu),
        WEIGHTS,
        (SRC, WEIGHTS, BIAS, DST) if biased else (SRC, WEIGHTS, DST),
    ),
    "input_grad": lambda geometry, biased, relu: _Convolution(
        geometry, input_grad_description(geometry), WEIGHTS, (DIFF_DST, WEIGHTS, DIFF_SRC)
    ),
    "weight_grad": lambda geometry, biased, relu: _Convolution(
        geometry, weight_grad_description(geometry), DIFF_WEIGHTS, (SRC, DIFF_DST, DIFF_WEIGHTS)
    ),
}


@onednn.implements(prim.conv)
def conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None, out=None):
    if x.dtype.char != "f" or w.dtype.char != "f" or (b is not None and b.dtype.char != "f"):
        return NotImplemented
    spatial = prim.conv_output_shape(x.shape[1:-1], w.shape[:-2], strides, padding, dilation)
    shape = (x.shape[0], *spatial, w.shape[-1])
    geometry = _geometry(x.shape, w.shape, shape, strides, padding, dilation, groups)
    if geometry is None or activation not in (None, "relu"):
        return NotImplemented
    operands = [np.ascontiguousarray(a) for a in (x, w, b) if a is not None]
    relu = activation == "relu" and fuses_relu(math.prod(shape), *operands)
    plan = _convolution("conv", geometry, b is not None, relu)
    if plan is None:
        return NotImplemented
    y = target(shape, out)
    operands[1] = plan.packed(operands[1])
    plan.run(*operands, y)
    if activation == "relu" and not relu:
        np.maximum(y, 0, out=y)
    return deliver(y, out)


@onednn.implements(prim.conv_input_grad)
def conv_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1, out=None):
    if g.dtype.char != "f" or w.dtype.char != "f":
        return NotImplemented
    shape = (g.shape[0], *spatial, w.shape[-2] * groups)
    geometry = _geometry(shape, w.shape, g.shape, strides, padding, dilation, groups)
    plan = None if geometry is None else _convolution("input_grad", geometry, False, False)
    if plan is None:
        return NotImplemented
    dx = target(shape, out)
    plan.run(np.ascontiguousarray(g), plan.packed(np.ascontiguousarray(w)), dx)
    return deliver(dx, out)


@onednn.implements(prim.conv_weight_grad)
def conv_weight_grad(x, g, *, window, strides, padding, dilation, groups=1, out=None):
    if x.dtype.char != "f" or g.dtype.char != "f":
        return NotImplemented
    shape = (*window, x.shape[-1] // groups, g.shape[-1])
    geometry = _geometry(x.shape, shape, g.shape, strides, padding, dilation, groups)
    plan = None if geometry is None else _convolution("weight_grad", geometry, False, False)
    if plan is None:
        return NotImplemented
    dw = target(shape, out)
    plan.into_kernel(np.ascontiguousarray(x), np.ascontiguousarray(g), out=dw)
    return deliver(dw, out)


@onednn.binds(prim.conv)
def bind_conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None, out=None):
    if out is None or not is_plain(x, w, b, out):
        return None
    geometry = _geometry(x.shape, w.shape, out.shape, strides, padding, dilation, groups)
    operands = [a for a in (x, w, b) if a is not None]
    if geometry is None or activation not in (None, "relu"):
        return None
    plans = [_convolution("conv", geometry, b is not None, relu) for relu in (False, activation == "relu")]
    if None in plans:
        return None
    return _bound(plans, operands, out)


@onednn.binds(prim.conv_input_grad)
def bind_conv_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1, out=None):
    if out is None or not is_plain(g, w, out):
        return None
    geometry = _geometry(out.shape, w.shape, g.shape, strides, padding, dilation, groups)
    plan = None if geometry is None else _convolution("input_grad", geometry, False, False)
    return None if plan is None else _bound([plan, plan], [g, w], out)


def _bound(plans, operands, out) -> Callable[[], Any]:
    """A function that runs the second plan, with a ReLU, where NaN allows it, else the first."""
    plain, fused = plans

    def chosen(runs, kept=None):
        return runs[0] if plain is fused else with_relu(*runs, operands, out, kept)

    def apart():
        if plain.pack is None or not same_layout(plain.layout, fused.layout):
            return None
        x, w, *rest = operands
        kernel = lasting(np, (plain.packed_bytes,), _BYTES)
        kept = Kept(w, plain.pack.bound(w, kernel))
        return kept.pack, chosen([plan.bound_to_packed(x, kernel, *rest, out) for plan in plans], kept)

    return packing(chosen([plan.bound(*operands, out) for plan in plans]), Packing(1, apart))


@onednn.binds(prim.conv_weight_grad)
def bind_conv_weight_grad(x, g, *, window, strides, padding, dilation, groups=1, out=None):
    if out is None or not is_plain(x, g, out):
        return None
    geometry = _geometry(x.shape, out.shape, g.shape, strides, padding, dilation, groups)
    plan = None if geometry is None else _convolution("weight_grad", geometry, False, False)
    return None if plan is None else plan.bound_into_kernel(x, g, out)
