"""Functions that differentiate functions: grad, value_and_grad, vjp, jvp, hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpunet import tree
from gpunet.autograd.gradient_tape import GradientTape
from gpunet.autograd.tape import alias, arithmetic, is_tracked
from gpunet.autograd.tensor import Tensor, raw, wrap
from gpunet.autograd.variable import Variable
from gpunet.backend.dtypes import is_float


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
        value = _scalar(value)
        grads = tape.gradient(value, [args[i] for i in positions], unconnected_gradients="zero")
        if plain:
            value, grads = value.array, tree.map_structure(raw, grads)
        return ((value, aux) if has_aux else value), tuple(grads) if many else grads[0]

    return differentiated


def _scalar(value: Any) -> Tensor:
    """The value of a function that is differentiated; a number or plain array is a constant.

    Raises:
        ValueError: if it is not a float scalar.
    """
    if isinstance(value, float) or (hasattr(value, "shape") and not isinstance(value, Tensor)):
        value = Tensor(value)
    if not isinstance(value, Tensor) or value.shape != () or not is_float(value.dtype):
        found = f"shape={value.shape}, dtype={value.dtype.name}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"grad expected a function that returns a float scalar. Received: {found}")
    return value


def _watched(tape: GradientTape, x: Any) -> Tensor:
    """The argument as a tensor of its own that the tape watches, connected to what an outer tape watches."""
    tensor = x.value if isinstance(x, Variable) else x if isinstance(x, Tensor) else Tensor(x)
    tensor = alias(tensor) if is_tracked(tensor) else wrap(tensor.array)
    tape.watch(tensor)
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
    """`function(*primals)` and a function from an output cotangent to the primals' cotangents.

    Plain arrays in give plain arrays out.
    """
    plain = not any(isinstance(x, Tensor) for x in tree.flatten(primals))
    outputs, pull = _vjp(function, primals)
    if not plain:
        return outputs, pull
    return tree.map_structure(raw, outputs), lambda cotangent: tree.map_structure(raw, pull(cotangent))


def _vjp(function: Callable, primals: tuple) -> tuple[Any, Callable]:
    """The same with Tensors out."""
    with GradientTape(persistent=True) as tape:
        inputs = [_watched(tape, x) for x in primals]
        outputs = function(*inputs)

    def pull(cotangent: Any) -> tuple:
        found = tape.gradient(outputs, inputs, output_gradients=cotangent, unconnected_gradients="zero")
        return tuple(found)

    return outputs, pull


def jvp(function: Callable, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    """`function(*primals)`, one tensor, and its derivative along `tangents`, by differentiating a vjp.

    Plain arrays in give plain arrays out.

    Raises:
        ValueError: if there is not one tangent of the same shape for each primal.
    """
    plain = not any(isinstance(x, Tensor) for x in (*primals, *tangents))
    primals, tangents = (tuple(x if isinstance(x, Tensor) else Tensor(x) for x in xs) for xs in (primals, tangents))
    if [x.shape for x in primals] != [x.shape for x in tangents]:
        raise ValueError(
            f"jvp expected one tangent of the same shape for each primal. "
            f"Received: primals of shape {[x.shape for x in primals]}, tangents of shape {[x.shape for x in tangents]}"
        )
    with GradientTape() as outer:
        outputs, pull = _vjp(function, primals)
        dummy = arithmetic.zeros_like(outputs)
        outer.watch(dummy)
        pulled = pull(dummy)
    along = outer.gradient(list(pulled), dummy, output_gradients=list(tangents), unconnected_gradients="zero")
    return (raw(outputs), raw(along)) if plain else (outputs, along)


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
