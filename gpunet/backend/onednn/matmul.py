"""Matrix products: oneDNN's matmul on strided operands, so that nothing is transposed or packed beforehand."""

from __future__ import annotations

import math

import numpy as np

from gpunet.backend.bound import Packing, packing
from gpunet.backend.cpu.results import FLOAT32, deliver, target
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.memory import lasting
from gpunet.backend.numba_cpu.addends import add_up, bind_add_up
from gpunet.backend.onednn import onednn
from gpunet.backend.onednn.memory import (
    byte_size,
    item_strides,
    row_major,
    same_layout,
    strided,
    unspecified,
)
from gpunet.backend.onednn.order import Kept, fuses_relu, with_relu
from gpunet.backend.onednn.plan import BIAS, DST, SRC, WEIGHTS, Description, Plan, cached, is_plain, reorder
from gpunet.backend.onednn.shares import product
from gpunet.backend.primitives import matmul as prim

_BYTES = np.dtype(np.uint8)
SMALL = 1 << 17  # multiplications: below it NumPy takes less time than a call into oneDNN


@onednn.implements(prim.matmul)
def matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    columns = b.shape[-2 if transpose_b else -1]
    if (b.ndim == 2 and a.size * columns < SMALL) or a.dtype.char != "f" or b.dtype.char != "f":
        return NotImplemented
    if transpose_a:
        a = a.swapaxes(-1, -2)
    if transpose_b:
        b = b.swapaxes(-1, -2)
    rows, inner = a.shape[-2:]
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
        flat = a.reshape(-1, inner)
        return _product(flat, b, None, None, out, (*a.shape[:-1], columns))
    batch = a.shape[:-2] if a.shape[:-2] == b.shape[:-2] else np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return _product(a, b, None, None, out, (*batch, rows, columns))


@onednn.implements(prim.linear)
def linear(x, w, b, *, activation=None, out=None):
    if (
        x.size * w.shape[1] < SMALL
        or x.dtype.char != "f"
        or w.dtype.char != "f"
        or (b is not None and b.dtype.char != "f")
    ):
        return NotImplemented
    return _product(x.reshape(-1, x.shape[-1]), w, b, activation, out, (*x.shape[:-1], w.shape[1]))


@onednn.implements(prim.linear_weight_grad)
def linear_weight_grad(x, g, *, out=None):
    if x.size * g.shape[-1] < SMALL or x.dtype.char != "f" or g.dtype.char != "f":
        return NotImplemented
    rows, columns = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return _product(rows.T, columns, None, None, out, (rows.shape[1], columns.shape[1]))


def _product(a, b, bias, activation, out, shape):
    """act(a @ b + bias) as an array of `shape`, which may split the rows of a @ b into several axes."""
    size = 1
    for n in shape:
        size *= n
    if size * a.shape[-1] < SMALL or activation not in (None, "relu"):
        return NotImplemented
    y = target(shape, out)
    shared = product(a, b, biased=bias is not None or activation is not None) if a.ndim == b.ndim == 2 else None
    if shared is not None:
        _in_shares(shared, a, b, bias, activation, _rows(y))
        return deliver(y, out)
    a, a_strides = _operand(a)
    b, b_strides = _operand(b)
    operands = (a, b) if bias is None else (a, b, np.ascontiguousarray(bias))
    relu = activation == "relu" and fuses_relu(size, *operands)
    plan = _plan(a.shape, a_strides, b.shape, b_strides, bias is not None, relu)
    if plan is None:
        return NotImplemented
    plan(*operands, y)
    if activation == "relu" and not relu:
        np.maximum(y, 0, out=y)
    return deliver(y, out)


def _in_shares(shared, a, b, bias, activation, y):
    if shared.addends == 1:
        shared.plan(a, b, y)
        return
    addends = scratch("addends", (shared.addends, *y.shape), FLOAT32)
    shared.plan(a, b, addends)
    add_up(addends, bias, activation == "relu", y)


@onednn.binds(prim.matmul)
def bind_matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    if a.ndim != 2 or b.ndim != 2 or out is None:
        return None
    return _bound(a.T if transpose_a else a, b.T if transpose_b else b, None, None, out)


@onednn.binds(prim.linear)
def bind_linear(x, w, b, *, activation=None, out=None):
    if out is None or not all(a.ndim == 2 or a.flags.c_contiguous for a in (x, out)):
        return None
    return _bound(_rows(x), w, b, activation, out)


