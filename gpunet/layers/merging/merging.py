"""Layers that combine several inputs."""

from __future__ import annotations

import functools
from typing import Any

from gpunet import ops
from gpunet.layers.calling import get_mask
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

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where any input is valid; none where an input has no mask."""
        if mask is None:
            return None
        _check_masks(inputs, mask)
        if any(m is None for m in mask):
            return None
        return functools.reduce(ops.logical_or, mask)


def _check_masks(inputs: Any, mask: Any) -> None:
    for name, value in (("mask", mask), ("inputs", inputs)):
        if not isinstance(value, list | tuple):
            raise ValueError(f"`{name}` should be a list. Received: {name}={value}")
    if len(mask) != len(inputs):
        raise ValueError(
            f"The lists `inputs` and `mask` should have the same length. Received: inputs={inputs} of length "
            f"{len(inputs)}, and mask={mask} of length {len(mask)}"
        )


def _aligned(inputs: Any) -> list[Any]:
    """Inputs of lower rank with axes of size 1 inserted after the batch axis."""
    rank = max(len(x.shape) for x in inputs)
    return [x if len(x.shape) == rank else ops.expand_dims(x, list(range(1, 1 + rank - len(x.shape)))) for x in inputs]


def _element_masks(inputs: Any) -> list[Any]:
    """For each input None, or its mask of the input's own shape."""
    masks = [(x, get_mask(x)) for x in inputs]
    return [None if m is None else ops.broadcast_to(ops.expand_dims(m, -1), x.shape) for x, m in masks]


class Add(Merge):
    """The sum of the inputs."""

    merge = staticmethod(ops.add)


class Subtract(Merge):
    """The first of two inputs minus the second."""

    merge = staticmethod(ops.subtract)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(
                f"A `Subtract` layer should be called on exactly 2 inputs. Received: input_shape={input_shape}"
            )


class Average(Merge):
    """The mean of the inputs."""

    def call(self, inputs: Any) -> Any:
        return functools.reduce(ops.add, _aligned(inputs)) / len(inputs)


class Multiply(Merge):
    """The product of the inputs; masked steps count as 1, and as 0 where all inputs are masked."""

    def call(self, inputs: Any) -> Any:
        masks = _element_masks(inputs)
        factors = [x if m is None else ops.where(m, x, 1.0) for x, m in zip(inputs, masks)]
        product = functools.reduce(ops.multiply, _aligned(factors))
        if any(m is None for m in masks):
            return product
        return ops.where(functools.reduce(ops.logical_or, _aligned(masks)), product, 0.0)


class _Extremum(Merge):
    """The base of `Maximum` and `Minimum`: a masked step takes the value of the others."""

    def call(self, inputs: Any) -> Any:
        masks = _element_masks(inputs)
        inputs = _aligned(inputs)
        best, valid = inputs[0], masks[0]
        for x, mask in zip(inputs[1:], masks[1:]):
            x = x if mask is None else ops.where(mask, x, best)
            best = best if valid is None else ops.where(valid, best, x)
            valid = None if mask is None or valid is None else ops.logical_or(valid, mask)
            best = type(self).merge(best, x)
        return best


class Maximum(_Extremum):
    """The largest of the inputs, element by element."""

    merge = staticmethod(ops.maximum)


class Minimum(_Extremum):
    """The smallest of the inputs, element by element."""

    merge = staticmethod(ops.minimum)


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

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs' masks joined in the same way; inputs without one count as valid."""
        if mask is None:
            return None
        _check_masks(inputs, mask)
        if all(m is None for m in mask):
            return None
        masks = []
        for x, m in zip(inputs, mask):
            valid = ops.ones_like(x, dtype="bool")
            if m is not None:
                extra = len(x.shape) - len(m.shape)
                valid = ops.logical_and(valid, ops.expand_dims(m, [-1 - i for i in range(extra)]) if extra else m)
            masks.append(valid)
        return ops.any(ops.concatenate(masks, axis=self.axis), axis=-1, keepdims=False)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis}


def _without(shape: Any, axis: int) -> tuple:
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def _compatible(shapes: set[tuple]) -> bool:
    return all(len(set(sizes) - {None}) <= 1 for sizes in zip(*shapes))
