"""Rows of attention."""

import numpy as np

from .row import WIDE, N, Rows, mask, normal

ROWS = Rows()
row = ROWS.add


def _attention(q, k, v, bias=0.0, mask=True, scale=None, is_causal=False):
    groups = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, groups, 2), np.repeat(v, groups, 2)
    scores = np.einsum("bthd,bshd->bhts", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale) + bias
    scores = np.where(mask, scores, -1e9)
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]), scores, -1e9)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhts,bshd->bthd", weights / weights.sum(-1, keepdims=True), v)


QUERY, KEY = normal(N, 3, 4, 5), normal(N, 6, 2, 5)
row("dot_product_attention", _attention, QUERY, KEY, KEY).checked(tolerance=16)
row("dot_product_attention", _attention, normal(2, 3, 1, 5), normal(2, 4, 1, 5), normal(2, 4, 1, 2)).checked(
    tolerance=16
)
row("dot_product_attention", _attention, QUERY, KEY, KEY, is_causal=True, scale=0.3).checked(tolerance=16, dtypes=WIDE)
row("dot_product_attention", _attention, QUERY, KEY, KEY, bias=normal(4, 3, 6)).checked(tolerance=16, dtypes=WIDE)
row("dot_product_attention", _attention, QUERY, KEY, KEY, mask=mask(N, 1, 3, 6), is_causal=True).checked(
    tolerance=16, dtypes=WIDE
)
