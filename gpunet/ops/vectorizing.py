"""`vectorize`: a function of small arrays, applied all over larger ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.ops.indexing import getitem
from gpunet.ops.joining import stack
from gpunet.ops.operands import operand
from gpunet.ops.reduction import broadcast_to
from gpunet.ops.views import reshape


def vectorize(pyfunc: Callable, *, excluded: Any = None, signature: str | None = None) -> Callable:
    """A function that applies `pyfunc` to every element of its arguments, broadcast together, as `numpy.vectorize`.

    It is a loop in Python; gradients and recordings see the ops inside.

    Args:
        excluded: the positions, and names, of arguments to hand on as they are.
        signature: the axes of the parts that `pyfunc` takes and returns, such as "(m,n),(n)->(m)"; scalars where None.

    Raises:
        ValueError: if `pyfunc` cannot be called, or the signature is no such text.
    """
    if not callable(pyfunc):
        raise ValueError(f"Expected argument `pyfunc` to be a callable. Received: pyfunc={pyfunc}")
    left_out = set(excluded or ())
    ranks, several = (None, False) if signature is None else _parsed(signature)

    @functools.wraps(pyfunc)
    def vectorized(*args, **kwargs):
        places = [i for i in range(len(args)) if i not in left_out]
        core = [0] * len(places) if ranks is None else ranks
        if len(core) != len(places):
            raise ValueError(f"vectorize: expected {len(core)} arguments, as {signature!r} says. Received: {len(args)}")
        arrays = [operand(args[i]) for i in places]
        lead = [x.shape[: x.ndim - rank] for x, rank in zip(arrays, core)]
        shape = np.broadcast_shapes(*lead)
        arrays = [broadcast_to(x, (*shape, *x.shape[x.ndim - rank :])) for x, rank in zip(arrays, core)]

        def one(index: tuple) -> Any:
            given = list(args)
            for i, x in zip(places, arrays):
                given[i] = getitem(x, index)
            return pyfunc(*given, **kwargs)

        found = [one(index) for index in np.ndindex(*shape)]
        if several or isinstance(found[0], tuple):
            return tuple(_stacked(list(column), shape) for column in zip(*found))
        return _stacked(found, shape)

    return vectorized


def _stacked(parts: list, shape: tuple[int, ...]) -> Any:
    whole = stack(parts)
    return reshape(whole, (*shape, *whole.shape[1:]))


def _parsed(signature: str) -> tuple[list[int], bool]:
    """How many axes each argument has, and whether there are several results."""
    group = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*)?\)"
    if re.fullmatch(rf"\s*{group}\s*(,\s*{group}\s*)*->\s*{group}\s*(,\s*{group}\s*)*", signature) is None:
        raise ValueError(f'vectorize expected a signature such as "(m,n),(n)->(m)". Received: signature={signature!r}')
    inputs, outputs = (re.findall(group, side) for side in signature.split("->"))
    return [len(re.findall(r"\w+", text)) for text in inputs], len(outputs) > 1
