"""Attention of one head, by products or by sums."""

from __future__ import annotations

from typing import Any

from gpunet import ops, random
from gpunet.layers.layer import Layer
from gpunet.layers.regularization.dropout import as_rate


class Attention(Layer):
    """softmax(query·keyᵀ)·value (Luong et al., arXiv:1508.04025).

    Called on [query, value] or [query, value, key], of shapes (batch, Tq, dim), (batch, Tv, dim) and (batch, Tv, dim),
    it gives (batch, Tq, dim), and with `return_attention_scores=True` also the weights (batch, Tq, Tv).

    Args:
        use_scale: multiply the scores by a learned number.
        score_mode: "dot", or "concat": a learned number times Σ tanh(query + key).
        dropout: the share of weights that are dropped while training.
        seed: of the dropout; chosen where None.

    Raises:
        ValueError: on another `score_mode`, a dropout outside [0, 1], or another number of inputs.
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"Invalid value for argument score_mode. Expected one of {{'dot', 'concat'}}. "
                f"Received: score_mode={score_mode}"
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = as_rate(dropout, "dropout")
        self.seed = seed
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.scale: Any = None
        self.concat_score_weight: Any = None

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def _check_inputs(self, first: Any) -> None:
        super()._check_inputs(first)
        name = type(self).__name__
        if not isinstance(first, list | tuple):
            raise ValueError(
                f"{name} layer must be called on a list of inputs, namely [query, value] or [query, value, key]. "
                f"Received: inputs={first}."
            )
        if len(first) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts inputs list of length 2 or 3, namely [query, value] or [query, value, key]. "
                f"Received length: {len(first)}."
            )

    def _check_mask(self, mask: Any) -> None:
        if mask is None:
            return
        name = type(self).__name__
        if not isinstance(mask, list | tuple):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: mask={mask}."
            )
        if len(mask) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts mask list of length 2 or 3. Received: length {len(mask)}, mask={mask}."
            )

    def _scores(self, query: Any, key: Any) -> Any:
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        sums = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        return self.concat_score_weight * ops.sum(ops.tanh(sums if self.scale is None else self.scale * sums), -1)

    def _masked(self, scores: Any, value_mask: Any, use_causal_mask: bool) -> Any:
        """Scores that are far below all others where a step may not be looked at."""
        valid = None if value_mask is None else ops.expand_dims(ops.cast(value_mask, "bool"), -2)
        if use_causal_mask:
            earlier = ops.greater(ops.tril(ops.ones_like(ops.stop_gradient(scores))), 0)
            valid = earlier if valid is None else ops.logical_and(valid, earlier)
        large = 65504.0 if scores.dtype == "float16" else 1e9
        return scores if valid is None else ops.where(valid, scores, scores - large)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_mask(mask)
        query, value = inputs[0], inputs[1]
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self._masked(self._scores(query, inputs[-1]), value_mask, use_causal_mask)
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        result = ops.matmul(weights, value)
        if query_mask is not None:
            result = ops.where(ops.expand_dims(query_mask, -1), result, 0.0)
        return (result, weights) if return_attention_scores else result

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the query."""
        return mask[0] if mask else None

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


class AdditiveAttention(Attention):
    """Attention with the scores Σ scale·tanh(query + key) and a learned scale (Bahdanau et al., arXiv:1409.0473).

    Called as `Attention` is.

    Args:
        use_scale: whether the scale, a vector, is learned; else it is 1.
        dropout: the share of weights that are dropped while training.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _scores(self, query: Any, key: Any) -> Any:
        sums = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(sums if self.scale is None else self.scale * sums, -1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config
