"""Loops and choices with the names of `keras.ops`. They are Python's own: gradients and recordings see the ops inside.

A condition on a tensor reads its value, so that a step with one in it is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet import tree
from gpunet.ops.indexing import getitem
from gpunet.ops.joining import concatenate, stack
from gpunet.ops.operands import normalize_axis, operand
from gpunet.ops.views import flip


def cond(pred: Any, true_fn: Callable, false_fn: Callable) -> Any:
    """`true_fn()` where the scalar `pred` is true, else `false_fn()`."""
    return true_fn() if bool(pred) else false_fn()


def switch(index: Any, branches: Sequence[Callable], *operands: Any) -> Any:
    """`branches[index](*operands)`, with an index beyond the ends moved to the nearest end."""
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def while_loop(cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Put `loop_vars` through `body` as long as `cond(*loop_vars)` is true: a tuple or list, or one variable."""
    several = isinstance(loop_vars, list | tuple)
    values = tuple(loop_vars) if several else (loop_vars,)
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and bool(cond(*values)):
        found = body(*values)
        values = tuple(found) if isinstance(found, list | tuple) else (found,)
        count += 1
    return values if several else values[0]


def fori_loop(lower: int, upper: int, body_fun: Callable, init_val: Any) -> Any:
    """`val = body_fun(i, val)` for every i from `lower` up to `upper`; the last value."""
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def scan(
    f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: bool | int = 1
) -> tuple[Any, Any]:
    """Run `f(carry, x) -> (carry, y)` along the first axis of xs.

    Args:
        xs: a tensor, a structure of them, or None for `length` steps without one.
        reverse: from the last to the first; ys keep their places.
        unroll: as in Keras; it changes nothing here.

    Returns:
        (last carry, ys stacked).

    Raises:
        ValueError: if the length is unknown, 0, or not that of xs.
    """
    lengths = [operand(x).shape[0] for x in tree.flatten(xs)] if xs is not None else []
    lengths += [] if length is None else [int(length)]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(f"scan needs one positive length, of xs or `length`. Received: lengths {lengths}")
    carry, found = init, []
    order = range(lengths[0])
    for i in reversed(order) if reverse else order:
        carry, y = f(carry, None if xs is None else _at(xs, i))
        found.append(y)
    return carry, _stacked(found[::-1] if reverse else found)


def map(f: Callable, xs: Any) -> Any:
    """`f` of every element along the first axis of a tensor or structure, stacked."""
    return scan(lambda carry, x: (carry, f(x)), None, xs)[1]


def vectorized_map(function: Callable, elements: Any) -> Any:
    """`function` of every element along the first axis of a tensor or structure, stacked."""
    return map(function, elements)


def associative_scan(f: Callable, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All partial results of an associative function along an axis: of additions, cumulative sums.

    `f(a, b)` combines slices elementwise, in the structure of `elems`; it is called log₂(n) times.
    """
    leaves = [operand(x) for x in tree.flatten(elems)]
    axis = normalize_axis(axis, leaves[0].ndim)
    if reverse:
        leaves = [flip(x, axis) for x in leaves]

    def combine(a: list, b: list) -> list:
        return tree.flatten(f(tree.pack_like(elems, a), tree.pack_like(elems, b)))

    found = _prefixes(combine, leaves, axis)
    return tree.pack_like(elems, [flip(x, axis) for x in found] if reverse else found)


def _prefixes(combine: Callable, leaves: list, axis: int) -> list:
    """Hillis and Steele: after step k each place has the result of the 2^k before it."""
    size, reach = leaves[0].shape[axis], 1
    while reach < size:
        before = [_part(x, axis, 0, size - reach) for x in leaves]
        after = [_part(x, axis, reach, size) for x in leaves]
        heads = [_part(x, axis, 0, reach) for x in leaves]
        leaves = [concatenate(pair, axis) for pair in zip(heads, combine(before, after))]
        reach *= 2
    return leaves


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    return getitem(x, (slice(None),) * axis + (slice(start, stop),))


def _at(xs: Any, i: int) -> Any:
    return tree.map_structure(lambda x: operand(x)[i], xs)


def _stacked(ys: list) -> Any:
    """The results of all steps, stacked leaf by leaf; None where there are none."""
    leaves = zip(*(tree.flatten(y) for y in ys))
    return tree.pack_like(ys[0], [None if column[0] is None else stack(column) for column in leaves])
