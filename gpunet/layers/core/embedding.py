"""Learned vectors for integers."""

from __future__ import annotations

from typing import Any

from gpunet import constraints, initializers, ops, regularizers
from gpunet.layers.convolutional.base_conv import as_tuple
from gpunet.layers.core.dense import refuse_quantization
from gpunet.layers.layer import Layer


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
        self.input_dim = as_tuple(input_dim, 1, "input_dim")[0]
        self.output_dim = as_tuple(output_dim, 1, "output_dim")[0]
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

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
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
            "quantization_config": None,
        }
