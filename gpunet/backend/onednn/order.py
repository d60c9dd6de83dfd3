"""What must not reach oneDNN's comparisons.

Its ReLU makes 0 of NaN, and its maximum neither passes NaN on nor goes below the lowest finite number. A network that
has diverged must not look healthy for that, so both are used only where the operands hold no NaN and no −∞.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def is_ordered(array: np.ndarray) -> bool:
    """True where no element of a contiguous array is NaN or −∞."""
    return bool(np.minimum.reduce(array.reshape(-1)) > -np.inf)


def fuses_relu(result_size: int, *operands: np.ndarray) -> bool:
    """Whether a ReLU is better computed by oneDNN: the look at the operands is quicker than a pass over the result."""
    return sum([a.size for a in operands]) < 4 * result_size and all(map(is_ordered, operands))


def with_relu(
    plain: Callable, fused: Callable, operands: Sequence[np.ndarray], out: np.ndarray, kept: Kept | None = None
) -> Callable:
    """A function that runs `fused`, whose primitive has the ReLU, where `fuses_relu` says so, else `plain` and NumPy's.

    Both write into `out`, which is returned. Operand number 1 is looked at by `kept`, where there is one.
    """
    never = sum([a.size for a in operands]) >= 4 * out.size
    looked_at = [a for i, a in enumerate(operands) if kept is None or i != 1]

    def run():
        if not never and (kept is None or kept.is_ordered) and all(map(is_ordered, looked_at)):
            fused()
        else:
            plain()
            np.maximum(out, 0, out=out)
        return out

    return run


class Kept:
    """An operand that is packed when it has changed, and looked at then: `pack()`, and `is_ordered` of the last one."""

    def __init__(self, operand: np.ndarray, pack: Callable[[], None]):
        self.is_ordered = True
        self._operand = operand
        self._pack = pack

    def pack(self) -> None:
        self._pack()
        self.is_ordered = is_ordered(self._operand)
