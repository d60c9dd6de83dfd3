"""The table itself: it has a row for every op, and its checks notice what is wrong."""

import numpy as np
import pytest

from gpunet import ops
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import CPU
from gpunet.backend.primitive import PRIMITIVES
from gpunet.backend.primitives import update

from . import ROWS, checks
from .row import N, Row, Rows, normal

NO_ROW = {
    "custom_gradient": "a decorator, tested with the tape",
    "convert_to_numpy": "returns host arrays, tested with conversions",
    "is_tensor": "returns a bool, tested with conversions",
    "ndim": "returns an int, tested with conversions",
    "shape": "returns a tuple, tested with conversions",
    "size": "returns an int, tested with conversions",
    "to_device": "tested with devices",
    "dtype": "returns a name, tested with conversions",
    "empty": "has no values to compare, tested with conversions",
    "empty_like": "has no values to compare, tested with conversions",
    "ctc_decode": "compared with Keras's values, in a test of its own",
    "jvp": "takes a function, tested with the transforms",
    "vectorize": "takes a function, tested in ops/test_control.py",
    "ctc_loss": "compared with all alignments, in a test of its own",
    **dict.fromkeys(
        "associative_scan cond fori_loop map scan switch vectorized_map while_loop".split(),
        "takes functions, tested in ops/test_control.py",
    ),
    **dict.fromkeys(["nonzero", "unique"], "reads values, tested in ops/test_value_shaped.py"),
}
# Primitives that no op of the table runs: random draws have tests of their own, updates are in place.
NO_OP = {name for name, p in PRIMITIVES.items() if getattr(update, name, None) is p}
NO_OP |= {"random_bits", "random_uniform", "random_normal", "next_state"}


def test_every_op_has_a_row():
    covered = {getattr(ops, row.op, None) for row in ROWS}
    missing = {name for name in ops.__all__ if getattr(ops, name) not in covered}
    assert missing == set(NO_ROW)


def test_rows_have_names_of_their_own():
    names = [row.id for row in ROWS]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_every_primitive_is_run_by_some_row(device):
    run = set()
    with checks.device_named(device) as place:
        kind = type(checks.to_device(np.zeros(1), place))
        tables = {name: primitive.table for name, primitive in PRIMITIVES.items()}
        before = {name: table.get(kind) for name, table in tables.items()}
        try:
            for name, primitive in PRIMITIVES.items():
                tables[name][kind] = _noted(run, name, tables[name][kind])
                assert primitive.table[kind] is not before[name]
            for row in ROWS:
                checks.run(row, place)
        finally:
            for table in tables.values():
                del table[kind]
    assert set(PRIMITIVES) - run == NO_OP


def _noted(run, name, implementation):
    def noted(*args, **kwargs):
        run.add(name)
        return implementation(*args, **kwargs)

    return noted


def _row(op="tanh", reference=np.tanh, **options) -> Row:
    return Rows().add(op, reference, normal(N, 3)).checked(**options)


def test_a_wrong_reference_is_noticed():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        checks.forward(_row(reference=lambda x: np.tanh(x) * (1 + 1e-12)), CPU)


def test_a_wrong_dtype_is_noticed():
    with pytest.raises(AssertionError, match="expected float16"):
        checks.forward(_row(result="float16"), CPU)


def test_a_changed_input_is_noticed(monkeypatch):
    monkeypatch.setattr(ops, "tanh", lambda x: np.tanh(x, out=x))
    with pytest.raises(AssertionError, match="an input was changed"):
        checks.forward(_row(dtypes=("float32",)), CPU)


def test_a_tensor_from_plain_arrays_is_noticed(monkeypatch):
    monkeypatch.setattr(ops, "tanh", lambda x: ops.convert_to_tensor(np.tanh(x)))
    with pytest.raises(AssertionError, match="gave a Tensor"):
        checks.forward(_row(), CPU)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda g, y: g * (1 - y), "first derivative"),
        (lambda g, y: g * ops.stop_gradient(1 - y * y), "second derivative"),
    ],
)
def test_a_wrong_gradient_is_noticed(monkeypatch, wrong, message):
    from gpunet.autograd.tape import Gradient
    from gpunet.ops import elementwise

    primitive = PRIMITIVES["tanh"]
    monkeypatch.setattr(primitive, "gradient", Gradient((wrong,), "o"))
    monkeypatch.setattr(ops, "tanh", elementwise.unary(primitive, ops.tanh))
    with pytest.raises(AssertionError, match=message):
        checks.gradients(_row(), CPU)


def test_a_wrong_shape_rule_is_noticed(monkeypatch):
    primitive = PRIMITIVES["tanh"]
    monkeypatch.setattr(primitive, "infer", lambda x: AbstractArray((3, 3), x.dtype))
    primitive.table.pop(AbstractArray, None)
    with pytest.raises(AssertionError, match="symbolic shape"):
        checks.symbolic(_row())
    primitive.table.pop(AbstractArray)


def test_an_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="no option 'orders'"):
        _row(orders=1)
