"""Matrix products, contractions and triangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Gradient
from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of
from gpunet.backend.dtypes import BOOL, as_dtype
from gpunet.backend.primitives import matmul as prim
from gpunet.backend.primitives import reduction
from gpunet.ops import elementwise as el
from gpunet.ops.creation import arange
from gpunet.ops.indexing import getitem
from gpunet.ops.operands import cast_to, normalize_axes, normalize_axis, operand, promote
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.reduction import unbroadcast
from gpunet.ops.views import moveaxis, reshape, transpose
from gpunet.symbolic.ops import symbolic_op

INT8 = as_dtype("int8")


@symbolic_op
def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product of (..., m, k) and (..., k, n), leading axes broadcast; 1-D operands are vectors.

    Raises:
        ValueError: if an operand is a scalar or the inner sizes differ.
    """
    x1, x2 = operand(x1), operand(x2)
    if x1.dtype == INT8 == x2.dtype:
        x1, x2 = cast_to(x1, "int32"), cast_to(x2, "int32")  # as in Keras: products of int8 rarely fit
    x1, x2 = promote(x1, x2)
    if not x1.ndim or not x2.ndim or x1.shape[-1] != x2.shape[max(0, x2.ndim - 2)]:
        raise ValueError(f"matmul: inner sizes must be equal. Received shapes: {x1.shape} and {x2.shape}")
    if x2.ndim == 2 and x1.ndim != 2:
        return apply(prim.linear, x1, x2, None)
    a = reshape(x1, (1, -1)) if x1.ndim == 1 else x1
    b = reshape(x2, (-1, 1)) if x2.ndim == 1 else x2
    y = apply(prim.matmul, a, b)
    if x1.ndim == 1:
        y = reshape(y, (*y.shape[:-2], y.shape[-1]))
    return reshape(y, y.shape[:-1]) if x2.ndim == 1 else y


