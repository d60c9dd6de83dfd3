"""Layers that combine several inputs."""

from __future__ import annotations

import functools
from typing import Any

from gpunet import ops
from gpunet.layers.layer import Layer


class Merge(Layer):
    """The base of layers that combine a list of tensors elementwise; a subclass sets `merge`."""

    merge: Any

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list | tuple) or not input_shape or not isinstance(input_shape[0], list | tuple):
            raise ValueError(
                f"A merge layer should be called on a list of inputs. Received: input_shape={input_shape} (not a list "
                f"of shapes)"
            )
        batches = {shape[0] for shape in input_shape if shape} - {None}
        if len(batches) > 1:
            raise ValueError(f"Cannot merge tensors with different batch sizes. Received: shapes={input_shape}")
        rank = max(map(len, input_shape))
        sizes = zip(*[(shape[0], *(1,) * (rank - len(shape)), *shape[1:]) for shape in input_shape])
        if any(len(set(n) - {1, None}) > 1 for n in sizes):
            raise ValueError(f"{type(self).__name__}: the inputs' shapes do not broadcast. Received: {input_shape}")

    def call(self, inputs: Any) -> Any:
        return functools.reduce(type(self).merge, _aligned(inputs))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """True where every input that has a mask is valid."""
        masks = [m for m in previous_mask or [] if m is not None]
        return functools.reduce(ops.logical_and, masks) if masks and len(masks) == len(previous_mask) else None


def _aligned(inputs: Any) -> list[Any]:
    """Inputs of lower rank with axes of size 1 inserted after the batch axis."""
    rank = max(len(x.shape) for x in inputs)
    return [x if len(x.shape) == rank else ops.expand_dims(x, list(range(1, 1 + rank - len(x.shape)))) for x in inputs]


class Add(Merge):
    """The sum of the inputs."""

    merge = staticmethod(ops.add)


class Concatenate(Layer):
    """The inputs joined along an axis.

    Raises:
        ValueError: if another axis differs.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list | tuple) or not input_shape or not isinstance(input_shape[0], list | tuple):
            raise ValueError(
                f"A `Concatenate` layer should be called on a list of at least 1 input. "
                f"Received: input_shape={input_shape}"
            )
        others = {_without(shape, self.axis) for shape in input_shape}
        if len({len(s) for s in others}) > 1 or not _compatible(others):
            raise ValueError(
                f"A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. "
                f"Received: input_shape={input_shape}"
            )

    def call(self, inputs: Any) -> Any:
        return ops.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The inputs' masks joined in the same way; inputs without one count as valid."""
        if previous_mask is None or all(m is None for m in previous_mask):
            return None
        masks = []
        for x, mask in zip(inputs, previous_mask):
            valid = ops.ones_like(x, dtype="bool")
            if mask is not None:
                extra = len(x.shape) - len(mask.shape)
                valid = ops.logical_and(valid, ops.expand_dims(mask, [-1 - i for i in range(extra)]) if extra else mask)
            masks.append(valid)
        return ops.all(ops.concatenate(masks, axis=self.axis), axis=-1, keepdims=False)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis}


def _without(shape: Any, axis: int) -> tuple:
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def _compatible(shapes: set[tuple]) -> bool:
    return all(len(set(sizes) - {None}) <= 1 for sizes in zip(*shapes))
