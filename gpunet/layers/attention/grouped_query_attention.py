"""Attention of several heads that share keys and values in groups."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.attention.projected import Attended, ProjectedAttention
from gpunet.layers.core.dense import as_units


class GroupedQueryAttention(ProjectedAttention):
    """Attention whose heads share keys and values in groups (Ainslie et al., arXiv:2305.13245).

    Called as `MultiHeadAttention` is, on inputs of rank 3.

    Args:
        head_dim: the size of a head.
        num_query_heads: the number of heads.
        num_key_value_heads: the number of heads of keys and values, each for num_query_heads / num_key_value_heads
            heads of the query in a row.
        dropout: the share of weights that are dropped while training.
        kwargs: `sliding_window`, `flash_attention`, `use_gate`, `seed`, initializers, regularizers and constraints of
            the projections: see `ProjectedAttention`.

    Raises:
        ValueError: if a size is not a positive int, or the numbers of heads do not divide.
    """

    names_in_files = {f"{part}_dense": f"_{part}_dense" for part in ("query", "key", "value", "output", "gate")}

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        **kwargs: Any,
    ):
        super().__init__(head_size=head_dim, dropout=dropout, use_bias=use_bias, **kwargs)
        self.head_dim = as_units(head_dim, "GroupedQueryAttention: head_dim")
        self.num_query_heads = as_units(num_query_heads, "GroupedQueryAttention: num_query_heads")
        self.num_key_value_heads = as_units(num_key_value_heads, "GroupedQueryAttention: num_key_value_heads")
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"`num_query_heads` must be divisible by `num_key_value_heads`. "
                f"Received: num_query_heads={num_query_heads}, num_key_value_heads={num_key_value_heads}"
            )

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)
        heads = self.num_query_heads, self.head_dim
        self.query_dense = self._dense("bqm,muh->bquh", "uh", (None, *heads), "query")
        self.query_dense.build(query_shape)
        shared = self.num_key_value_heads, self.head_dim
        self.key_dense = self._dense("bkm,mvh->bkvh", "vh", (None, *shared), "key")
        self.key_dense.build(key_shape)
        if self.use_gate:
            self._gate_dense = self._dense("bqm,muh->bquh", "uh", (None, *heads), "gate", "sigmoid")
            self._gate_dense.build(query_shape)
        self.value_dense = self._dense("bkm,mvh->bkvh", "vh", (None, *shared), "value")
        self.value_dense.build(value_shape)
        self.output_dense = self._dense("bquh,uhm->bqm", "m", (None, query_shape[-1]), "attention_output")
        self.output_dense.build((None, None, *heads))
        self._count_inner_layers()

    def _check_shapes(self, query: Any, value: Any, key: Any) -> None:
        if query[-1] != value[-1]:
            raise ValueError(
                f"The last dimension of `query_shape` and `value_shape` must be equal, but are {query[-1]}, "
                f"{value[-1]}. Received: query_shape={query}, value_shape={value}"
            )
        if not len(query) == len(value) == len(key) == 3:
            raise ValueError(
                f"GroupedQueryAttention expected inputs of rank 3 (batch, steps, features). "
                f"Received: query_shape={query}, value_shape={value}, key_shape={key}"
            )
        if tuple(value[1:-1]) != tuple(key[1:-1]):
            raise ValueError(
                f"All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={value} and key_shape={key}"
            )

    def _attend(self, query: Any, key: Any, value: Any, attended: Attended) -> tuple[Any, Any]:
        groups = self.num_query_heads // self.num_key_value_heads
        key, value = ops.repeat(key, groups, axis=2), ops.repeat(value, groups, axis=2)
        weights = attended.weights(ops.einsum("bquh,bkuh->buqk", query * self._scale, key))
        return attended.combine("buqk,bkuh->bquh", weights, value), weights

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }
