"""`rearrange`: reshaping and transposing by the names of axes."""

from __future__ import annotations

import math
import re
from typing import Any

from gpunet.ops.operands import operand
from gpunet.ops.views import reshape, transpose
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """The tensor with its axes in another order, split or joined: "b (h r) c -> b h (r c)" with r=2.

    Args:
        pattern: names of the axes before and after the arrow; those in brackets are, or become, one axis.
        axes_lengths: of axes that are split off, all but one in each bracket.

    Raises:
        ValueError: if the pattern does not fit the tensor, or its two sides differ in their names.
    """
    tensor = operand(tensor)
    before, after = _sides(pattern)
    if len(before) != len(tensor.shape):
        raise ValueError(f"rearrange: the pattern has {len(before)} axes. Received: shape={tuple(tensor.shape)}")
    sizes = dict(axes_lengths)
    for names, size in zip(before, tensor.shape):
        _resolve(names, size, sizes)
    source, target = ([name for names in side for name in names] for side in (before, after))
    if sorted(source) != sorted(target) or len(set(source)) != len(source):
        raise ValueError(f"rearrange: both sides must have the same names, each once. Received: pattern={pattern!r}")
    split = reshape(tensor, tuple(sizes[name] for name in source))
    moved = transpose(split, tuple(source.index(name) for name in target))
    return reshape(moved, tuple(math.prod(sizes[name] for name in names) for names in after))


def _sides(pattern: str) -> list[list[list[str]]]:
    """The names of each axis, on both sides of the arrow."""
    sides = pattern.split("->")
    words = [re.findall(r"\w+|\([^()]*\)", side) for side in sides]
    known = ["".join(found).replace(" ", "") == side.replace(" ", "") for found, side in zip(words, sides)]
    if len(sides) != 2 or not all(known):
        raise ValueError(f'rearrange expected a pattern such as "b (h r) -> b h r". Received: pattern={pattern!r}')
    return [[word.strip("()").split() for word in side] for side in words]


def _resolve(names: list[str], size: int, sizes: dict[str, int]) -> None:
    """Note the sizes of the axes that one axis of `size` is made of."""
    unknown = [name for name in names if name not in sizes]
    known = math.prod(sizes[name] for name in names if name in sizes)
    if len(unknown) > 1 or (not unknown and known != size) or (unknown and (not known or size % known)):
        given = {name: sizes.get(name) for name in names}
        raise ValueError(f"rearrange: an axis of size {size} cannot be split like this. Received: {given}")
    if unknown:
        sizes[unknown[0]] = size // known
