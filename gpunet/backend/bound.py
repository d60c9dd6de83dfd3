"""Calls that are ready to be made many times on the same arrays: functions without arguments, with some marks.

A mark is an attribute of the function. `parts` are the arrays that it gives in every call, results and residuals in a
flat tuple; `declines` says that it may return NotImplemented for the elements that it finds; `packs` is a `Packing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Packing(NamedTuple):
    """What a call first makes of one of its operands, and how to do so only when that operand has changed.

    `apart()` gives two functions: one that packs the operand into memory of its own, about as large as the operand, and
    the call itself on what was packed; or None where that is no better.
    """

    operand: int
    apart: Callable[[], tuple[Callable[[], Any], Callable[[], Any]] | None]


def packing(run: Any, packs: Packing) -> Callable[[], Any]:
    """`run`, marked as better done by `packs` where an operand seldom changes."""
    run.packs = packs
    return run


def giving(run: Any, *parts: Any) -> Callable[[], Any]:
    """`run`, marked as giving these very arrays in every call."""
    run.parts = parts
    return run


def declining(run: Any) -> Callable[[], Any]:
    """`run`, marked as one that may return NotImplemented."""
    run.declines = True
    return run


def flat(found: tuple) -> tuple:
    """(result or results, residuals) as one tuple."""
    result, residuals = found
    return (*(result if type(result) is tuple else (result,)), *residuals)


def settled(bound: Any, general: Callable[[], Any], has_residuals: bool) -> Callable[[], Any]:
    """`bound`, or `general` in the calls that it declines, with its results where `bound` gives them."""
    if not getattr(bound, "declines", False):
        return bound
    parts = getattr(bound, "parts", None)

    def run():
        found = bound()
        if found is not NotImplemented:
            return found
        found = general()
        for place, value in zip(parts or (), flat(found) if has_residuals else (found,)):
            if place is not value:
                np.copyto(place, value)
        return found

    return run if parts is None else giving(run, *parts)
