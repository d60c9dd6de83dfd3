"""Gradients of fused primitives: a fused backward for the first derivative, a decomposition for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet.autograd.gradient_tape import GradientTape
from gpunet.autograd.tape import Gradient, Record, alias, no_grad
from gpunet.autograd.tensor import Tensor, raw, wrap


def fused_gradient(backward: Callable[[Any, Record], Sequence[Any]], decomposition: Callable, saves: Any) -> Gradient:
    """The gradient of a primitive that is not closed under differentiation.

    Args:
        backward: `(cotangent, record)` → a cotangent or None per input, on raw arrays; None instead of a sequence where
            it does not cover the case.
        decomposition: `(*inputs, **attributes)`, the same function written with ops. Differentiating the backward goes
            through it.
        saves: what both need, as in `Gradient`.
    """

    def vjp(g: Any, record: Record) -> Sequence[Any]:
        parts = g if isinstance(g, list) else [g]
        if not any(isinstance(p, Tensor) for p in parts):
            result = backward(g, record)
            if result is not None:
                return result
        return vjp_through(decomposition, record, g)

    return Gradient(vjp=vjp, saves=saves)


def vjp_through(function: Callable, record: Record, cotangent: Any) -> list[Any]:
    """The cotangents of a record's inputs, found by running `function` on them under a tape of its own.

    Raw arrays in give raw arrays out.
    """
    plain = not any(isinstance(x, Tensor) for x in [*_listed(cotangent), *record.inputs])
    if plain:
        with no_grad():
            return [raw(g) for g in _differentiate(function, record, cotangent)]
    return _differentiate(function, record, cotangent)


def _listed(x: Any) -> list:
    return x if isinstance(x, list) else [x]


def _differentiate(function, record, cotangent):
    with GradientTape(persistent=True) as tape:
        inputs = [alias(_tensor(x)) if need else _constant(x) for x, need in zip(record.inputs, record.needs)]
        outputs = function(*inputs, **record.attributes)
    pairs = [
        (y, g)
        for y, g in zip(outputs if isinstance(outputs, tuple) else [outputs], _listed(cotangent))
        if g is not None
    ]
    wanted = [x for x, need in zip(inputs, record.needs) if need]
    found = iter(tape.gradient([y for y, _ in pairs], wanted, output_gradients=[_tensor(g) for _, g in pairs]))
    return [next(found) if need else None for need in record.needs]


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x)


def _constant(x: Any) -> Any:
    return wrap(x) if hasattr(x, "shape") and not isinstance(x, Tensor) else x
