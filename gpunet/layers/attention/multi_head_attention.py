"""Attention of several heads over any axes."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.layers.attention.projected import Attended, ProjectedAttention


class MultiHeadAttention(ProjectedAttention):
    """Attention of several heads between projections of query, key and value (Vaswani et al., arXiv:1706.03762).

    Called on a query (batch, T, dim), a value (batch, S, …) and perhaps a key (batch, S, …), which is the value where
    not given, it gives (batch, T, dim), and with `return_attention_scores=True` also the weights
    (batch, heads, T, S). `attention_mask` (batch, T, S) and `use_causal_mask=True` limit what a step looks at, as the
    masks of query, value and key do.

    Args:
        num_heads: the number of heads.
        key_dim, value_dim: the size of a head for query and key, and for the value; `key_dim` where None.
        dropout: the share of weights that are dropped while training.
        output_shape: sizes of the output after batch and steps; the query's last one where None.
        attention_axes: the axes that are attended over; all but batch and features where None.
        kwargs: `sliding_window`, `flash_attention`, `use_gate`, `seed`, initializers, regularizers and constraints of
            the projections: see `ProjectedAttention`.

    Raises:
        ValueError: if a size is not a positive int, or an argument does not fit the others.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        **kwargs: Any,
    ):
        given = {"num_heads": num_heads, "key_dim": key_dim, "value_dim": key_dim if value_dim is None else value_dim}
        sizes = [_as_size(n, name) for name, n in given.items()]
        super().__init__(head_size=key_dim, dropout=dropout, use_bias=use_bias, **kwargs)
        self.num_heads, self.key_dim, self.value_dim = sizes
        if not isinstance(output_shape, int | list | tuple | None):
            raise ValueError(
                f"Invalid `output_shape`: it must be an int, list, or tuple. Received: output_shape={output_shape}"
            )
        self._output_shape = _as_tuple(output_shape, "output_shape")
        self.attention_axes = _as_tuple(attention_axes, "attention_axes")

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={value_shape} and key_shape={key_shape}"
            )
        self.query_dense = self._projection(query_shape, self.key_dim, "query")
        self.key_dense = self._projection(key_shape, self.key_dim, "key")
        if self.use_gate:
            self._gate_dense = self._projection(query_shape, self.value_dim, "gate", "sigmoid")
        self.value_dense = self._projection(value_shape, self.value_dim, "value")
        rank = len(value_shape) + 1
        axes = range(1, rank - 2) if self.attention_axes is None else self.attention_axes
        axes = tuple(a if a >= 0 else rank - 1 + a for a in axes)
        self.attention_axes = axes
        self._equations = _attention_equations(rank, axes)
        free = len(query_shape) - 1
        sizes = self._output_shape or (query_shape[-1],)
        self.output_dense = self._dense(
            *_projection_equation(free, 2, len(sizes)), (None,) * (free - 1) + tuple(sizes), "attention_output"
        )
        self.output_dense.build((*query_shape[:-1], self.num_heads, self.value_dim))
        self._count_inner_layers()

    def _projection(self, shape: Any, size: int, name: str, activation: Any = None) -> Any:
        """The layer (batch, …, features) → (batch, …, heads, size), built."""
        free = len(shape) - 1
        equation, bias_axes = _projection_equation(free, 1, 2)
        sizes = (None,) * (free - 1) + (self.num_heads, size)
        dense = self._dense(equation, bias_axes, sizes, name, activation)
        dense.build(shape)
        return dense

    def _attend(self, query: Any, key: Any, value: Any, attended: Attended) -> tuple[Any, Any]:
        scores, combine = self._equations
        axes = len(self.attention_axes or ())
        weights = attended.weights(ops.einsum(scores, key, query * self._scale), axes)
        return attended.combine(combine, weights, value), weights

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_shape": self._output_shape,
            "attention_axes": self.attention_axes,
        }


def _as_size(n: Any, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(
            f"Received an invalid value for argument `{name}`, expected a positive integer. Received: {name}={n!r}"
        )
    return int(n)


def _as_tuple(value: Any, name: str) -> tuple[int, ...] | None:
    if value is None or value == ():
        return None
    if isinstance(value, int):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ValueError(f"`{name}` must be an int, list, or tuple. Received: {name}={value}")
    return tuple(value)


def _projection_equation(free: int, bound: int, new: int) -> tuple[str, str]:
    """The equation of a projection that keeps `free` axes and replaces `bound` by `new`; the new axes, of the bias."""
    letters = string.ascii_lowercase
    kept, summed, made = letters[:free], letters[free : free + bound], letters[free + bound : free + bound + new]
    return f"{kept}{summed},{summed}{made}->{kept}{made}", made


def _attention_equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Scores of key and query, and the values weighted by them; arrays are (batch, …, heads, size) of rank `rank`.

    Attended axes have letters of their own in the key and the value; weights are
    (batch, other axes, heads, query's attended axes, key's attended axes).
    """
    query = string.ascii_lowercase[:rank]
    other = iter(string.ascii_lowercase[rank:])
    key = "".join(next(other) if i in axes else c for i, c in enumerate(query))
    batch = "".join(c for i, c in enumerate(query[:-1]) if i not in axes)
    weights = batch + "".join(query[a] for a in axes) + "".join(key[a] for a in axes)
    return f"{key},{query}->{weights}", f"{weights},{key}->{query}"
