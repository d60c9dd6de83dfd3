"""Results and derivatives are PyTorch's: those in torch.npz, and those of an installed PyTorch on other arrays."""

from pathlib import Path

import numpy as np
import pytest

from gpunet import GradientTape, Tensor, ops

from .store import load
from .torch_cases import CASES, cotangent

cases = pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])


@pytest.fixture(scope="module")
def golden():
    return load(Path(__file__).with_name("torch.npz"))


def inner(tensors):
    return sum((ops.sum(t * Tensor(cotangent(t.shape))) for t in tensors), Tensor(np.zeros(())))


def values(case, arrays):
    tensors = [Tensor(a) for a in arrays]
    inputs = tensors[: case.differentiated]
    with GradientTape() as outer:
        outer.watch(inputs)
        with GradientTape() as tape:
            tape.watch(inputs)
            y = case.gpunet(*tensors)
        recorded = tape.gradient(y, inputs, Tensor(cotangent(y.shape)))
        total = inner(recorded)
    second = outer.gradient(total, inputs)
    with GradientTape() as tape:
        tape.watch(inputs)
        y = case.gpunet(*tensors)
    first = tape.gradient(y, inputs, Tensor(cotangent(y.shape)))
    for a, b in zip(first, recorded):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)
    named = {
        "out": y,
        **{f"grad{i}": g for i, g in enumerate(first)},
        **{f"second{i}": h for i, h in enumerate(second)},
    }
    return {name: value.numpy() for name, value in named.items() if value is not None}


def compare(found, expected):
    for name in expected.keys() | found.keys():
        other = expected.get(name)
        if name not in found or other is None:  # None and zeros are the same derivative
            assert name.startswith("second")
            np.testing.assert_array_equal(found.get(name, other), 0)
            continue
        np.testing.assert_allclose(found[name], other, rtol=1e-8, atol=1e-9, err_msg=name)


@cases
def test_the_file(case, golden):
    prefix = case.name + "/"
    stored = {key.removeprefix(prefix): value for key, value in golden.items() if key.startswith(prefix)}
    arrays = [stored.pop(f"in{i}") for i in range(sum(key.startswith("in") for key in stored))]
    compare(values(case, arrays), stored)


@cases
def test_torch_itself(case):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from .make_torch import values as torch_values

    arrays = case.arrays(seed=1)
    compare(values(case, arrays), torch_values(case, arrays))


def test_the_file_has_every_case(golden):
    assert {key.rpartition("/")[0] for key in golden} == {case.name for case in CASES}
