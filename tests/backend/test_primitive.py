"""Primitives and providers: dispatch by array type, and what is said where there is no implementation."""

import types

import numpy as np
import pytest

from gpunet import ops
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import FLOAT32
from gpunet.backend.primitive import (
    PRIMITIVES,
    ArrayBackend,
    Primitive,
    Provider,
    UfuncName,
    backend_of,
    is_array_type,
    register_backend,
    register_late,
    unregister_backend,
)


class OtherArray:
    """An array type of a test."""


@pytest.fixture
def primitive():
    made = Primitive("test_only", lambda x: AbstractArray(x.shape, x.dtype))
    yield made
    del PRIMITIVES["test_only"]


@pytest.fixture
def backend():
    quick, slow = Provider("quick"), Provider("slow", binds_namespace=True)
    made = ArrayBackend(OtherArray, types.SimpleNamespace(negative="the ufunc"), [quick, slow])
    register_backend(made)
    yield made
    unregister_backend(OtherArray)


def test_a_name_is_used_once(primitive):
    with pytest.raises(ValueError, match="a primitive named 'test_only' exists already"):
        Primitive("test_only", lambda x: x)
    assert repr(primitive) == "Primitive(test_only)"


def test_the_first_provider_with_an_implementation_serves(primitive, backend):
    quick, slow = backend.providers
    with pytest.raises(NotImplementedError, match="test_only has no implementation for .*OtherArray.* in: quick, slow"):
        primitive(OtherArray())
    slow.implements(primitive)(lambda xp, x, out=None: ("slow", xp.negative))
    assert primitive(OtherArray()) == ("slow", "the ufunc")
    assert backend.provider_of(primitive) == "slow"
    assert list(slow.signature(primitive).parameters) == ["x", "out"]
    primitive.table.clear()
    quick.implements(primitive)(lambda x, out=None: "quick")
    assert primitive(OtherArray()) == "quick"
    assert backend.provider_of(primitive) == "quick"


def test_a_ufunc_is_called_without_a_wrapper(primitive, backend):
    backend.providers[1].implements(primitive)(UfuncName("negative"))
    assert backend.implementation(primitive) == "the ufunc"
    assert backend.providers[1].signature(primitive) is None


def test_an_implementation_is_looked_up_once(primitive, backend):
    backend.providers[0].implements(primitive)(lambda x: "first")
    assert primitive(OtherArray()) == "first"
    backend.providers[0].implements(primitive)(lambda x: "second")
    assert primitive(OtherArray()) == "first"
    register_backend(backend)
    assert primitive(OtherArray()) == "second"


def test_forgotten_backends_are_unknown(backend):
    assert is_array_type(OtherArray)
    assert backend_of(OtherArray) is backend
    unregister_backend(OtherArray)
    assert not is_array_type(OtherArray)
    with pytest.raises(TypeError, match="expected a NumPy or CuPy array. Received: .*OtherArray"):
        backend_of(OtherArray)
    register_backend(backend)


def test_a_late_backend_is_registered_when_its_arrays_are_seen(backend):
    unregister_backend(OtherArray)
    calls = []

    def register():
        calls.append(1)
        register_backend(ArrayBackend(late, None, []))

    late = type("ndarray", (), {"__module__": "late_package.core"})
    other = type("ndarray", (), {"__module__": "another_package"})
    register_late("late_package", register)
    assert not is_array_type(other)
    assert is_array_type(late)
    assert is_array_type(late)
    assert calls == [1]
    unregister_backend(late)
    register_backend(backend)


def test_arrays_without_data_run_the_shape_rule():
    x = AbstractArray((2, 3), FLOAT32)
    y = PRIMITIVES["sum"](x, axis=(1,), keepdims=True)
    assert (y.shape, y.dtype) == ((2, 1), FLOAT32)
    assert (x.ndim, x.size, x.nbytes) == (2, 6, 24)
    assert repr(x) == "AbstractArray(shape=(2, 3), dtype=float32)"
    out, residuals = PRIMITIVES["max_pool"](
        AbstractArray((1, 4, 4, 2), FLOAT32), window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), residuals=True
    )
    assert (out.shape, residuals) == ((1, 2, 2, 2), ())
    with pytest.raises(TypeError, match="has a shape but no data"):
        np.asarray(x)


def test_residuals_are_made_for_a_backward_only(monkeypatch):
    from gpunet import GradientTape, Variable

    asked = []
    table = PRIMITIVES["max_pool"].table
    implementation = table[np.ndarray]

    def noted(*args, residuals=False, **kwargs):
        asked.append(residuals)
        return implementation(*args, residuals=residuals, **kwargs)

    monkeypatch.setitem(table, np.ndarray, noted)
    x = np.ones((1, 4, 4, 1), "float32")
    ops.max_pool(x, 2)
    with GradientTape():
        ops.max_pool(x, 2)
        ops.max_pool(Variable(x), 2)
    assert asked == [False, False, True]
