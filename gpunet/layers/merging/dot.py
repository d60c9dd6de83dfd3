"""Products over one axis of two inputs."""

from __future__ import annotations

import math
from typing import Any

from gpunet import ops
from gpunet.layers.layer import Layer


class Dot(Layer):
    """Sums of products over an axis of each of two inputs, sample by sample.

    (batch, *a, n) and (batch, n, *b) give (batch, *a, *b), or (batch, 1) for vectors.

    Args:
        axes: the axis of both, or one for each; not the batch.
        normalize: divide by the norms along the axes first: cosine similarity.

    Raises:
        TypeError: if `axes` is neither an int nor a list.
        ValueError: if it has not two entries, or the sizes differ.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(axes, int | list | tuple):
            raise TypeError(f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={axes}")
        if not isinstance(axes, int) and (len(axes) != 2 or any(not isinstance(a, int) for a in axes)):
            raise ValueError(f"Invalid format for argument `axes`: it should be two integers. Received: axes={axes}")
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self.normalize = normalize
        self.supports_masking = True

    def _axes(self, shapes: Any) -> tuple[int, int]:
        first, last = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return first % len(shapes[0]), last % len(shapes[1])

    def build(self, input_shape: Any) -> None:
        nested = isinstance(input_shape, list | tuple) and input_shape and isinstance(input_shape[0], list | tuple)
        if not nested or len(input_shape) != 2:
            raise ValueError(f"A `Dot` layer should be called on a list of 2 inputs. Received: {input_shape}")
        a, b = self._axes(input_shape)
        if 0 in (a, b) or input_shape[0][a] != input_shape[1][b]:
            raise ValueError(
                f"A `Dot` layer needs inputs of one size along axes {(a, b)}, which are not the batch's. "
                f"Received: shapes={input_shape}"
            )

    def call(self, inputs: Any) -> Any:
        x, y = inputs
        a, b = self._axes((x.shape, y.shape))
        if self.normalize:
            x, y = ops.normalize(x, axis=a), ops.normalize(y, axis=b)
        x, y = ops.moveaxis(x, a, -1), ops.moveaxis(y, b, 1)
        before, after = x.shape[1:-1], y.shape[2:]
        x = ops.reshape(x, (x.shape[0], math.prod(before), x.shape[-1]))
        y = ops.reshape(y, (*y.shape[:2], math.prod(after)))
        return ops.reshape(ops.matmul(x, y), (x.shape[0], *((*before, *after) or (1,))))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: steps are summed over or multiplied out."""
        return None

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axes": self.axes, "normalize": self.normalize}
