"""A product with a kernel along axes that an equation names."""

from __future__ import annotations

import math
import re
from typing import Any

from gpunet import activations, constraints, initializers, ops, regularizers
from gpunet.initializers.scaled import VarianceScaling
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer

_FORMS = (
    r"(?P<inputs>[a-zA-Z]+),(?P<kernel>[a-zA-Z]+)->(?P<outputs>[a-zA-Z]+)",
    r"(?P<left>\.\.\.)(?P<inputs>[a-zA-Z]+),(?P<kernel>[a-zA-Z]+)->\.\.\.(?P<outputs>[a-zA-Z]+)",
    r"(?P<inputs>[a-zA-Z]{2,})\.\.\.,(?P<kernel>[a-zA-Z]+)->(?P<outputs>[a-zA-Z]+)\.\.\.",
)


class EinsumDense(Layer):
    """activation(einsum(equation, x, kernel) + bias).

    Args:
        equation: such as "abc,cd->abd", or "...x,xy->...y"; the first term is the inputs', the second the kernel's.
        output_shape: sizes of the output without the batch and what "..." stands for; None where it is the input's.
        bias_axes: the labels of the output along which there is a bias; none where None.

    Raises:
        ValueError: when built, if the equation is not of that form or does not fit the inputs.

    Example:
        >>> layer = EinsumDense("abc,cde->abde", output_shape=(None, 4, 8), bias_axes="de")
        >>> layer(ops.ones((2, 5, 3))).shape
        (2, 5, 4, 8)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        shapes = _Shapes(self.equation, self.bias_axes, tuple(input_shape), self.partial_output_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.kernel = self.add_weight(
            name="kernel",
            shape=shapes.kernel,
            initializer=_with_fans(self.kernel_initializer, shapes),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.bias_axes is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=shapes.bias,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any) -> Any:
        y = self._product(inputs)
        return y if self.activation is activations.linear else self.activation(y)

    def _product(self, inputs: Any) -> Any:
        """einsum(equation, inputs, kernel) + bias, in one pass where that is a product with a bias for each column."""
        inner = _inner_axes(self.equation)
        outer = tuple(self.kernel.shape[inner:])
        if not inner or (self.bias is not None and tuple(self.bias.shape) != outer):
            y = ops.einsum(self.equation, inputs, self.kernel)
            return y if self.bias is None else y + self.bias
        rows, matrix = inputs.shape[:-inner], (math.prod(self.kernel.shape[:inner]), math.prod(outer))
        bias = None if self.bias is None else ops.reshape(self.bias, matrix[1:])
        y = ops.linear(ops.reshape(inputs, (*rows, matrix[0])), ops.reshape(self.kernel, matrix), bias)
        return ops.reshape(y, (*rows, *outer))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


def _with_fans(initializer: Any, shapes: _Shapes) -> Any:
    """The initializer with the kernel's axes of inputs and outputs, where it scales by them and does not know them."""
    if not isinstance(initializer, VarianceScaling) or None not in (initializer.input_axes, initializer.output_axes):
        return initializer
    axes = {"input_axes": shapes.input_axes, "output_axes": shapes.output_axes}
    return type(initializer).from_config(initializer.get_config() | axes | {"seed": initializer.seed})


def _inner_axes(equation: str) -> int:
    """How many of the inputs' last axes are summed with the kernel's first ones, if nothing else happens; else 0."""
    inputs, kernel, outputs = re.split(",|->", equation)
    fits = (n for n in range(1, len(kernel)) if outputs == inputs.removesuffix(kernel[:n]) + kernel[n:])
    return next((n for n in fits if inputs.endswith(kernel[:n])), 0)


class _Shapes:
    """The shapes of kernel and bias, from an equation, the inputs' shape and what is given of the outputs'."""

    def __init__(self, equation: str, bias_axes: str | None, input_shape: tuple, output_shape: tuple):
        match = next((m for m in (re.fullmatch(form, equation) for form in _FORMS) if m), None)
        if match is None:
            raise ValueError(
                f"Invalid einsum equation '{equation}'. Equations must be in the form [X],[Y]->[Z], "
                f"...[X],[Y]->...[Z], or [X]...,[Y]->[Z]...."
            )
        inputs, kernel, outputs = match["inputs"], match["kernel"], match["outputs"]
        left = bool(match.groupdict().get("left"))
        self._extra = len(input_shape) - len(inputs)
        sizes = dict(zip(inputs, input_shape[self._extra :] if left else input_shape))
        given = _output_sizes(outputs, output_shape, input_shape[0], without_batch=left and self._extra > 0)
        for label in set(inputs) & set(outputs):
            if given[label] is not None and given[label] != sizes[label]:
                raise ValueError(
                    f"Input shape and output shape do not match at shared dimension '{label}'. Input shape is "
                    f"{sizes[label]}, and output shape is {given[label]}."
                )
        if unknown := [c for c in outputs if c not in inputs + kernel]:
            raise ValueError(
                f"Dimension '{unknown[0]}' was specified in the output '{outputs}' but has no corresponding dim in the "
                f"input spec '{inputs}' or weight spec '{kernel}'"
            )
        if unknown := [c for c in kernel if c not in inputs + outputs]:
            raise ValueError(
                f"Weight dimension '{unknown[0]}' did not have a match in either the input spec '{inputs}' or the "
                f"output spec '{outputs}'. For this layer, the weight must be fully specified."
            )
        self.kernel = tuple(given[c] if c in given else sizes[c] for c in kernel)
        self.input_axes = [i for i, c in enumerate(kernel) if c not in outputs]
        self.output_axes = [i for i, c in enumerate(kernel) if c in outputs]
        self.bias = () if bias_axes is None else self._bias(bias_axes, outputs, given, left)

    def _bias(self, axes: str, outputs: str, given: dict, left: bool) -> tuple:
        if unknown := [c for c in axes if c not in outputs]:
            raise ValueError(
                f"Bias dimension '{unknown[0]}' was requested, but is not part of the output spec '{outputs}'"
            )
        first = min(map(outputs.find, axes))
        trailing = 0 if left else self._extra
        return tuple(given[c] if c in axes else 1 for c in outputs[first:]) + (1,) * trailing


def _output_sizes(outputs: str, shape: tuple, batch: Any, without_batch: bool) -> dict[str, Any]:
    """The size of each label of the output; the batch comes first, unless it is under an ellipsis on the left."""
    sizes = list(shape) if without_batch else [batch, *shape]
    if len(sizes) != len(outputs):
        raise ValueError(
            f"EinsumDense: output_shape must have a size for each label of '{outputs}' but the batch's. "
            f"Received: output_shape={shape}"
        )
    return dict(zip(outputs, sizes))
