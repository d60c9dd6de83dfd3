"""What attention of several heads shares: projections, weights with dropout, masks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpunet import constraints, initializers, ops, random, regularizers
from gpunet.layers.attention.masks import check_window, merged_mask
from gpunet.layers.core.einsum_dense import EinsumDense
from gpunet.layers.layer import Layer
from gpunet.layers.regularization.dropout import as_rate
from gpunet.ops.attention import lowest_score
from gpunet.symbolic import auto_name


@dataclass
class Attended:
    """How scores become weights in one call.

    Args:
        mask: True where a step may be looked at, broadcast to (batch, T, S); None for everywhere.
        zero_rows: whether a step that may look nowhere has no weights, or equal ones: Keras's fused path does that.
        dropped: what drops weights while training.
    """

    mask: Any
    zero_rows: bool
    dropped: Callable | None

    def weights(self, scores: Any, axes: int = 1) -> Any:
        """softmax of the scores (…, heads, T…, S…) over the last `axes` axes."""
        last, mask = tuple(range(-axes, 0)), self.mask
        if mask is None:
            return ops.softmax(scores, last)
        for _ in range(len(scores.shape) - len(mask.shape)):
            mask = ops.expand_dims(mask, -2 * axes - 1)
        weights = ops.softmax(ops.where(mask, scores, lowest_score(scores.dtype)), last)
        return ops.where(mask, weights, 0.0) if self.zero_rows else weights

    def combine(self, equation: str, weights: Any, value: Any) -> Any:
        """The values by their weights."""
        return ops.einsum(equation, weights if self.dropped is None else self.dropped(weights), value)


class ProjectedAttention(Layer):
    """Attention between learned projections of query, key and value, and a projection of what it gives.

    A subclass makes the projections in `build` and computes with them in `_attend`.

    Args:
        head_size: of query and key.
        dropout: the share of weights that are dropped while training.
        sliding_window: how many steps away a step sees, itself included; all where None.
        flash_attention: taken for Keras's sake: what is computed does not depend on it.
        activity_regularizer: a penalty on what the projections give.
        use_gate: multiply what the heads give by sigmoid(a projection of the query) (arXiv:2505.06708).
        seed: of the dropout; chosen where None.

    Raises:
        ValueError: on a window that is no positive int, or dropout with flash attention.
    """

    query_dense: Any
    key_dense: Any
    value_dense: Any
    output_dense: Any
    _gate_dense: Any

    def __init__(
        self,
        *,
        head_size: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dropout = as_rate(dropout, "dropout")
        self.use_bias = use_bias
        self.use_gate = use_gate
        self.sliding_window = check_window(sliding_window)
        if flash_attention and dropout > 0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to 0.0 to use flash "
                "attention."
            )
        self.flash_attention = flash_attention
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.projection_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.seed = seed
        self._scale = 1.0 / math.sqrt(head_size)
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def _count_inner_layers(self) -> None:
        """Take the names that a softmax and a dropout layer in here take in Keras, so that later layers' are equal."""
        auto_name("softmax")
        auto_name("dropout")

    def _dense(self, equation: str, bias_axes: str, output_shape: Any, name: str, activation: Any = None) -> Any:
        dense = EinsumDense(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self.use_bias else None,
            activation=activation,
            name=name,
            kernel_initializer=self.kernel_initializer.clone(),
            bias_initializer=self.bias_initializer.clone(),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.projection_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype_policy,
        )
        dense.supports_masking = True  # the masks of query and value are this layer's affair
        return dense

    def _attend(self, query: Any, key: Any, value: Any, attended: Attended) -> tuple[Any, Any]:
        """What the heads give, and the weights (batch, heads, T, S)."""
        raise NotImplementedError

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        if self.flash_attention and return_attention_scores:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. Please disable flash "
                "attention to access attention scores."
            )
        key = value if key is None else key
        mask = merged_mask(
            query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask, self.sliding_window
        )
        fused = self.dropout == 0 and not return_attention_scores and len(query.shape) == 3
        attended = Attended(mask, zero_rows=not fused, dropped=self._dropped if training else None)
        projected = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        found, weights = self._attend(*projected, attended)
        found = self.output_dense(found * self._gate_dense(query) if self.use_gate else found)
        return (found, weights) if return_attention_scores else found

    def _dropped(self, weights: Any) -> Any:
        return random.dropout(weights, self.dropout, seed=self.seed_generator) if self.dropout > 0 else weights

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the query."""
        return mask

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.projection_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "seed": self.seed,
        }
