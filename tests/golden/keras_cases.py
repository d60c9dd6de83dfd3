"""Calls that read the same in `keras.ops` and `gpunet.ops`, first of all where Keras has rules of its own.

A case is the name of an op, float32 arguments and keyword arguments; both libraries get the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpunet import tree


@dataclass
class Case:
    """`op(*arguments(rng), **attributes)`."""

    op: str
    arguments: Callable[[np.random.Generator], list]
    attributes: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        words = [f"{k}={v}" for k, v in self.attributes.items()]
        return " ".join([self.op, self.note, *words]).replace("  ", " ").strip()

    @property
    def differs_on_torch(self) -> bool:
        """Keras on PyTorch averages edges that are not there, mirrors another row than its other backends, and does not
        divide by the windows at the ends of a signal."""
        averages = self.op == "average_pool" and self.attributes.get("padding") == "same"
        ends = self.op == "istft" and not self.attributes.get("center", True)
        return averages or ends or self.attributes.get("mode") == "symmetric"

    def drawn(self, seed: int) -> list:
        return self.arguments(np.random.default_rng([seed, *self.name.encode()]))

    def run(self, ops: Any, arguments: list) -> list:
        """The results of the op in a module, as a flat list."""
        return tree.flatten(getattr(ops, self.op)(*arguments, **self.attributes))


CASES: list[Case] = []


def case(op: str, *arguments: Any, note: str = "", **attributes: Any) -> None:
    """Add a case; a callable among the arguments draws one, the others are passed as they are."""
    new = Case(op, lambda rng: [x(rng) if callable(x) else x for x in arguments], attributes, note)
    while new.name in {c.name for c in CASES}:
        new.note += "'"
    CASES.append(new)


def normal(*shape: int):
    return lambda rng: rng.standard_normal(shape, "float32")


def labels(high: int, *shape: int):
    return lambda rng: rng.integers(0, high, shape).astype("int32")


def fixed(*numbers: float):
    return lambda rng: np.array(numbers, "float32")


def probabilities(*shape: int):
    return lambda rng: rng.dirichlet(np.ones(shape[-1]), shape[:-1]).astype("float32")


# The padding of "same": more at the high end, and dependent on the stride.
for size, kernel, stride in ((8, 3, 2), (7, 3, 2), (8, 4, 2), (8, 2, 1), (9, 4, 3), (5, 1, 2), (3, 5, 1)):
    shape = f"{size} {kernel} {stride}"
    case("conv", normal(1, size, 2), normal(kernel, 2, 3), note=shape, strides=stride, padding="same")
    case("max_pool", normal(1, size, 2), note=shape, pool_size=kernel, strides=stride, padding="same")
    case("average_pool", normal(1, size, 2), note=shape, pool_size=kernel, strides=stride, padding="same")
    case("conv_transpose", normal(1, size, 2), normal(kernel, 3, 2), note=shape, strides=stride, padding="same")
    case("conv_transpose", normal(1, size, 2), normal(kernel, 3, 2), note=shape, strides=stride, padding="valid")
    if stride > 1 and kernel > 1:
        case(
            "conv_transpose",
            normal(1, size, 2),
            normal(kernel, 3, 2),
            note=shape,
            strides=stride,
            padding="same",
            output_padding=1,
        )
case("conv", normal(1, 7, 6, 2), normal(3, 2, 2, 3), strides=(2, 1), padding="same")
case("conv", normal(1, 7, 6, 2), normal(3, 2, 2, 3), dilation_rate=2, padding="same")
case("conv", normal(1, 4, 6, 6), normal(3, 3, 2, 4), padding="same", data_format="channels_first")
case("conv", normal(1, 4, 3, 4, 2), normal(2, 3, 2, 2, 3), padding="same", strides=2)
case("conv_transpose", normal(1, 3, 4, 2), normal(3, 2, 3, 2), strides=(2, 1), padding="same")
case("conv_transpose", normal(1, 4, 3, 2), normal(3, 3, 3, 2), strides=1, padding="same", dilation_rate=2)
case("depthwise_conv", normal(1, 6, 5, 3), normal(3, 3, 3, 2), strides=2, padding="same")
case("depthwise_conv", normal(1, 6, 5, 3), normal(3, 3, 3, 1), dilation_rate=2)
case("separable_conv", normal(1, 6, 5, 3), normal(3, 3, 3, 2), normal(1, 1, 6, 4), padding="same")
case("max_pool", normal(1, 5, 6, 2), pool_size=(2, 3), strides=(2, 3), padding="same")
case("average_pool", normal(1, 5, 6, 2), pool_size=3, strides=2, padding="same", data_format="channels_last")

# Statistics are biased.
case("moments", normal(3, 4, 2), axes=(0, 1))
case("moments", normal(3, 4), axes=0, keepdims=True)
case("var", normal(3, 4), axis=1)
case("std", normal(3, 4), axis=0, keepdims=True)
case("batch_normalization", normal(4, 3), normal(3), fixed(0.5, 1, 2), -1)
case("batch_normalization", normal(2, 3, 2), normal(3), fixed(0.5, 1, 2), 1, normal(3), normal(3), epsilon=0.01)

# Activations by name and default.
for name in """relu relu6 sigmoid tanh silu softplus softsign elu selu celu gelu leaky_relu log_sigmoid hard_sigmoid
        hard_silu hard_tanh tanh_shrink soft_shrink hard_shrink glu softmax log_softmax""".split():
    case(name, normal(3, 6))
case("gelu", normal(3, 4), approximate=False)
case("leaky_relu", normal(3, 4), negative_slope=0.3)
case("elu", normal(3, 4), alpha=0.5)
case("softmax", normal(2, 3, 4), axis=(0, 2))
case("softmax", normal(2, 3, 4), axis=1)
case("threshold", normal(3, 4), 0.2, -1.0)

# Cross-entropies from probabilities are rescaled and clipped.
case("categorical_crossentropy", probabilities(4, 3), probabilities(4, 3))
case("categorical_crossentropy", probabilities(4, 3), lambda rng: rng.random((4, 3), "float32"), note="not normalised")
case("categorical_crossentropy", fixed(0, 1, 0), fixed(1, 0, 0), note="probability 0")
case("categorical_crossentropy", probabilities(4, 3), normal(4, 3), from_logits=True)
case("categorical_crossentropy", normal(3, 4), normal(3, 4), from_logits=True, axis=0)
case("sparse_categorical_crossentropy", labels(3, 4), probabilities(4, 3))
case("sparse_categorical_crossentropy", labels(3, 4, 1), normal(4, 3), from_logits=True)
case("sparse_categorical_crossentropy", lambda rng: np.array([1], "int32"), lambda rng: np.array([[1, 0]], "float32"))
case("binary_crossentropy", probabilities(4, 3), probabilities(4, 3))
case("binary_crossentropy", fixed(0, 1, 1), fixed(1, 0, 1), note="certain")
case("binary_crossentropy", fixed(0, 1, 1), fixed(30, -30, 3), from_logits=True)

# Indices, order and joins.
case("one_hot", labels(4, 5), 4)
case("one_hot", labels(3, 2, 3), 3, axis=1)
case("top_k", normal(3, 6), 2)
case("in_top_k", labels(4, 3), normal(3, 4), 2)
case("take", normal(4, 3), labels(3, 2, 2), axis=1)
case("take", normal(4, 3), labels(12, 5))
case("take_along_axis", normal(3, 4), labels(4, 3, 2), axis=1)
case("scatter", lambda rng: np.array([[1], [3], [1]], "int32"), normal(3, 2), (5, 2))
case("slice", normal(4, 5), (1, 2), (2, 3))
case("slice_update", normal(4, 5), (1, 2), normal(2, 3))
case("argmax", normal(3, 4), axis=1, keepdims=True)
case("argsort", normal(3, 4), axis=0)
case("sort", normal(3, 4))
case("cumsum", normal(3, 4), axis=1)
case("cumprod", normal(3, 4), axis=0)
case("repeat", normal(3, 2), 2, axis=0)
case("tile", normal(2, 2), (2, 1, 2))
case("roll", normal(3, 4), 2, axis=1)
case("pad", normal(4, 3), ((1, 2), (0, 1)), mode="reflect")
case("pad", normal(4, 3), ((1, 2), (0, 1)), mode="symmetric")

# Linear algebra.
case("normalize", normal(3, 4))
case("normalize", normal(3, 4), axis=0, order=1)
case("tensordot", normal(2, 3, 4), normal(4, 3, 2), axes=1)
case("einsum", "bij,bjk->bik", normal(2, 3, 2), normal(2, 2, 3))
case("dot", normal(2, 3), normal(3, 2))
case("outer", normal(3), normal(2))
case("trace", normal(3, 4), offset=1)
case("diagonal", normal(3, 4), offset=-1)
case("tril", normal(3, 4), k=1)
case("vdot", normal(3), normal(3))
case("logsumexp", normal(3, 4), axis=1)
case("norm", normal(3, 4), axis=1)
case("meshgrid", normal(3), normal(2))
case("nan_to_num", fixed(np.nan, np.inf, -np.inf, 1))
case("divide_no_nan", fixed(1, 2, 0), fixed(0, 4, 0))
case("isclose", fixed(1, 1, np.inf), fixed(1.1, 1 + 1e-6, np.inf))
case("linspace", 0.0, 1.0, 5)
case("arange", 1, 7, 2)
case("arange", 0.0, 1.0, 0.25)
case("round", fixed(-2.5, -0.5, 0.5, 1.5, 2.5))
case("floor_divide", fixed(7, -7, 7.5), fixed(2, 2, -2))
case("mod", fixed(7, -7, 7.5), fixed(3, 3, -2))
case("clip", normal(3, 4), -0.5, 0.5)

# What LAPACK and Fourier transforms do; vectors whose sign is free are in the op table only.


def regular(*shape: int):
    return lambda rng: (rng.standard_normal(shape) * 0.5 + 2 * np.eye(*shape[-2:])).astype("float32")


def definite(size: int):
    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal((size, size))
        return (x @ x.T + size * np.eye(size)).astype("float32")

    return draw


def pair(*shape: int):
    return lambda rng: tuple(rng.standard_normal((2, *shape), "float32"))


case("cholesky", definite(3))
case("cholesky", definite(3), upper=True)
case("cholesky_inverse", regular(3, 3))
case("det", regular(2, 3, 3))
case("slogdet", regular(3, 3))
case("logdet", definite(3))
case("inv", regular(2, 3, 3))
case("solve", regular(3, 3), normal(3, 2))
case("solve_triangular", regular(3, 3), normal(3, 2), lower=True)
case("lstsq", regular(5, 3), normal(5))
case("pinv", regular(4, 3))
case("matrix_rank", normal(4, 3))
case("lu_factor", regular(3, 3))
case("svd", normal(4, 3), compute_uv=False)
case("norm", normal(3, 4), ord="nuc", axis=(0, 1))
case("norm", normal(3, 4), ord=-1, axis=(0, 1), keepdims=True)
case("norm", normal(3, 4), ord=3, axis=1)
case("fft", pair(2, 6))
case("fft2", pair(2, 3, 4))
case("ifft2", pair(3, 4))
for length in (None, 6, 10):
    case("rfft", normal(2, 8), fft_length=length)
    case("irfft", pair(2, 5), fft_length=length)
case("extract_sequences", normal(2, 9), 4, 2)
case("stft", normal(2, 12), 4, 2, 6)
case("stft", normal(12), 6, 3, 8, window="hamming", center=False)
case("stft", normal(12), 4, 2, 4, window=None)
case("istft", pair(2, 5, 4), 4, 2, 6)
case("istft", pair(4, 4), 6, 3, 6, length=9, window="hamming", center=False)
case("ctc_decode", normal(3, 6, 4), np.array([6, 4, 2], "int32"))
case("ctc_decode", normal(3, 6, 4), np.array([6, 4, 2], "int32"), mask_index=3, merge_repeated=False)
case("ctc_decode", normal(3, 6, 4), np.array([6, 4, 2], "int32"), strategy="beam_search", top_paths=3)
case("rearrange", normal(2, 6, 3), "b (h r) c -> b (c r) h", r=2)
case("nanmedian", fixed(3, np.nan, 1, 4, 2))
case("nanquantile", fixed(3, np.nan, 1, 4, 2), 0.3)
case("nextafter", fixed(1, 0, -1), fixed(2, -1, -1))
case("view", normal(2, 4), dtype="int32")
for reduction in ("add", "max", "min", "mul"):
    case("scatter_update", normal(4, 3), np.array([[0], [2], [0]], "int32"), normal(3, 3), reduction=reduction)
