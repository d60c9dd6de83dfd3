"""Work that a team's threads share only where it is large, in NumPy's bits, and where these threads are."""

import os

import numpy as np
import pytest

import gpunet
from gpunet.backend import large, rows
from gpunet.backend.numba_cpu import compiled, elementwise, numba, team
from gpunet.backend.numba_cpu import shape as numba_shape
from gpunet.backend.primitive import backend_of
from gpunet.backend.primitives import elementwise as prim_of

from .problems import floats

pytestmark = pytest.mark.skipif(not compiled.is_installed(), reason="Numba is not installed (pip install numba)")


@pytest.mark.skipif(team.parts(1 << 20) == 1, reason="one thread")
@pytest.mark.parametrize("name", elementwise._BINARY)
def test_large_sums_and_products_of_two_are_shared_in_numpys_bits(name, monkeypatch):
    ufunc, loop = getattr(np, name), elementwise._BINARY[name]
    assert loop.now() is not None
    rng = np.random.default_rng(0)
    x, y = floats(rng, 300, 701), floats(rng, 300, 701)
    x[:3, 5], y[3] = (np.nan, np.inf, -0.0), 1e38
    counts = []
    monkeypatch.setattr(loop, "when_ready", lambda items, found=loop.when_ready: counts.append(items) or found(items))
    with np.errstate(all="ignore"):
        for a, b in ((x, y), (x, 2.5), (x.T, y.T), (x, y[:1]), (x.astype("float64"), y.astype("float64"))):
            np.testing.assert_array_equal(large.of_two(ufunc, a, b), ufunc(a, b))
        assert counts == [x.size]  # the others are NumPy's
        for length in (1, 300):
            np.testing.assert_array_equal(getattr(gpunet.ops, name)(x[:length], y[:length]), ufunc(x, y)[:length])
        assert len(counts) == 2
        out = np.empty_like(x)
        run = backend_of(np.ndarray).ready(prim_of.BINARY[name], lambda: "general", x, y, out=out)
        for _ in range(2):
            assert run() is out
            np.testing.assert_array_equal(out, ufunc(x, y))
            x *= 0.5
    assert numba.binders[name](x[:9], y[:9], out=out[:9]) is NotImplemented  # little to share


@pytest.mark.parametrize("kind", ["float32", "uint8", "float64", "float16"])
def test_rows_of_a_batch_are_taken_by_a_loop_where_they_are_words(kind):
    rng = np.random.default_rng(0)
    assert numba_shape._TAKE_ROWS.now() is not None
    x, place = rng.integers(0, 99, (90, 28, 400)).astype(kind), np.empty((50, 28, 400), kind)
    take = numba_shape._taker(x, place)
    for kept in (take, rows._taking(x, place)):
        where = rng.permutation(90)[:50]
        kept(where)
        np.testing.assert_array_equal(place, x[where])
    assert numba_shape._taker(x, place[:1]) is None  # little to copy
    assert numba_shape._taker(x[:, :, 1:], place[:, :, 1:]) is None
    odd = np.ones((90, 200001), "uint8")
    assert numba_shape._taker(odd, odd[:50].copy()) is None


@pytest.mark.skipif(team.parts(1 << 20) == 1 or not hasattr(os, "sched_setaffinity"), reason="one thread, or no places")
def test_the_teams_threads_keep_off_the_core_of_their_caller(monkeypatch):
    for name in team._BINDING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(team, "_team", team._Team())
    ours = os.sched_getaffinity(0)
    team.mark_team()
    helpers = team._helpers()
    assert len(helpers) == team.parts(1 << 20) - 1
    for helper in helpers:
        assert os.sched_getaffinity(helper) < ours
        assert len(os.sched_getaffinity(helper)) == len(ours) - 1
    assert os.sched_getaffinity(0) == ours
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    assert team._helpers() == set()
