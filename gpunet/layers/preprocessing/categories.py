"""Integers as vectors of zeros and ones, or of counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import ops
from gpunet.layers.layer import Layer
from gpunet.ops.image.layout import check_choice


def encoded(indices: Any, depth: int, mode: str, dtype: Any, weights: Any = None) -> Any:
    """Integers as they are ("int"), or as vectors of `depth`.

    "one_hot" makes a vector of each, "multi_hot" one for all along axis 1, with 1 where there is one of them,
    "count" the same with how many there are, or the sum of their weights.
    """
    if mode == "int":
        return ops.cast(indices, "int32")
    if mode == "one_hot":
        squeezed = ops.squeeze(indices, -1) if len(indices.shape) > 1 and indices.shape[-1] == 1 else indices
        return ops.one_hot(squeezed, depth, dtype=dtype)
    indices = ops.expand_dims(indices, -1) if len(indices.shape) == 0 else indices
    hot = ops.one_hot(indices, depth, dtype=dtype)
    axis = min(1, len(indices.shape) - 1)
    if mode == "multi_hot":
        return ops.max(hot, axis)
    return ops.sum(hot if weights is None else hot * ops.expand_dims(ops.cast(weights, dtype), -1), axis)


class TakesLists(Layer):
    """A layer that takes lists of numbers, as [[3, 2], [0, 1]], for the arrays that they are."""

    def _convert_inputs(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        arrays = tuple(np.asarray(x) if isinstance(x, list | tuple | int | float) else x for x in args)
        return super()._convert_inputs(arrays, kwargs)


class CategoryEncoding(TakesLists):
    """Integers in [0, num_tokens) as vectors of that length.

    Args:
        num_tokens: the number of categories.
        output_mode: "one_hot" makes a vector of each integer, "multi_hot" one for each sample, with 1 where it has
            the category, "count" the same with how often it has it.
        sparse: must be False.

    Raises:
        ValueError: on another mode, or fewer than one category.
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        if output_mode not in ("count", "one_hot", "multi_hot"):
            raise ValueError(
                f"Unknown arg for output_mode: {output_mode}. Expected one of 'count', 'one_hot', 'multi_hot'. "
                f"Received: output_mode={output_mode}"
            )
        check_choice(sparse, (False,), "sparse")
        if num_tokens is None:
            raise ValueError("num_tokens must be set to use this layer. Received: num_tokens=None.")
        if num_tokens < 1:
            raise ValueError(f"`num_tokens` must be >= 1. Received: num_tokens={num_tokens}.")
        self.num_tokens = num_tokens
        self.output_mode = output_mode
        self.sparse = sparse

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"`count_weights` is not used when `output_mode` is not `'count'`. "
                f"Received `count_weights={count_weights}`."
            )
        indices = ops.cast(inputs, "int32")
        return encoded(indices, self.num_tokens, self.output_mode, self.compute_dtype, count_weights)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_tokens": self.num_tokens, "output_mode": self.output_mode}