def _product(a, b, transpose_a=False, transpose_b=False):
    return apply(prim.matmul, a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def _matmul_gradient(g, r):
    a, b = r.inputs
    ta, tb = r.attributes.get("transpose_a", False), r.attributes.get("transpose_b", False)
    da = db = None
    if r.needs[0]:
        da = _product(b, g, tb, True) if ta else _product(g, b, False, not tb)
        da = unbroadcast(da, r.shapes[0])
    if r.needs[1]:
        db = _product(g, a, True, ta) if tb else _product(a, g, not ta, False)
        db = unbroadcast(db, r.shapes[1])
    return da, db


prim.matmul.gradient = Gradient(vjp=_matmul_gradient, saves="xy")


@symbolic_op
def linear(x: Any, kernel: Any, bias: Any = None, activation: str | None = None) -> Any:
    """activation(x @ kernel + bias) in one pass, the arithmetic of a Dense layer.

    Args:
        x: (..., in). kernel: (in, out). bias: (out,) or None.
        activation: None or "relu".

    Raises:
        ValueError: if the shapes do not fit.
    """
    x, kernel = promote(x, kernel)
    if bias is not None:
        bias = cast_to(operand(bias), x.dtype)
    if not x.ndim or kernel.ndim != 2 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(
            f"linear expected x of shape (..., in) and a kernel of shape (in, out). "
            f"Received: x.shape={tuple(x.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    if bias is not None and tuple(bias.shape) != (kernel.shape[1],):
        raise ValueError(
            f"linear expected a bias of shape ({kernel.shape[1]},), for a kernel of shape {tuple(kernel.shape)}. "
            f"Received: bias.shape={tuple(bias.shape)}"
        )
    return apply(prim.linear, x, kernel, bias, activation=activation)


def _linear_gradient(g, r):
    x, w, _ = r.inputs
    if r.attributes.get("activation") == "relu":
        g = el.relu_grad(g, r.out)
    dx = dw = db = None
    if r.needs[0]:
        rows = g if len(g.shape) == 2 else reshape(g, (-1, g.shape[-1]))
        dx = _product(rows, w, transpose_b=True)
        dx = dx if len(g.shape) == 2 else reshape(dx, r.shapes[0])
    if r.needs[1]:
        dw = apply(prim.linear_weight_grad, x, g)
    if r.needs[2]:
        db = apply(reduction.sum, g, axis=tuple(range(len(g.shape) - 1)))
    return dx, dw, db


def _linear_weight_gradient(h, r):
    x, g = r.inputs
    dx = reshape(_product(reshape(g, (-1, g.shape[-1])), h, transpose_b=True), x.shape) if r.needs[0] else None
    return dx, apply(prim.linear, x, h, None) if r.needs[1] else None


prim.linear.gradient = Gradient(
    vjp=_linear_gradient, saves=lambda attributes: "xyo" if attributes.get("activation") else "xy"
)
prim.linear_weight_grad.gradient = Gradient(vjp=_linear_weight_gradient, saves="xy")


@symbolic_op
def dot(x1: Any, x2: Any) -> Any:
    """The product that sums over x1's last and x2's second-to-last axis; scalars multiply."""
    x1, x2 = promote(x1, x2)
    if isinstance(x2, int | float) or not x1.ndim or not x2.ndim:
        return el.multiply(x1, x2)
    return tensordot(x1, x2, axes=([x1.ndim - 1], [max(0, x2.ndim - 2)]))


@symbolic_op
def vdot(x1: Any, x2: Any) -> Any:
    """The inner product of the flattened operands."""
    x1, x2 = promote(x1, x2)
    return tensordot(reshape(x1, (-1,)), reshape(x2, (-1,)), axes=1)


@symbolic_op
def inner(x1: Any, x2: Any) -> Any:
    """The product that sums over the last axis of both; scalars multiply."""
    x1, x2 = promote(x1, x2)
    if isinstance(x2, int | float) or not x1.ndim or not x2.ndim:
        return el.multiply(x1, x2)
    return tensordot(x1, x2, axes=([x1.ndim - 1], [x2.ndim - 1]))


@symbolic_op
def outer(x1: Any, x2: Any) -> Any:
    """The products of all pairs of elements, (x1.size, x2.size)."""
    x1, x2 = promote(x1, x2)
    numbers = int, float
    return el.multiply(
        x1 if isinstance(x1, numbers) else reshape(x1, (-1, 1)), x2 if isinstance(x2, numbers) else reshape(x2, (1, -1))
    )


@symbolic_op
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes: an int takes x1's last and x2's first, else (axes of x1, of x2).

    Raises:
        ValueError: if the paired axes differ in number or size.
    """
    x1, x2 = promote(x1, x2)
    if isinstance(axes, int):
        axes = (range(x1.ndim - axes, x1.ndim), range(axes))
    first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    first = [normalize_axis(a, x1.ndim) for a in first]
    second = [normalize_axis(a, x2.ndim) for a in second]
    if [x1.shape[a] for a in first] != [x2.shape[a] for a in second]:
        raise ValueError(
            f"tensordot: the sizes of paired axes must be equal. "
            f"Received: axes={axes}, shapes {x1.shape} and {x2.shape}"
        )
    free1 = [d for d in range(x1.ndim) if d not in first]
    free2 = [d for d in range(x2.ndim) if d not in second]
    inner_size = math.prod(x1.shape[a] for a in first)
    rows, columns = [x1.shape[d] for d in free1], [x2.shape[d] for d in free2]
    a = reshape(transpose(x1, free1 + first), (math.prod(rows), inner_size))
    b = reshape(transpose(x2, second + free2), (inner_size, math.prod(columns)))
    return reshape(_product(a, b), rows + columns)


@symbolic_op
def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products by Einstein's convention, as in `numpy.einsum`: "bij,bjk->bik", "ii->", "...c,c->...".

    Axes of size 1 broadcast, those under the ellipsis too.

    Raises:
        ValueError: if the subscripts do not fit the operands.
    """
    arrays = promote(*operands)
    terms, output = _parse_einsum(subscripts, [a.ndim for a in arrays])
    sizes = _label_sizes(subscripts, terms, arrays)
    pairs: list[Any] = [_without_broadcast(_diagonal(a, t), sizes) for a, t in zip(arrays, terms)]
    while len(pairs) > 1:
        i, j = _cheapest_pair(pairs)
        later = set(output).union(*(t for k, (_, t) in enumerate(pairs) if k not in (i, j)))
        merged = _contract(pairs[i], pairs[j], later, output)
        pairs = [p for k, p in enumerate(pairs) if k not in (i, j)] + [merged]
    ((array, term),) = pairs
    array, term = _sum_out(array, term, set(output))
    return array if term == output else transpose(array, [term.index(c) for c in output])


def _parse_einsum(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The operands' labels and the output's, with the ellipsis spelled out."""
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} operands. Received: {len(ndims)}")
    spare = list(map(chr, range(0x100, 0x140)))
    widths = [n - len(t.replace("...", "")) if "..." in t else 0 for t, n in zip(terms, ndims)]
    longest = "".join(spare[: max(widths, default=0)])
    terms = [t.replace("...", longest[len(longest) - w :] if w else "") for t, w in zip(terms, widths)]
    if any(len(t) != n for t, n in zip(terms, ndims)) or any(w < 0 for w in widths):
        raise ValueError(f"einsum: {subscripts!r} does not fit operands of ranks {ndims}")
    if arrow:
        output = output.replace("...", longest)
    else:
        labels = "".join(terms)
        output = longest + "".join(sorted(c for c in set(labels) - set(longest) if labels.count(c) == 1))
    if set(output) - set("".join(terms)) or len(set(output)) != len(output):
        raise ValueError(f"einsum: the output of {subscripts!r} repeats or invents a label")
    return terms, output


def _label_sizes(subscripts, terms, arrays) -> dict[str, int]:
    """The size of each label, where 1 broadcasts between operands."""
    sizes: dict[str, int] = {}
    for term, array in zip(terms, arrays):
        own: dict[str, int] = {}
        for label, n in zip(term, array.shape):
            if own.setdefault(label, n) != n or (sizes.get(label, n) not in (n, 1) and n != 1):
                raise ValueError(
                    f"einsum: label {label!r} of {subscripts!r} has two sizes. "
                    f"Received shapes: {[a.shape for a in arrays]}"
                )
            sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
    return sizes


def _without_broadcast(labelled, sizes):
    """The operand without axes of size 1 whose label is larger elsewhere: it is constant along them."""
    array, term = labelled
    kept = [d for d, c in enumerate(term) if array.shape[d] == sizes[c]]
    if len(kept) == len(term):
        return labelled
    return reshape(array, [array.shape[d] for d in kept]), "".join(term[d] for d in kept)


def _diagonal(array, term):
    """The operand without repeated labels: each pair of equal labels is replaced by its diagonal."""
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            i, j = term.index(label), term.rindex(label)
            index = np.arange(array.shape[i])
            array = getitem(moveaxis(array, (i, j), (0, 1)), (index, index))
            term = label + "".join(c for k, c in enumerate(term) if k not in (i, j))
    return array, term


def _cheapest_pair(pairs):
    """The two operands whose product is smallest."""
    size = {c: n for array, term in pairs for c, n in zip(term, array.shape)}
    choices = [(i, j) for i in range(len(pairs)) for j in range(i + 1, len(pairs))]
    return min(choices, key=lambda p: math.prod(size[c] for c in set(pairs[p[0]][1] + pairs[p[1]][1])))


def _sum_out(array, term, keep):
    """Sum over the labels that nobody needs any more."""
    axes = tuple(k for k, c in enumerate(term) if c not in keep)
    return (sum_(array, axis=axes), "".join(c for c in term if c in keep)) if axes else (array, term)


def _contract(first, second, later, output):
    """One batched matrix product of two labelled operands, in the order of `output` where that is possible.

    Where rows, columns and what is summed are one axis each, the operands are multiplied as they lie, without a copy.
    """
    (a, ta), (b, tb) = _sum_out(*first, later | set(second[1])), _sum_out(*second, later | set(first[1]))
    left, right = [c for c in ta if c not in tb], [c for c in tb if c not in ta]
    if left and right and -1 < output.find(right[0]) < output.find(left[0]):
        a, ta, left, b, tb, right = b, tb, right, a, ta, left
    batch = [c for c in ta if c in tb and c in later]
    inner_labels = [c for c in ta if c in tb and c not in later]
    size = {c: n for x, t in ((a, ta), (b, tb)) for c, n in zip(t, x.shape)}
    dims = [[size[c] for c in labels] for labels in (batch, left, inner_labels, right)]
    found = "".join(batch + left + right)
    if len(left) == len(inner_labels) == len(right) == 1:
        # Axes in the order that they have: gradients come in the same one, and lie as the operands do.
        swap_a, swap_b = ta.index(inner_labels[0]) < ta.index(left[0]), tb.index(right[0]) < tb.index(inner_labels[0])
        a = transpose(a, [ta.index(c) for c in batch + (inner_labels + left if swap_a else left + inner_labels)])
        b = transpose(b, [tb.index(c) for c in batch + (right + inner_labels if swap_b else inner_labels + right)])
        return _product(a, b, swap_a, swap_b), found
    a = transpose(a, [ta.index(c) for c in batch + left + inner_labels])
    b = transpose(b, [tb.index(c) for c in batch + inner_labels + right])
    nb, nl, ni, nr = map(math.prod, dims)
    product = _product(reshape(a, (nb, nl, ni)), reshape(b, (nb, ni, nr)))
    return reshape(product, dims[0] + dims[1] + dims[3]), found


@symbolic_op
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal."""
    return sum_(diagonal(x, offset, axis1, axis2), axis=-1)


@symbolic_op
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes, as the last axis of the result."""
    x = moveaxis(x, (axis1, axis2), (0, 1))
    rows, columns = x.shape[:2]
    n = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    index = np.arange(n)
    return moveaxis(getitem(x, (index - min(offset, 0), index + max(offset, 0))), 0, -1)


@symbolic_op
def tril(x: Any, k: int = 0) -> Any:
    """x with zeros above the k-th diagonal of its last two axes."""
    return _triangle(x, k, el.greater_equal)


@symbolic_op
def triu(x: Any, k: int = 0) -> Any:
    """x with zeros below the k-th diagonal of its last two axes."""
    return _triangle(x, k, el.less_equal)


def _triangle(x, k, compare):
    (x,) = promote(x)
    rows, columns = x.shape[-2:]
    place = device_of(raw(x))
    row = raw(reshape(arange(rows, device=place), (-1, 1)))
    column = raw(reshape(arange(columns, device=place), (1, -1)))
    return el.where(compare(el.add(row, k), column), x, False if x.dtype == BOOL else 0)


@symbolic_op
def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """x divided by its norm of `order` over `axis`, at least `epsilon` (1e-12)."""
    (x,) = promote(x, to_float=True)
    axes = normalize_axes(axis, x.ndim)
    if order == 2:
        squares = sum_(el.square(x), axes, keepdims=True)
        return el.multiply(x, el.rsqrt(el.maximum(squares, (epsilon or 1e-12) ** 2)))
    norm = el.power(sum_(el.power(el.absolute(x), order), axes, keepdims=True), 1.0 / order)
    return el.divide(x, el.maximum(norm, epsilon or 1e-12))
