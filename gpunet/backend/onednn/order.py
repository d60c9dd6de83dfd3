"""What must not reach oneDNN's comparisons.

Its ReLU makes 0 of NaN, and its maximum neither passes NaN on nor goes below the lowest finite number. A network that
has diverged must not look healthy for that, so both are used only where the operands hold no NaN and no −∞.
"""

from __future__ import annotations

import numpy as np


def is_ordered(array: np.ndarray) -> bool:
    """True where no element of a contiguous array is NaN or −∞."""
    return bool(np.minimum.reduce(array.reshape(-1)) > -np.inf)


def fuses_relu(result_size: int, *operands: np.ndarray) -> bool:
    """Whether a ReLU is better computed by oneDNN: the look at the operands is quicker than a pass over the result."""
    return sum([a.size for a in operands]) < 4 * result_size and all(map(is_ordered, operands))
