"""Learned vectors for integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import constraints, initializers, ops, regularizers
from gpunet.layers.calling import set_mask
from gpunet.layers.core.dense import refuse_quantization
from gpunet.layers.layer import Layer


def _as_count(n: Any, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n <= 0:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={n!r} (of type {type(n).__name__}).")
    return int(n)


class Embedding(Layer):
    """A learned vector for each integer: (batch, ...) → (batch, ..., output_dim).

    Args:
        input_dim: integers are in [0, input_dim).
        output_dim: the length of a vector.
        mask_zero: whether 0 means "missing", which makes a mask.
        weights: the vectors to begin with, (input_dim, output_dim).

    Raises:
        ValueError: if a size is not positive.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        refuse_quantization(self, quantization_config)
        self.input_dim = _as_count(input_dim, "input_dim")
        self.output_dim = _as_count(output_dim, "output_dim")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.embeddings: Any = None
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        if self.embeddings is None:
            self.embeddings = self.add_weight(
                name="embeddings",
                shape=(self.input_dim, self.output_dim),
                initializer=self.embeddings_initializer,
                regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )

    def call(self, inputs: Any) -> Any:
        if inputs.dtype not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        return ops.cast(ops.take(self.embeddings, inputs, axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where the integer is not 0, if `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "quantization_config": None,
        }


class ReversibleEmbedding(Embedding):
    """An embedding that also goes back: with `reverse=True`, (batch, ..., output_dim) → (batch, ..., input_dim).

    Args:
        tie_weights: go back by the transposed vectors (Press and Wolf, arXiv:1608.05859), else by weights of its own.
        reverse_dtype: in which to go back; the compute dtype where None.
        logit_soft_cap: results of going back become cap·tanh(result / cap), within ±cap.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ):
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap
        self.reverse_embeddings: Any = None
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights and self.reverse_embeddings is None:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            found = super().call(inputs)
            if self.mask_zero:
                set_mask(found, ops.not_equal(inputs, 0))
            return found
        dtype = self.reverse_dtype or self.compute_dtype
        kernel = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        logits = ops.matmul(ops.cast(inputs, dtype), ops.cast(kernel, dtype))
        cap = self.logit_soft_cap
        return logits if cap is None else ops.tanh(logits / cap) * cap

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: `call` sets the mask of vectors, and there is none of what it gives in reverse."""

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }
