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
            "optional": self.optional,
        }

    def check(self, x: Any, layer: str, place: int = 0) -> None:
        """Raise ValueError if `x`, an input of that number, is not what the spec describes."""
        if x is None and self.optional:
            return
        if not hasattr(x, "shape"):
            raise ValueError(
                f"Inputs to a layer should be tensors. Got '{x!s:.100}' (of type {type(x)}) as input for layer "
                f"'{layer}'."
            )
        problem = self._problem(x)
        if problem is not None:
            raise ValueError(
                f"Input {place} with name '{self.name}' of layer '{layer}' is incompatible with the layer: {problem}"
            )

    def _problem(self, x: Any) -> str | None:
        """What is wrong with an input; None if nothing is."""
        shape = tuple(x.shape)
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim and not self.allow_last_axis_squeeze:
            return f"expected ndim={self.ndim}, found ndim={rank}. Full shape received: {shape}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}. Full shape received: {shape}"
        if self.dtype is not None and x.dtype != self.dtype:
            return f"expected dtype={self.dtype.name}, found dtype={x.dtype.name}"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                return (
                    f"expected axis {axis} of input shape to have value {size}, but received input with shape {shape}"
                )
        return None if self.shape is None else self._shape_problem(self.shape, shape)

    def _shape_problem(self, expected: tuple, shape: tuple) -> str | None:
        given, wanted = shape, expected
        if self.allow_last_axis_squeeze:
            given = given[:-1] if given and given[-1] == 1 else given
            wanted = wanted[:-1] if wanted and wanted[-1] == 1 else wanted
        if all(n is None or m is None or n == m for n, m in zip(given, wanted)):
            return None
        return f"expected shape={expected}, found shape={given}"


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
    specs = tree.flatten(specs)
    names = [spec.name for spec in specs if spec is not None and spec.name]
    named = len(names) == len(specs)
    if isinstance(inputs, dict) and named:
        inputs = [_named_input(inputs, name, names) for name in names]
    inputs = tree.flatten(inputs)
    if len(specs) != len(inputs):
        _refuse_number(specs, inputs, names if named else None, layer)
    for place, (spec, x) in enumerate(zip(specs, inputs)):
        if spec is not None:
            spec.check(x, layer, place)


def _named_input(inputs: dict, name: str, names: list[str]) -> Any:
    if name not in inputs:
        raise ValueError(
            f'Missing data for input "{name}". You passed a data dictionary with keys {list(inputs)}. Expected the '
            f"following keys: {names}"
        )
    return inputs[name]


def _refuse_number(specs: list, inputs: list, names: list[str] | None, layer: str) -> None:
    if names is None:
        shapes = [getattr(x, "shape", x) for x in inputs]
        raise ValueError(
            f'Layer "{layer}" expects {len(specs)} input(s), but it received {len(inputs)} input tensors. Inputs '
            f"received: {shapes}"
        )
    example = ", ".join(f"'{name}': ..." for name in names)
    raise ValueError(
        f'Layer "{layer}" expects {len(specs)} named input(s) with keys {names}, but it received {len(inputs)} input '
        f"tensors. Pass inputs as a dict, e.g. `layer({{{example}}})`."
    )
