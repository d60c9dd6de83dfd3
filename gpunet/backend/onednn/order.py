"""What must not reach oneDNN's comparisons.

Its ReLU makes 0 of NaN, and its maximum neither passes NaN on nor goes below the lowest finite number. A network that
has diverged must not look healthy for that. So the maximum is used only where its operand holds no NaN and no −∞, and
the ReLU only where no sum of products can be NaN: where the operands are finite and too small to overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_LIMIT = 1e38  # a third of the largest float32


def is_ordered(array: np.ndarray) -> bool:
    """True where no element of a contiguous array is NaN or −∞."""
    return bool(np.minimum.reduce(array.reshape(-1)) > -np.inf)


def largest(array: np.ndarray) -> float:
    """The largest magnitude in a contiguous array; NaN where one is."""
    flat = array.reshape(-1)
    return max(float(np.maximum.reduce(flat)), -float(np.minimum.reduce(flat)))


def _is_bounded(x: float, w: float, bias: float, products: int) -> bool:
    """Whether sums of so many products of elements up to x and w, plus a bias, stay finite; False for NaN."""
    return x * w * products + bias < _LIMIT


def _is_worth_a_look(operands: Sequence[np.ndarray], result_size: int) -> bool:
    """Whether looking at the operands takes less time than a pass over the result."""
    return sum([a.size for a in operands]) < 4 * result_size


def fuses_relu(result_size: int, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None = None) -> bool:
    """Whether the ReLU of products of x and w, plus a bias, is better computed by oneDNN."""
    operands = (x, w) if bias is None else (x, w, bias)
    if not _is_worth_a_look(operands, result_size):
        return False
    return _is_bounded(largest(x), largest(w), 0.0 if bias is None else largest(bias), w.size)


def with_relu(
    plain: Callable, fused: Callable, operands: Sequence[np.ndarray], out: np.ndarray, kept: Kept | None = None
) -> Callable:
    """A function that runs `fused`, whose primitive has the ReLU, where `fuses_relu` says so, else `plain` and NumPy's.

    Both write into `out`, which is returned. Operand number 1 is looked at by `kept`, where there is one.
    """
    (x, w, *rest), products = operands, operands[1].size
    zero = np.zeros((), out.dtype)  # a Python number would be converted in each call
    worth = _is_worth_a_look(operands, out.size)
    bias = rest[0] if rest else None

    def run():
        if worth and _is_bounded(
            largest(x),
            largest(w) if kept is None else kept.largest,
            0.0 if bias is None else largest(bias),
            products,
        ):
            fused()
        else:
            plain()
            np.maximum(out, zero, out=out)
        return out

    return run


class Kept:
    """An operand that is packed when it has changed, and looked at then: `pack()`, and `largest` of the last one."""

    def __init__(self, operand: np.ndarray, pack: Callable[[], None]):
        self.largest = 0.0
        self._operand = operand
        self._pack = pack

    def pack(self) -> None:
        self._pack()
        self.largest = largest(self._operand)
