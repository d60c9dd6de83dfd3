"""Wrong arguments of ops: which error, and that its message names argument, expectation and what was received."""

import re

import numpy as np
import pytest

from gpunet import Tensor, ops
from gpunet.symbolic import KerasTensor


def a(*shape):
    return np.ones(shape, "float32")


def i(*numbers):
    return np.array(numbers, "int32")


WRONG = {
    # elementwise
    "add": (lambda: ops.add(a(2, 3), a(4)), ValueError, "broadcast"),
    "where": (lambda: ops.where(a(2) > 0, a(2)), ValueError, "both x1 and x2. Received: one of them is None"),
    "cast": (lambda: ops.cast(a(2), "int33"), ValueError, "Invalid dtype.*Received: dtype='int33'"),
    "bitwise_and": (lambda: ops.bitwise_and(a(2), a(2)), TypeError, "expected integers or bools. Received: float32"),
    # reductions
    "sum axis": (lambda: ops.sum(a(2, 3), axis=2), ValueError, r"axis must be in \[-2, 2\). Received: axis=2"),
    "sum axes": (lambda: ops.sum(a(2, 3), axis=(0, -2)), ValueError, r"duplicates. Received: axis=\(0, -2\)"),
    "max": (lambda: ops.max(a(0, 3)), ValueError, r"over no elements. Received: shape=\(0, 3\)"),
    "min": (lambda: ops.min(a(2, 0), axis=1), ValueError, "over no elements"),
    "argmax": (lambda: ops.argmax(a(2), axis=1), ValueError, "axis must be in"),
    "norm": (lambda: ops.norm(a(2, 2), ord=3), ValueError, "for matrix norm. Received: ord=3"),
    "broadcast_to": (lambda: ops.broadcast_to(a(2, 3), (3, 2)), ValueError, r"shape \(2, 3\) to \(3, 2\)"),
    "broadcast_to rank": (lambda: ops.broadcast_to(a(2, 3), (3,)), ValueError, r"shape \(2, 3\) to \(3,\)"),
    # linear algebra
    "matmul": (
        lambda: ops.matmul(a(2, 3), a(4, 5)),
        ValueError,
        r"inner sizes.*Received shapes: \(2, 3\) and \(4, 5\)",
    ),
    "matmul scalar": (lambda: ops.matmul(a(), a(4, 5)), ValueError, r"Received shapes: \(\) and \(4, 5\)"),
    "matmul batch": (lambda: ops.matmul(a(2, 3, 4), a(3, 4, 5)), ValueError, "broadcast"),
    "linear": (
        lambda: ops.linear(a(2, 3), a(4, 5)),
        ValueError,
        r"kernel of shape \(in, out\). Received: x.shape=\(2, 3\), kernel.shape=\(4, 5\)",
    ),
    "linear bias": (lambda: ops.linear(a(2, 3), a(3, 5), a(4)), ValueError, r"bias of shape \(5,\).*bias.shape=\(4,\)"),
    "tensordot": (lambda: ops.tensordot(a(2, 3), a(4, 5), 1), ValueError, "paired axes must be equal. Received: axes="),
    "einsum operands": (lambda: ops.einsum("ij,jk", a(2, 2)), ValueError, "has 2 operands. Received: 1"),
    "einsum rank": (lambda: ops.einsum("ijk->i", a(2, 2)), ValueError, r"does not fit operands of ranks \[2\]"),
    "einsum sizes": (lambda: ops.einsum("ij,jk", a(2, 3), a(4, 5)), ValueError, "'j' of 'ij,jk' has two sizes"),
    "einsum diagonal": (lambda: ops.einsum("ii", a(1, 3)), ValueError, "two sizes"),
    "einsum output": (lambda: ops.einsum("ij->iz", a(2, 3)), ValueError, "repeats or invents a label"),
    # shapes
    "reshape": (lambda: ops.reshape(a(2, 3), (4, 2)), ValueError, r"array of shape \(2, 3\) into \(4, 2\)"),
    "reshape two -1": (lambda: ops.reshape(a(2, 3), (-1, -1)), ValueError, "cannot reshape"),
    "reshape empty": (lambda: ops.reshape(a(0, 3), (0, -1)), ValueError, "cannot reshape"),
    "transpose": (lambda: ops.transpose(a(2, 3), (0, 0)), ValueError, r"permutation of range\(2\). Received: axes="),
    "squeeze": (lambda: ops.squeeze(a(2, 3), 0), ValueError, r"must have size 1. Received: axis=0, shape=\(2, 3\)"),
    "expand_dims": (lambda: ops.expand_dims(a(2), 3), ValueError, "axis must be in"),
    "concatenate none": (lambda: ops.concatenate([]), ValueError, "at least one array. Received: an empty list"),
    "concatenate": (lambda: ops.concatenate([a(2, 3), a(2, 4)], 0), ValueError, "all axes but axis=0 must be equal"),
    "concatenate ranks": (lambda: ops.concatenate([a(2, 3), a(2)], 0), ValueError, "Received shapes"),
    "stack": (lambda: ops.stack([a(2), a(3)]), ValueError, r"one shape. Received shapes: \[\(2,\), \(3,\)\]"),
    "stack none": (lambda: ops.stack([]), ValueError, "Received"),
    "split": (lambda: ops.split(a(5), 2), ValueError, "size 5 cannot be divided. Received: indices_or_sections=2"),
    "pad mode": (lambda: ops.pad(a(3), 1, "wrap"), ValueError, "Received: mode='wrap'"),
    "pad constant": (lambda: ops.pad(a(3), 1, "edge", 2.0), ValueError, "constant_values needs mode='constant'"),
    "pad widths": (lambda: ops.pad(a(3, 3, 3), ((1, 1), (0, 0))), ValueError, "one pair for each of 3 axes"),
    "repeat": (lambda: ops.repeat(a(3), (1, 2)), ValueError, r"expected 3 counts. Received: repeats=\(1, 2\)"),
    "meshgrid": (lambda: ops.meshgrid(a(3), indexing="xyz"), ValueError, "Received: indexing='xyz'"),
    "arange": (lambda: ops.arange(0, 3, 0), ValueError, "step must not be 0"),
    # indexing
    "index rank": (lambda: ops.getitem(a(2, 3), (0, 0, 0)), IndexError, "too many indices"),
    "index range": (lambda: ops.getitem(a(2, 3), 2), IndexError, "out of bounds"),
    "index float": (lambda: Tensor(a(2, 3))[a(2)], IndexError, "integers or bools. Received: dtype=float32"),
    "take": (lambda: ops.take(a(3), i(0, 3)), IndexError, "out of bounds"),
    "take_along_axis": (
        lambda: ops.take_along_axis(a(2, 3), i(0, 1), 1),
        ValueError,
        r"rank of x. Received: x.shape=\(2, 3\)",
    ),
    # convolution and pooling
    "conv rank": (
        lambda: ops.conv(a(28, 28), a(3, 3)),
        ValueError,
        r"inputs of rank 3 or more \(batch, \*spatial, channels\).*inputs.shape=\(28, 28\), kernel.shape=\(3, 3\)",
    ),
    "conv kernel rank": (lambda: ops.conv(a(1, 8, 8, 3), a(3, 3, 4)), ValueError, "kernel of the same rank"),
    "conv channels": (lambda: ops.conv(a(1, 8, 8, 3), a(3, 3, 2, 4)), ValueError, "Received: 3 input channels"),
    "conv groups": (lambda: ops.conv(a(1, 8, 8, 4), a(3, 3, 2, 3)), ValueError, "multiple of the number of groups"),
    "conv strides": (lambda: ops.conv(a(1, 8, 3), a(3, 3, 4), 0), ValueError, "positive int.*Received: strides=0"),
    "conv two strides": (lambda: ops.conv(a(1, 8, 3), a(3, 3, 4), (1, 2)), ValueError, r"Received: strides=\(1, 2\)"),
    "conv dilation": (lambda: ops.conv(a(1, 8, 3), a(3, 3, 4), dilation_rate=1.5), (ValueError, TypeError), "."),
    "conv padding": (lambda: ops.conv(a(1, 8, 3), a(3, 3, 4), padding="some"), ValueError, "Received: padding='some'"),
    "conv format": (
        lambda: ops.conv(a(1, 8, 3), a(3, 3, 4), data_format="NHWC"),
        ValueError,
        "data_format must be one of.*Received: data_format='NHWC'",
    ),
    "conv bias": (lambda: ops.conv(a(1, 8, 3), a(3, 3, 4), bias=a(3)), ValueError, r"bias of shape \(4,\)"),
    "conv_transpose": (lambda: ops.conv_transpose(a(1, 8, 3), a(3, 4, 2)), ValueError, "Received: 3 input channels"),
    "conv_transpose padding": (
        lambda: ops.conv_transpose(a(1, 8, 3), a(3, 4, 3), padding="full"),
        ValueError,
        '"valid" or "same". Received: padding=\'full\'',
    ),
    "depthwise_conv": (lambda: ops.depthwise_conv(a(1, 8, 3), a(3, 4, 1)), ValueError, "depthwise_conv.*Received"),
    "max_pool": (lambda: ops.max_pool(a(8, 8), 2), ValueError, r"rank 3 or more.*Received: inputs.shape=\(8, 8\)"),
    "max_pool size": (lambda: ops.max_pool(a(1, 8, 8, 1), (2, 2, 2)), ValueError, r"Received: pool_size=\(2, 2, 2\)"),
    "average_pool": (lambda: ops.average_pool(a(1, 8, 1), 0), ValueError, "Received: pool_size=0"),
    # normalisation and losses
    "batch_norm axis": (lambda: ops.batch_norm_training(a(4, 3), axis=2), ValueError, "axis must be in"),
    "batch_norm gamma": (
        lambda: ops.batch_norm_training(a(4, 3), a(2)),
        ValueError,
        r"gamma.*\(3,\).*Received: .*\(2,\)",
    ),
    "batch_normalization": (
        lambda: ops.batch_normalization(a(4, 3), a(2), a(2), -1),
        ValueError,
        r"mean.*\(3,\).*Received: .*\(2,\)",
    ),
    "softmax": (lambda: ops.softmax(a(2, 3), axis=2), ValueError, "axis must be in"),
    "glu": (lambda: ops.glu(a(2, 3)), ValueError, "cannot be divided"),
    "sparse shapes": (
        lambda: ops.sparse_categorical_crossentropy(i(0, 1, 2), a(2, 3)),
        ValueError,
        r"target.shape=\(3,\), output.shape=\(2, 3\)",
    ),
    "sparse labels": (
        lambda: ops.sparse_categorical_crossentropy(i(0, 3), a(2, 3), from_logits=True),
        ValueError,
        "integers from 0 to 2, for 3 classes in the predictions. Received: a label 3",
    ),
    "sparse negative": (lambda: ops.sparse_categorical_crossentropy(i(0, -1), a(2, 3)), ValueError, "a label -1"),
    "sparse scalar": (lambda: ops.sparse_categorical_crossentropy(i(0), a()), ValueError, "at least one axis"),
    "categorical": (lambda: ops.categorical_crossentropy(a(2, 3), a(2, 4)), ValueError, r"same shape.*\(2, 4\)"),
    "binary": (lambda: ops.binary_crossentropy(a(2, 1), a(2)), ValueError, r"same shape.*target.shape=\(2, 1\)"),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_arguments(call):
    run, error, message = call
    with pytest.raises(error) as raised:
        run()
    assert re.search(message, str(raised.value), re.DOTALL), f"the message is: {raised.value}"


SYMBOLIC = {
    "matmul": lambda: ops.matmul(KerasTensor((None, 3)), KerasTensor((4, 5))),
    "conv": lambda: ops.conv(KerasTensor((None, 8, 8, 3)), a(3, 3, 2, 4)),
    "concatenate": lambda: ops.concatenate([KerasTensor((None, 3)), KerasTensor((None, 3, 1))], 1),
    "reshape": lambda: ops.reshape(KerasTensor((None, 3)), (-1, 2)),
    "linear": lambda: ops.linear(KerasTensor((None, 3)), a(4, 5)),
}


@pytest.mark.parametrize("run", SYMBOLIC.values(), ids=SYMBOLIC)
def test_wrong_shapes_of_symbolic_tensors(run):
    with pytest.raises(ValueError, match="."):
        run()


@pytest.mark.parametrize("wrong", [None, "text", [[1], [1, 2]], object()])
def test_what_is_no_array(wrong):
    with pytest.raises((TypeError, ValueError)):
        ops.sum(wrong)


def test_wrong_arguments_change_nothing():
    x = a(2, 3)
    for run in (lambda: ops.add(x, a(4)), lambda: ops.matmul(x, a(2, 2)), lambda: ops.reshape(x, 5)):
        with pytest.raises(ValueError, match="."):
            run()
    assert (x == 1).all()
