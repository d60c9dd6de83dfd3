"""Shapes of results, by running the function itself on arrays without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import tree
from gpunet.autograd.tape import no_grad
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import abstract_scope
from gpunet.backend.abstract import AbstractArray
from gpunet.symbolic.keras_tensor import KerasTensor

# What stands for unknown dimensions: two primes so far apart that strided layers tell them apart.
_STAND_INS = (1021, 4099)


def infer_output(function: Callable, args: tuple, kwargs: dict) -> Any:
    """The structure of KerasTensors that `function` makes of KerasTensors among its arguments.

    The function runs on arrays without data, once for known shapes, twice where a dimension is unknown: output
    dimensions that differ between two stand-ins for the unknown ones are unknown themselves.
    """
    unknown = any(isinstance(x, KerasTensor) and None in x.shape for x in tree.flatten((args, kwargs)))
    runs = [_run(function, args, kwargs, stand_in) for stand_in in _STAND_INS[: 2 if unknown else 1]]
    first, last = tree.flatten(runs[0]), tree.flatten(runs[-1])
    return tree.pack_like(runs[0], [_merge(a, b) for a, b in zip(first, last)])


def _run(function, args, kwargs, stand_in):
    def concrete(x):
        if not isinstance(x, KerasTensor):
            return x
        shape = tuple(stand_in if n is None else n for n in x.shape)
        tensor = wrap(AbstractArray(shape, x.dtype))
        if x._keras_mask is not None:
            tensor._keras_mask = concrete(x._keras_mask)
        return tensor

    args, kwargs = tree.map_structure(concrete, args), tree.map_structure(concrete, kwargs)
    with abstract_scope(), no_grad():
        return function(*args, **kwargs)


def _merge(a: Any, b: Any) -> Any:
    if not hasattr(a, "shape"):
        return a
    shape = tuple(n if n == m else None for n, m in zip(a.shape, b.shape))
    merged = KerasTensor(shape, a.dtype)
    mask = getattr(a, "_keras_mask", None)
    if isinstance(a, Tensor) and mask is not None:
        merged._keras_mask = _merge(mask, b._keras_mask)
    return merged
