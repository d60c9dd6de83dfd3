"""What a layer expects of its inputs."""

from __future__ import annotations

from typing import Any

from gpunet import tree
from gpunet.backend.dtypes import as_dtype


class InputSpec:
    """Rank, shape and dtype that an input must have; None where it does not matter.

    Args:
        shape: sizes, None for any; also sets `ndim`.
        ndim, max_ndim, min_ndim: the rank, or its bounds.
        axes: size per axis, e.g. `{-1: 3}`.
        allow_last_axis_squeeze: let a missing or extra last axis of size 1 pass.
        optional: let None pass.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ):
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(k): axes[k] for k in axes} if axes else {}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def get_config(self) -> dict[str, Any]:
        return {
            "dtype": self.dtype and self.dtype.name,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
        }

    def check(self, x: Any, layer: str) -> None:
        """Raise ValueError if `x` is not what the spec describes."""
        if x is None:
            if self.optional:
                return
            raise ValueError(f'Layer "{layer}" expected an input tensor. Received: None')
        shape = tuple(x.shape)
        self._check_rank(len(shape), shape, layer)
        if self.dtype is not None and x.dtype != self.dtype:
            raise ValueError(f'Layer "{layer}" expected dtype={self.dtype.name}. Received: dtype={x.dtype.name}')
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                raise ValueError(
                    f'Input of layer "{layer}" is incompatible with the layer: expected axis {axis} of input shape to '
                    f"have value {size}. Received: input with shape {shape}"
                )
        self._check_shape(shape, layer)

    def _check_rank(self, rank: int, shape: tuple, layer: str) -> None:
        problem = None
        if self.ndim is not None and rank != self.ndim and not self.allow_last_axis_squeeze:
            problem = f"expected ndim={self.ndim}"
        if self.max_ndim is not None and rank > self.max_ndim:
            problem = f"expected max_ndim={self.max_ndim}"
        if self.min_ndim is not None and rank < self.min_ndim:
            problem = f"expected min_ndim={self.min_ndim}"
        if problem:
            raise ValueError(
                f'Input of layer "{layer}" is incompatible with the layer: {problem}, found ndim={rank}. '
                f"Received: shape={shape}"
            )

    def _check_shape(self, shape: tuple, layer: str) -> None:
        if self.shape is None:
            return
        expected = self.shape
        if self.allow_last_axis_squeeze:
            shape = shape[:-1] if shape and shape[-1] == 1 and len(shape) > len(expected) else shape
            expected = expected[:-1] if expected and expected[-1] == 1 and len(expected) > len(shape) else expected
        fits = len(shape) == len(expected) and all(n is None or m is None or n == m for n, m in zip(shape, expected))
        if not fits:
            raise ValueError(
                f'Input of layer "{layer}" is incompatible with the layer: expected shape={self.shape}, '
                f"found shape={shape}"
            )


def assert_input_compatibility(specs: Any, inputs: Any, layer: str) -> None:
    """Check inputs, one or a structure, against an InputSpec or a structure of them.

    Raises:
        ValueError: if the number of inputs differs, or one does not fit.
    """
    if isinstance(specs, dict) and isinstance(inputs, dict):
        missing = [key for key in specs if key not in inputs]
        if missing:
            raise ValueError(f'Missing data for input "{missing[0]}" of layer "{layer}". Received: {list(inputs)}')
        inputs = [inputs[key] for key in specs]
        specs = list(specs.values())
    specs, inputs = tree.flatten(specs), tree.flatten(inputs)
    if len(specs) != len(inputs):
        raise ValueError(f'Layer "{layer}" expects {len(specs)} input(s), but it received {len(inputs)} input tensors.')
    for spec, x in zip(specs, inputs):
        spec.check(x, layer)
