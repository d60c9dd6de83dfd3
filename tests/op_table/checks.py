"""What is checked of every row of the op table. Plain functions that raise AssertionError: no test runner is needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import numpy as np

import gpunet
from gpunet import tree
from gpunet.autograd import GradientTape, Tensor
from gpunet.autograd import fast as fast_path
from gpunet.backend import memory
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.symbolic import KerasTensor
from gpunet.testing import check_gradients

from .row import DTYPES, FLOATS, Input, Row

_EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
_ROUNDINGS = 16  # errors of an elementwise function, in units in the last place


def results_of(value: Any) -> list:
    """The results of an op in a flat list."""
    return tree.flatten(value)


def assert_close(found: Any, expected: Any, dtype: str, tolerance: float, what: str) -> None:
    found, expected = to_host(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    bound = _EPS.get(dtype, 0) * _ROUNDINGS * tolerance
    wide = np.float64 if found.dtype.kind not in "iub" else found.dtype
    np.testing.assert_allclose(found.astype(wide), expected, rtol=bound, atol=bound, err_msg=what)


def _placed(row: Row, arrays: Any, device: Any, wrapper: Any = lambda x: x) -> tuple:
    return row.map(lambda x: wrapper(to_device(x.copy(), device)), arrays)


def forward(row: Row, device: Any) -> None:
    """Every dtype against the reference. Plain arrays give plain arrays, tensors tensors; inputs stay as they are."""
    for dtype in row.dtypes:
        arrays = row.arrays(dtype)
        expected = results_of(row.expected(arrays))
        plain = _placed(row, arrays, device)
        found = results_of(row.function(plain))
        assert len(found) == len(expected), f"{dtype}: {len(found)} results, expected {len(expected)}"
        names = row.result_dtypes(dtype, len(found))
        for i, (y, e, name) in enumerate(zip(found, expected, names)):
            what = f"{row.id} in {dtype} on {device}, result {i}"
            _check_kind(row, y, device, what)
            y = y.array if isinstance(y, Tensor) else y
            assert y.dtype == (DTYPES.get(name) or name), f"{what}: dtype {y.dtype}, expected {name}"
            assert_close(y, e, name if name in FLOATS else dtype, row.tolerance, what)
        _check_untouched(row, plain, arrays, dtype)
        if row.has_inputs:
            _check_tensors(row, arrays, device, found)


def _check_kind(row: Row, y: Any, device: Any, what: str) -> None:
    if row.has_inputs:
        assert not isinstance(y, Tensor), f"{what}: plain arrays gave a Tensor"
        y = Tensor(y)
    assert isinstance(y, Tensor), f"{what}: expected a Tensor, found {type(y)}"
    assert y.device == device, f"{what}: it is on {y.device}"


def _check_untouched(row: Row, plain: Any, arrays: Any, dtype: str) -> None:
    for x, before in zip(tree.flatten(plain), tree.flatten(arrays)):
        if hasattr(x, "shape"):
            assert to_host(x).tobytes() == before.tobytes(), f"{row.id} in {dtype}: an input was changed"


def _check_tensors(row: Row, arrays: Any, device: Any, found: list) -> None:
    for y, plain in zip(results_of(row.function(_placed(row, arrays, device, Tensor))), found):
        assert isinstance(y, Tensor), f"{row.id}: tensors gave {type(y)}"
        np.testing.assert_array_equal(to_host(y.array), to_host(plain), err_msg=f"{row.id}: a Tensor and a plain array")


def run(row: Row, device: Any) -> None:
    """The op and both derivatives once, with nothing compared: what a profiler or a counter of kernels wants."""
    dtype = "float64" if "float64" in row.dtypes else row.dtypes[0]
    arguments = _placed(row, row.arrays(dtype), device, Tensor)
    numbers = _numbers(row, arguments) if dtype in FLOATS and row.derivatives is not None else []
    with GradientTape() as outer:
        outer.watch(numbers)
        with GradientTape() as inner:
            inner.watch(numbers)
            outputs = [y for y in results_of(row.function(arguments)) if y.dtype.kind == "f"]
        first = [g for g in inner.gradient(outputs, numbers) if g is not None]
    outer.gradient(first, numbers)
    if numbers:
        _first_gradients(row, dtype, device)


def _numbers(row: Row, arguments: tuple) -> list:
    """The arguments that have a derivative."""
    return [t for x, t in zip(row.leaves, tree.flatten(arguments)) if isinstance(x, Input) and x.kind == "number"]


def layouts(row: Row, device: Any) -> None:
    """Views that are not contiguous give what contiguous arrays give, and the gradient of them, too."""
    dtype = "float32" if "float32" in row.dtypes else row.dtypes[0]
    arrays = row.arrays(dtype)
    expected = results_of(row.expected(arrays))
    for view in (_transposed, _every_second, _reversed):
        found = results_of(row.function(row.map(lambda x, view=view: view(x, device), arrays)))
        for y, e, name in zip(found, expected, row.result_dtypes(dtype, len(found))):
            assert_close(y, e, name if name in FLOATS else dtype, row.tolerance, f"{row.id}, {view.__name__} inputs")
    if row.derivatives and dtype in FLOATS:
        _check_layouts_of_gradients(row, dtype, device)


def _check_layouts_of_gradients(row: Row, dtype: str, device: Any) -> None:
    exact = _first_gradients(row, dtype, device)
    for view in (_transposed, _every_second, _reversed):
        for (_, g), (_, e) in zip(_first_gradients(row, dtype, device, view), exact):
            if e is not None:
                expected = to_host(e.array)
                tolerance = row.tolerance * (1 + float(np.abs(expected).max(initial=0)))
                assert_close(g.array, expected, dtype, tolerance, f"{row.id}, gradient of {view.__name__} inputs")


def _transposed(x: np.ndarray, device: Any) -> Any:
    return to_device(np.array(x.T, order="C"), device).T


def _every_second(x: np.ndarray, device: Any) -> Any:
    return to_device(np.repeat(x, 2, axis=-1), device)[..., ::2] if x.ndim else to_device(x.copy(), device)


def _reversed(x: np.ndarray, device: Any) -> Any:
    return to_device(x[::-1].copy(), device)[::-1] if x.ndim else to_device(x.copy(), device)


def gradients(row: Row, device: Any) -> None:
    """Both derivatives in float64 against finite differences, then the first in every other float dtype against it."""
    arrays = row.arrays("float64")
    places = [i for i, x in enumerate(row.leaves) if isinstance(x, Input) and x.kind == "number"]

    def function(*tensors):
        leaves = [to_device(x, device) if hasattr(x, "shape") else x for x in tree.flatten(arrays)]
        for i, tensor in zip(places, tensors):
            leaves[i] = tensor
        return row.differentiated(row.function(tree.pack_like(row.arguments, leaves)))

    check_gradients(function, [tree.flatten(arrays)[i] for i in places], order=row.derivatives, device=device)
    exact = _first_gradients(row, "float64", device)
    for dtype in row.dtypes:
        if dtype in FLOATS and dtype != "float64":
            _check_narrow_gradients(row, dtype, device, exact)


def _first_gradients(row: Row, dtype: str, device: Any, view: Any = None) -> list:
    """Each number input, and its gradient of Σ weights·results; inputs and weights are laid out by `view`."""
    view = view or (lambda x, device: to_device(x.copy(), device))
    arguments = row.map(lambda x: Tensor(view(x, device)), row.arrays(dtype))
    numbers = _numbers(row, arguments)
    with GradientTape() as tape:
        tape.watch(numbers)
        outputs = [y for y in row.differentiated(row.function(arguments)) if y.dtype.kind not in "iub"]
    weights = [np.cos(np.arange(y.size, dtype=np.float64)).reshape(y.shape).astype(y.dtype) for y in outputs]
    seeds = [Tensor(view(w, device)) for w in weights]
    return list(zip(numbers, tape.gradient(outputs, numbers, seeds)))


def _check_narrow_gradients(row: Row, dtype: str, device: Any, exact: list) -> None:
    for i, ((x, g), (_, e)) in enumerate(zip(_first_gradients(row, dtype, device), exact)):
        what = f"{row.id} in {dtype} on {device}, gradient {i}"
        assert (g is None) == (e is None), f"{what}: None in one dtype only"
        if g is None:
            continue
        assert g.shape == x.shape, f"{what}: shape {g.shape}, expected {x.shape}"
        assert g.dtype == x.dtype, f"{what}: dtype {g.dtype}, expected {x.dtype}"
        scale = 1 + float(np.abs(to_host(e.array)).max(initial=0))
        assert_close(g.array, to_host(e.array), dtype, 4 * scale * row.tolerance, what)


def symbolic(row: Row) -> None:
    """Shapes and dtypes inferred without data are those of real results; what varies with N, and only that, is None."""
    dtype = row.dtypes[0]
    real = results_of(row.function(row.arrays(dtype)))
    fixed = results_of(row.function(row.map(lambda x: KerasTensor(x.shape, x.dtype), row.arrays(dtype))))
    _compare_symbolic(row, fixed, [y.shape for y in real], real)
    if any(None in x.symbolic_shape() for x in row.leaves if isinstance(x, Input)):
        other = results_of(row.function(row.arrays(dtype, size=7)))
        shapes = [tuple(n if n == m else None for n, m in zip(y.shape, o.shape)) for y, o in zip(real, other)]
        kinds = row.map(lambda x: x.dtype, row.arrays(dtype))
        arguments = row.map(lambda x, kind: KerasTensor(x.symbolic_shape(), kind), row.arguments, kinds)
        _compare_symbolic(row, results_of(row.function(arguments)), shapes, real)


def _compare_symbolic(row: Row, found: list, shapes: list, real: list) -> None:
    assert len(found) == len(real), f"{row.id}: {len(found)} symbolic results, {len(real)} real ones"
    for y, shape, array in zip(found, shapes, real):
        assert isinstance(y, KerasTensor), f"{row.id}: a symbolic call gave {type(y)}"
        assert y.shape == shape, f"{row.id}: symbolic shape {y.shape}, expected {shape}"
        assert y.dtype == array.dtype, f"{row.id}: symbolic dtype {y.dtype}, expected {array.dtype}"


def storage(row: Row, device: Any) -> None:
    """Results and gradients written into given storage (`out=`), which holds garbage before, are the same."""
    dtype = "float32" if "float32" in row.dtypes else row.dtypes[0]

    def everything():
        found = results_of(row.function(_placed(row, row.arrays(dtype), device)))
        if row.derivatives and dtype in FLOATS:
            found += [g for _, g in _first_gradients(row, dtype, device) if g is not None]
        return [y.array if isinstance(y, Tensor) else y for y in found]

    allocated = everything()
    with _given_storage():
        for given, y in zip(everything(), allocated):
            assert given.dtype == y.dtype, f"{row.id}: dtype {given.dtype} with out=, {y.dtype} without"
            assert_close(given, to_host(y), dtype, row.tolerance, f"{row.id} with out=")


def replay(row: Row, device: Any) -> None:
    """A recorded call gives the bits of an eager one, results and gradients, for other values than it has seen."""
    dtype = "float32" if "float32" in row.dtypes else row.dtypes[0]
    leaves = tree.flatten(row.arrays(dtype))
    places = [i for i, x in enumerate(row.leaves) if isinstance(x, Input)]

    def run(*inputs):
        current = list(leaves)
        for i, x in zip(places, inputs):
            current[i] = x
        numbers = [x for i, x in zip(places, inputs) if row.leaves[i].kind == "number" and x.dtype.kind not in "iu"]
        with GradientTape() as tape:
            tape.watch(numbers)
            found = results_of(row.function(tree.pack_like(row.arguments, current)))
        outputs = [y for y in found if y.dtype.kind not in "iub"]
        return found, tape.gradient(outputs, numbers) if row.derivatives and numbers and outputs else []

    recorded = gpunet.function(run)
    for turn in range(5):
        axis = 0 if row.whole else -1
        turned = [np.roll(x, turn, axis=axis) if x.ndim else x for x in (leaves[i] for i in places)]
        inputs = [Tensor(to_device(x, device)) for x in turned]
        pairs = zip(tree.flatten(recorded(*inputs)), tree.flatten(run(*inputs)), strict=True)
        for y, e in ((y, e) for y, e in pairs if y is not None or e is not None):
            assert (y.dtype, y.shape) == (e.dtype, e.shape), f"{row.id}: {y.dtype} {y.shape}, {e.dtype} {e.shape}"
            assert to_host(y.array).tobytes() == to_host(e.array).tobytes(), f"{row.id}, run {turn}: other bits"
    assert recorded.obstacles() == {}, f"{row.id} is not recorded"


@contextmanager
def _given_storage():
    """Every result goes into storage that the pool hands out, however small it is; the storage holds garbage."""
    kept = memory.POOLED_BYTES, fast_path.POOLED_BYTES, memory.empty
    memory.POOLED_BYTES = fast_path.POOLED_BYTES = 0
    memory.empty = lambda shape, dtype: np.full(shape, 77, dtype)
    try:
        yield
    finally:
        memory.POOLED_BYTES, fast_path.POOLED_BYTES, memory.empty = kept


@contextmanager
def device_named(name: str):
    """The CPU, or the stand-in GPU where "emulated" is asked for."""
    from gpunet.testing import emulated_gpu

    with emulated_gpu() if name == "emulated" else gpunet.device(name) as device:
        assert device_of(to_device(np.zeros(1), device)) == device
        yield device
