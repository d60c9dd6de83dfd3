"""Python's control flow as functions, and ops whose results' shapes depend on values, which are read on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet import tree
from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.ops.indexing import getitem
from gpunet.ops.joining import stack
from gpunet.ops.operands import operand


def _scalar(x: Any) -> Any:
    return to_host(raw(x)).item() if hasattr(x, "shape") else x


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What `true_fn()` gives if the condition holds, else what `false_fn()` gives."""
    return true_fn() if _scalar(pred) else false_fn()


def switch(index: Any, branches: Sequence[Callable], *operands: Any) -> Any:
    """What the branch of that index gives for the operands; the index is limited to the branches there are."""
    return branches[min(max(int(_scalar(index)), 0), len(branches) - 1)](*operands)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """loop_vars = body(*loop_vars) while cond(*loop_vars) holds, at most so many times."""
    single = not isinstance(loop_vars, list | tuple)
    values = (loop_vars,) if single else tuple(loop_vars)
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and _scalar(cond(*values)):
        found = body(*values)
        values = tuple(found) if isinstance(found, list | tuple) else (found,)
        count += 1
    return values[0] if single else values


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """value = body_fun(i, value) for i from lower to upper − 1."""
    value = init_val
    for i in range(int(_scalar(lower)), int(_scalar(upper))):
        value = body_fun(i, value)
    return value


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """f of each slice of xs along the first axes, stacked; xs and results may be structures."""
    count = len(tree.flatten(xs)[0])
    results = [f(tree.map_structure(lambda x, i=i: getitem(x, i), xs)) for i in range(count)]
    parts = [stack(leaves) for leaves in zip(*(tree.flatten(r) for r in results))]
    return tree.pack_like(results[0], parts)


vectorized_map = map


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple[Any, Any]:
    """carry, y = f(carry, x) along the first axes of xs: the last carry, and the ys stacked.

    Args:
        length: how often, where xs is None.
        reverse: from the last to the first.
        unroll: taken for Keras's sake.

    Raises:
        ValueError: if neither xs nor length is given.
    """
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    count = length if xs is None else len(tree.flatten(xs)[0])
    carry, found = init, []
    for i in reversed(range(count or 0)) if reverse else range(count or 0):
        carry, y = f(carry, None if xs is None else tree.map_structure(lambda x, i=i: getitem(x, i), xs))
        found.append(y)
    found = found[::-1] if reverse else found
    if not found or found[0] is None:
        return carry, None
    parts = [stack(leaves) for leaves in zip(*(tree.flatten(y) for y in found))]
    return carry, tree.pack_like(found[0], parts)


def nonzero(x: Any) -> tuple:
    """The indices of the elements that are not zero, an int32 vector per axis."""
    x = operand(x)
    found = np.nonzero(to_host(raw(x)))
    return tuple(_beside(x, part.astype("int32")) for part in found)


def unique(
    x: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements in order; with `return_inverse` also where each element is among them, and with
    `return_counts` how often it occurs.

    Args:
        axis: look at slices along an axis, instead of elements.
        size: of the result, cut off or filled with `fill_value`, the smallest where None.
    """
    x = operand(x)
    found = np.unique(to_host(raw(x)), return_inverse=True, return_counts=True, axis=axis)
    values, inverse, counts = found
    place = 0 if axis is None else axis
    if size is not None:
        values, counts = _resized(values, counts, size, fill_value, place)
    parts = [values]
    parts += [inverse.astype("int32")] if return_inverse else []
    parts += [counts.astype("int32")] if return_counts else []
    results = [_beside(x, np.ascontiguousarray(p)) for p in parts]
    return results[0] if len(results) == 1 else tuple(results)


def _resized(values: np.ndarray, counts: np.ndarray, size: int, fill_value: Any, axis: int) -> tuple:
    values, counts = np.take(values, range(min(size, values.shape[axis])), axis), counts[:size]
    missing = size - values.shape[axis]
    if missing:
        widths = [(0, missing if d == axis else 0) for d in range(values.ndim)]
        filler = values.min() if fill_value is None else fill_value
        values, counts = np.pad(values, widths, constant_values=filler), np.pad(counts, (0, missing))
    return values, counts


def _beside(x: Any, values: np.ndarray) -> Any:
    """An array on the device of x, a tensor if x is one."""
    placed = to_device(values, device_of(raw(x)))
    return wrap(placed) if raw(x) is not x else placed
