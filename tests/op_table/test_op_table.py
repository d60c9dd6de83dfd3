"""Every row of the op table on every device."""

import pytest

from gpunet.backend.cupy_gate import probe

from . import ROWS, checks

DEVICES = ("cpu", "emulated", *(f"gpu:{i}" for i in range(min(1, probe().gpus))))


def _rows(rows):
    return pytest.mark.parametrize("row", [pytest.param(r, id=r.id) for r in rows])


@pytest.fixture(params=DEVICES)
def device(request):
    with checks.device_named(request.param) as device:
        yield device


@_rows(ROWS)
def test_forward(row, device):
    checks.forward(row, device)


@_rows(row for row in ROWS if row.has_inputs)
def test_layouts(row, device):
    checks.layouts(row, device)


@_rows(row for row in ROWS if row.has_inputs and row.derivatives is not None and "float64" in row.dtypes)
def test_gradients(row, device):
    checks.gradients(row, device)


@_rows(row for row in ROWS if row.has_inputs and row.symbolic)
def test_symbolic(row):
    checks.symbolic(row)


@_rows(row for row in ROWS if row.has_inputs)
def test_replay(row, device):
    checks.replay(row, device)


@_rows(row for row in ROWS if row.has_inputs)
def test_storage(row):
    with checks.device_named("cpu") as cpu:
        checks.storage(row, cpu)
