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
    unknown = any(None in shape for shape in _shapes((args, kwargs)))
    try:
        runs = [_run(function, args, kwargs, stand_in) for stand_in in _STAND_INS[: 2 if unknown else 1]]
    except ValueError:
        known = _known_sizes((args, kwargs))
        if known is None:
            raise
        args, kwargs = known
        runs = [_run(function, args, kwargs, stand_in) for stand_in in _STAND_INS]
    first, last = tree.flatten(runs[0]), tree.flatten(runs[-1])
    return tree.pack_like(runs[0], [_merge(a, b) for a, b in zip(first, last)])


def _shapes(structure: Any) -> list[tuple]:
    return [x.shape for x in tree.flatten(structure) if isinstance(x, KerasTensor)]


def _known_sizes(structure: Any) -> Any:
    """The arguments with unknown sizes replaced by those of other tensors; None if that changes nothing.

    A size that is unknown may still have to be another's: that of a batch, where a second input declares it, or that
    of the same axis of a tensor of the same rank.
    """
    sizes: dict[tuple[int, int], int] = {}
    batch = None
    for shape in _shapes(structure):
        sizes |= {(len(shape), axis): n for axis, n in enumerate(shape) if n not in (None, 1)}
        batch = shape[0] if shape and batch is None else batch

    def filled(x):
        if not isinstance(x, KerasTensor) or None not in x.shape:
            return x
        rank = len(x.shape)
        shape = [sizes.get((rank, i), None if i else batch) if n is None else n for i, n in enumerate(x.shape)]
        y = KerasTensor(shape, x.dtype, x.name)
        y._keras_mask = None if x._keras_mask is None else filled(x._keras_mask)
        return y

    changed = tree.map_structure(filled, structure)
    return None if _shapes(changed) == _shapes(structure) else changed


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
    with abstract_scope(stand_in), no_grad():
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
