"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of
from gpunet.backend.dtypes import BOOL
from gpunet.ops import elementwise as el
from gpunet.ops.activation import softmax
from gpunet.ops.creation import arange
from gpunet.ops.joining import repeat
from gpunet.ops.operands import cast_to, operand, promote
from gpunet.ops.products import matmul
from gpunet.ops.views import expand_dims, swapaxes, transpose
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(scale·query·keyᵀ + bias)·value for each head (Vaswani et al., arXiv:1706.03762).

    Args:
        query: (batch, T, heads, dim). key, value: (batch, S, key heads, dim): each of the key heads serves
            heads / key heads heads in a row (arXiv:2305.13245).
        bias: is added to the scores, broadcast to (batch, heads, T, S).
        mask: True where a step may be looked at, broadcast to (batch, heads, T, S).
        scale: of the scores, 1/√dim where None.
        is_causal: whether step t sees the steps up to t only.
        flash_attention: taken for Keras's sake: how it is computed does not depend on it.
        attn_logits_soft_cap: must be None, as Keras has it on TPUs only.

    Returns:
        (batch, T, heads, dim of value).

    Raises:
        ValueError: if the shapes do not fit, or a soft cap is given.
    """
    if attn_logits_soft_cap is not None:
        raise ValueError(
            f"attn_logits_soft_cap is only supported on TPUs. Received: attn_logits_soft_cap={attn_logits_soft_cap}"
        )
    query, key, value = promote(query, key, value)
    _check_attention(query, key, value)
    q, k, v = (transpose(x, (0, 2, 1, 3)) for x in (query, _repeated(key, query), _repeated(value, query)))
    scores = el.multiply(matmul(q, swapaxes(k, -2, -1)), 1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if bias is not None:
        scores = el.add(scores, cast_to(operand(bias), scores.dtype))
    valid = None if mask is None else cast_to(operand(mask), BOOL)
    if is_causal:
        earlier = causal_mask(query.shape[1], key.shape[1], query)
        valid = earlier if valid is None else el.logical_and(valid, earlier)
    weights = softmax(scores if valid is None else el.where(valid, scores, lowest_score(scores.dtype)))
    return transpose(matmul(weights, v), (0, 2, 1, 3))


def lowest_score(dtype: Any) -> float:
    """A number far below all scores of a float dtype; no infinity, so that a row without any valid step has no NaN."""
    return -3e4 if dtype == "float16" else -1e9


def causal_mask(rows: int, columns: int, beside: Any) -> Any:
    """True where the column is not after the row: (rows, columns), raw, on the device of `beside`."""
    place = device_of(raw(operand(beside)))
    row, column = (raw(arange(n, device=place)) for n in (rows, columns))
    return el.greater_equal(expand_dims(row, 1), expand_dims(column, 0))


def _repeated(x: Any, query: Any) -> Any:
    groups = query.shape[2] // x.shape[2]
    return repeat(x, groups, axis=2) if groups > 1 else x


def _check_attention(query: Any, key: Any, value: Any) -> None:
    shapes = f"query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape}"
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ValueError(f"dot_product_attention only supports 4D inputs. Received: {shapes}")
    if key.shape[:3] != value.shape[:3] or query.shape[0] != key.shape[0] or query.shape[3] != key.shape[3]:
        raise ValueError(
            f"dot_product_attention expected a query (batch, T, heads, dim), a key (batch, S, key heads, dim) and a "
            f"value (batch, S, key heads, …). Received: {shapes}"
        )
    if not key.shape[2] or query.shape[2] % key.shape[2]:
        raise ValueError(
            f"dot_product_attention: the number of heads must be a multiple of that of the key. Received: {shapes}"
        )
