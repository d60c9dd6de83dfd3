"""Results are Keras's: those in keras.npz, and those of an installed Keras on other arguments."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from gpunet import ops
from gpunet.backend.dtypes import result_type
from gpunet.symbolic import KerasTensor

from .keras_cases import CASES
from .keras_dtypes import promotion, results
from .store import load

cases = pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])


@pytest.fixture(scope="module")
def golden():
    return load(Path(__file__).with_name("keras.npz"))


@pytest.fixture(scope="module")
def keras_values(real_keras):
    """Keras's results, by the backend that the file was made with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own
        from .make_keras import values
    return values


def compare(found, expected):
    assert len(found) == len(expected)
    for y, e in zip(map(np.asarray, found), expected):
        assert y.shape == e.shape
        assert y.dtype.kind == e.dtype.kind
        np.testing.assert_allclose(y, e, rtol=1e-5, atol=2e-6)


@cases
def test_the_file(case, golden):
    arguments = [golden.get(f"{case.name}/in{i}", x) for i, x in enumerate(case.drawn(seed=0))]
    expected = [value for name, value in golden.items() if name.startswith(f"{case.name}/out")]
    compare(case.run(ops, arguments), expected)


@cases
@pytest.mark.filterwarnings("ignore")
def test_keras_itself(case, keras_values):
    if case.differs_on_torch and os.environ["KERAS_BACKEND"] == "torch":
        pytest.skip("Keras on PyTorch differs from Keras on its other backends here")
    arguments = case.drawn(seed=1)
    compare(case.run(ops, arguments), keras_values(case, arguments))


def _promoted(x, y):
    return result_type(x, {int: 1, float: 1.0}.get(y, y)).name


def test_promotion_is_that_of_keras(golden):
    np.testing.assert_array_equal(promotion(_promoted), golden["promotion"])


def test_dtypes_of_results_are_those_of_keras(golden):
    found = results(ops, KerasTensor)
    assert {f"dtype of {name}" for name in found} == {name for name in golden if name.startswith("dtype of ")}
    for name, places in found.items():
        np.testing.assert_array_equal(places, golden[f"dtype of {name}"], err_msg=name)


def test_the_file_has_every_case(golden):
    assert {name.rpartition("/")[0] for name in golden if "/" in name} == {case.name for case in CASES}
    assert len({case.name for case in CASES}) == len(CASES)
