"""Products with a weight whose rows are shared out among the threads, the same rows to each thread in every product.

A training step reads a weight forward, reads it again backward, writes its gradient and updates it. Where each thread
does all of that to rows of its own, they stay in its core's cache, and no core waits for what another one has written;
left to itself, oneDNN makes every core read all of a weight forward. It deals out the items of a batch in order, the
first to the first thread, so the shares are described to it as a batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpunet.backend.onednn.memory import strided
from gpunet.backend.onednn.plan import DST, SRC, WEIGHTS, Description, Plan, cached, thread_count

_LARGE = 1 << 15  # items of a weight: a smaller one costs little wherever it is
_FEW = 16  # rows of activations: below it a product with a packed weight is quicker

Layout = tuple[tuple[int, ...], tuple[int, ...]]  # shape and strides in items


class Shared(NamedTuple):
    """A plan for a product in shares, and how many addends of the result it gives, in front of the result's axes."""

    plan: Plan
    addends: int


def product(a: np.ndarray, b: np.ndarray, biased: bool = False) -> Shared | None:
    """The plan for a @ b, where b is a weight or the result its gradient; None where oneDNN splits it better.

    By what is contiguous that is x @ w, whose shares have to be added up, g @ w.T, or x.T @ g.

    Args:
        biased: a bias or an activation follows, for which only those that are added up have a place.
    """
    (m, k), n = a.shape, b.shape[1]
    if a.flags.c_contiguous and b.flags.c_contiguous:
        shares = _of_weight(m, k, n)
        layouts = _forward(m, k, n, shares)
    elif biased:
        return None
    elif a.flags.c_contiguous and b.T.flags.c_contiguous:
        shares = _of_weight(m, n, k)
        layouts = _transposed(m, k, n, shares)
    elif a.T.flags.c_contiguous and b.flags.c_contiguous:
        shares = _of_gradient(m, n)
        layouts = _gradient(m, k, n, shares)
    else:
        return None
    if shares == 1:
        return None
    plan = cached(("shares", *layouts), lambda: _make(*layouts))
    return None if plan is None else Shared(plan, shares if layouts[2][0] == (shares, m, n) else 1)


def _of_gradient(rows: int, columns: int) -> int:
    """Into how many shares to split the rows of a weight's gradient."""
    threads = thread_count()
    return threads if rows % threads == 0 and rows * columns >= _LARGE else 1


def _of_weight(samples: int, rows: int, columns: int) -> int:
    """Into how many shares to split the rows of a weight, unless it is small beside what comes of the samples."""
    shares = _of_gradient(rows, columns)
    return shares if samples >= _FEW and 3 * shares * samples <= 2 * rows else 1


def _forward(m: int, k: int, n: int, shares: int) -> tuple[Layout, Layout, Layout]:
    part = k // shares
    return (
        ((shares, m, part), (part, k, 1)),
        ((shares, part, n), (part * n, n, 1)),
        ((shares, m, n), (m * n, n, 1)),
    )


def _transposed(m: int, k: int, n: int, shares: int) -> tuple[Layout, Layout, Layout]:
    part = n // shares
    return ((1, m, k), (m * k, k, 1)), ((shares, k, part), (part * k, 1, k)), ((shares, m, part), (part, n, 1))


def _gradient(m: int, k: int, n: int, shares: int) -> tuple[Layout, Layout, Layout]:
    part = m // shares
    return ((shares, part, k), (part, 1, m)), ((1, k, n), (k * n, n, 1)), ((shares, part, n), (part * n, n, 1))


def _make(a: Layout, b: Layout, y: Layout) -> Plan:
    return Plan(Description("matmul", strided(*a), strided(*b), None, strided(*y)), SRC, WEIGHTS, DST)
