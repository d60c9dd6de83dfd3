"""Functions that differentiate functions: grad, value_and_grad, vjp, jvp, hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpunet import tree
from gpunet.autograd.tape import GradientTape, arithmetic, is_tracked
from gpunet.autograd.tensor import Tensor, raw, wrap


def value_and_grad(function: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns `function`'s value and its gradient in the arguments `argnums`.

    Arguments are tensors, plain arrays, numbers or structures of them; plain arrays in give plain arrays out. With
    `has_aux`, `function` returns `(value, aux)`, and so does the value returned here.

    Raises:
        ValueError: if the value is not a scalar.
    """
    many = isinstance(argnums, tuple)
    positions = argnums if isinstance(argnums, tuple) else (argnums,)

    @functools.wraps(function)
    def differentiated(*args, **kwargs):
        plain = not any(isinstance(x, Tensor) for x in tree.flatten([args[i] for i in positions]))
        args = list(args)
        with GradientTape() as tape:
            for i in positions:
                args[i] = tree.map_structure(functools.partial(_watched, tape), args[i])
            result = function(*args, **kwargs)
        value, aux = result if has_aux else (result, None)
        if not isinstance(value, Tensor) or value.shape != ():
            raise ValueError(
                f"grad expected a function that returns a scalar tensor. "
                f"Received: {getattr(value, 'shape', type(value).__name__)}"
            )
        grads = tape.gradient(value, [args[i] for i in positions], unconnected_gradients="zero")
        if plain:
            value, grads = value.array, tree.map_structure(raw, grads)
        return ((value, aux) if has_aux else value), tuple(grads) if many else grads[0]

    return differentiated


def _watched(tape: GradientTape, x: Any) -> Tensor:
    """The argument as a tensor that the tape watches, still connected to what an outer tape watches."""
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    if not is_tracked(tensor):
        tensor = wrap(tensor.array)
        tape.watch(tensor)
        return tensor
    return tensor


def grad(function: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of `function` in the arguments `argnums`; see `value_and_grad`.

    `grad(grad(f))` is the second derivative.
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def differentiated(*args, **kwargs):
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return differentiated


def vjp(function: Callable, *primals: Any) -> tuple[Any, Callable]:
    """`function(*primals)` and a function from an output cotangent to the primals' cotangents."""
    with GradientTape(persistent=True) as tape:
        inputs = [_watched(tape, x) for x in primals]
        outputs = function(*inputs)

    def pull(cotangent: Any) -> tuple:
        found = tape.gradient(outputs, inputs, output_gradients=cotangent, unconnected_gradients="zero")
        return tuple(found)

    return outputs, pull


def jvp(function: Callable, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    """`function(*primals)` and its directional derivative along `tangents`, by differentiating a vjp twice."""
    tangents = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tangents)
    with GradientTape() as outer:
        outputs, pull = vjp(function, *primals)
        dummy = arithmetic.zeros_like(outputs)
        outer.watch(dummy)
        pulled = pull(dummy)
    return outputs, outer.gradient(list(pulled), dummy, output_gradients=list(tangents), unconnected_gradients="zero")


def hessian(function: Callable, argnum: int = 0) -> Callable:
    """A function that returns the matrix of second derivatives, of shape x.shape + x.shape."""

    def second(*args):
        plain = not isinstance(args[argnum], Tensor)
        arguments = list(args)
        with GradientTape(persistent=True) as tape:
            arguments[argnum] = x = _watched(tape, args[argnum])
            slope = grad(function, argnum)(*arguments)
        rows = tape.jacobian(slope, x, unconnected_gradients="zero")
        return raw(rows) if plain else rows

    return second


def jacobian_rows(tape: GradientTape, target: Tensor, sources: Any, unconnected: str) -> Any:
    """The derivative of every element of `target`, one backward walk each."""
    flat = tree.flatten(sources)
    rows: list[list[Any]] = [[] for _ in flat]
    for i in range(target.size):
        seed = arithmetic.zeros_like(target).numpy().reshape(-1)
        seed[i] = 1
        seed = Tensor(seed.reshape(target.shape), device=target.device)
        for row, g in zip(rows, tape.gradient(target, flat, seed, unconnected)):
            row.append(g)
    return tree.pack_like(sources, [_stack(row, target.shape, x.shape) for row, x in zip(rows, flat)])


def _stack(rows: list, target_shape: tuple, source_shape: tuple) -> Tensor | None:
    if not rows or rows[0] is None:
        return None
    return arithmetic.stack(rows, (*target_shape, *source_shape))
