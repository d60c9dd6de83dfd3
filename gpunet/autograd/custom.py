"""Functions with a gradient of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpunet import tree
from gpunet.autograd.tape import Gradient, Record, arithmetic, clock, is_tracked, state
from gpunet.autograd.tensor import Tensor, wrap


def custom_gradient(f: Callable) -> Callable:
    """Decorator: give a function its own gradient.

    The function returns `(result, grad)`. `grad(upstream)`, or `grad(*args, upstream=...)` as in Keras, returns the
    gradient for each positional tensor argument (a tuple or list if there are several). Written with ops, it can be
    differentiated again.

    Example:
        >>> @gpunet.custom_gradient
        ... def log1pexp(x):
        ...     e = ops.exp(x)
        ...     return ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))
    """

    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        result, grad = f(*args, **kwargs)
        inputs = [x for x in args if isinstance(x, Tensor)]
        if not any(is_tracked(x) for x in inputs):
            return result
        outputs = [x if isinstance(x, Tensor) else Tensor(x) for x in tree.flatten(result)]
        nodes = _nodes(inputs, outputs, grad)
        return tree.pack_like(result, [wrap(y.array, node) for y, node in zip(outputs, nodes)])

    return wrapped


def _nodes(inputs: list[Tensor], outputs: list[Tensor], grad: Callable) -> list[list]:
    """A node for each output of a function with the gradient `grad`."""
    base = state.base
    parents = tuple(x._node if is_tracked(x) else None for x in inputs)
    record = Record(tuple(x.array for x in inputs), None, {}, (), (), inputs[0].dtype)
    several = len(outputs) > 1

    def vjp(g: Any, _: Record):
        upstream = [_upstream(part, y) for part, y in zip(g, outputs)] if several else [_upstream(g, outputs[0])]
        found = _call(grad, upstream)
        found = list(found) if isinstance(found, list | tuple) else [found]
        if len(found) != len(inputs):
            raise ValueError(
                f"the gradient function must return one gradient per tensor argument: expected {len(inputs)}. "
                f"Received: {len(found)}"
            )
        plain = base is not None and not any(isinstance(p, Tensor) for p in (g if several else [g]))
        return [x.array if plain and isinstance(x, Tensor) else x for x in found]

    node = [clock(), Gradient(vjp=vjp, saves=""), parents, record, None]
    if not several:
        return [node]
    return [[clock(), i, (node,), len(outputs), None] for i in range(len(outputs))]


def _upstream(g: Any, y: Tensor) -> Tensor:
    if g is None:
        return wrap(arithmetic.zeros_like(y.array))
    return g if isinstance(g, Tensor) else wrap(g)


def _call(grad: Callable, upstream: list) -> Any:
    """Call with positional cotangents, or with Keras's keyword `upstream` where only that fits."""
    try:
        return grad(*upstream)
    except TypeError:
        import inspect

        if "upstream" not in inspect.signature(grad).parameters:
            raise
        return grad(upstream=upstream[0] if len(upstream) == 1 else upstream)