@onednn.binds(prim.linear_weight_grad)
def bind_linear_weight_grad(x, g, *, out=None):
    if out is None or not all(a.ndim == 2 or a.flags.c_contiguous for a in (x, g)):
        return None
    return _bound(_rows(x).T, _rows(g), None, None, out)


def _rows(x):
    """x as a matrix of its last axes."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def _bound(a, b, bias, activation, out):
    """What `_product` does on these very matrices; `out` may have the rows of the product along several axes."""
    if out.size * a.shape[-1] < SMALL:
        return NotImplemented
    strides = [item_strides(m.shape, m.strides) for m in (a, b)]
    if not is_plain(out, bias) or a.dtype.char != "f" or b.dtype.char != "f" or activation not in (None, "relu"):
        return None
    if any(s is None or 1 not in s for s in strides):
        return None
    shared = product(a, b, biased=bias is not None or activation is not None)
    if shared is not None:
        return _bound_in_shares(shared, a, b, bias, activation, out)
    operands = (a, b) if bias is None else (a, b, bias)
    relus = (False, True) if activation else (False,)

    def plans(b_strides):
        return [_plan(a.shape, strides[0], b.shape, b_strides, bias is not None, relu) for relu in relus]

    def chosen(found, second, kept=None):
        # A bound plan takes the address of `out` alone, whatever its axes.
        runs = [plan.bound(a, second, *operands[2:], out, result=out) for plan in found]
        return with_relu(*runs, operands, out, kept) if activation else runs[0]

    def apart():
        found, plain = plans(None), strided(b.shape, strides[1]).value
        layouts = [None if plan is None else plan.description.layout(WEIGHTS) for plan in found]
        if None in layouts or same_layout(layouts[0], plain) or not same_layout(layouts[0], layouts[-1]):
            return None
        packed = lasting(np, (byte_size(layouts[0]),), _BYTES)
        kept = Kept(b, reorder(plain, layouts[0]).bound(b, packed))
        return kept.pack, chosen(found, packed, kept)

    found = plans(strides[1])
    return None if None in found else packing(chosen(found, b), Packing(1, apart))


def _bound_in_shares(shared, a, b, bias, activation, out):
    """What `_in_shares` does on these very matrices."""
    if shared.addends == 1:
        return shared.plan.bound(a, b, out, result=out)
    y = _rows(out)
    addends = scratch("addends", (shared.addends, *y.shape), FLOAT32)
    execute, finish = shared.plan.bound(a, b, addends), bind_add_up(addends, bias, activation == "relu", y)

    def run():
        execute()
        finish()
        return out

    return run


def _operand(x):
    """x, or a copy where oneDNN has no fast way to read it, and its strides in elements."""
    strides = item_strides(x.shape, x.strides)
    if strides is None or 1 not in strides[-2:]:
        x = np.ascontiguousarray(x)
        strides = row_major(x.shape)
    return x, strides


def _plan(a, a_strides, b, b_strides, biased, relu):
    """The thread's plan; without `b_strides`, for a b in the layout that oneDNN likes best."""
    key = ("matmul", a, a_strides, b, b_strides, biased, relu)
    return cached(key, lambda: _make(a, a_strides, b, b_strides, biased, relu), _work(a, b))


def _work(a, b):
    """Multiplications, and what reading b takes: with few rows that is most of it, and two cores have two caches."""
    return math.prod(np.broadcast_shapes(a[:-2], b[:-2])) * (a[-2] + 2) * a[-1] * b[-1]


def _make(a, a_strides, b, b_strides, biased, relu):
    rank = max(len(a), len(b))
    source = _descriptor(a, a_strides, rank)
    weights = unspecified(b) if b_strides is None else _descriptor(b, b_strides, rank)
    batch = np.broadcast_shapes(a[:-2], b[:-2])
    y = (*batch, a[-2], b[-1])
    row = (*(1,) * (rank - 1), b[-1])
    bias = strided(row, row_major(row)) if biased else None
    description = Description("matmul", source, weights, bias, strided(y, row_major(y)), relu=relu)
    return Plan(description, *((SRC, WEIGHTS, BIAS, DST) if biased else (SRC, WEIGHTS, DST)))


def _descriptor(shape, strides, rank):
    """A descriptor of `rank` axes: axes of length 1 in front of the operand's own."""
    missing = rank - len(shape)
    reach = max((n * s for n, s in zip(shape, strides)), default=1)
    return strided((1,) * missing + shape, (reach,) * missing + strides)
