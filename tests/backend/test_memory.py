"""The pool of large buffers, work space, and threads of the NumPy provider."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from gpunet import Tensor, ops
from gpunet.backend import memory
from gpunet.backend.cpu import scratch as scratch_module
from gpunet.backend.cpu.scratch import bordered, chunks, scratch
from gpunet.backend.cpu.threads import _blas, split, thread_count
from gpunet.backend.memory import POOLED_BYTES, empty, trim

LARGE = (POOLED_BYTES // 2,)
FLOAT32 = np.dtype("float32")


@pytest.fixture(autouse=True)
def no_idle_buffers():
    trim()
    yield
    trim()


def place(array):
    return array.__array_interface__["data"][0]


def test_a_buffer_is_used_again_when_nobody_holds_it():
    first = empty(LARGE, FLOAT32)
    here = place(first)
    assert place(empty(LARGE, FLOAT32)) != here
    del first
    assert place(empty(LARGE, FLOAT32)) == here


def test_a_view_keeps_its_buffer():
    first = empty(LARGE, FLOAT32)
    here, view = place(first), first[10:20]
    del first
    assert place(empty(LARGE, FLOAT32)) != here
    del view
    assert place(empty(LARGE, FLOAT32)) == here


def test_another_dtype_or_shape_of_the_same_size():
    first = empty(LARGE, FLOAT32)
    here = place(first)
    del first
    again = empty((2, LARGE[0] // 4), np.dtype("float64"))
    assert place(again) == here
    assert again.flags.writeable


def test_small_arrays_are_not_pooled():
    assert empty((4,), FLOAT32).base is None


def test_trim_gives_idle_buffers_back():
    before = memory._pool.total
    held = empty(LARGE, FLOAT32)
    with_held = memory._pool.total
    assert with_held >= before + held.nbytes
    empty((LARGE[0] * 3,), FLOAT32)
    assert memory._pool.total > with_held
    trim()
    assert memory._pool.total == with_held
    held[...] = 1.0


def test_the_pool_has_a_limit(monkeypatch):
    monkeypatch.setattr(memory, "_LIMIT_BYTES", 4 * LARGE[0] * 4)
    for extra in range(8):
        empty((LARGE[0] * (extra + 1),), FLOAT32)
    assert memory._pool.total <= memory._LIMIT_BYTES + LARGE[0] * 4 * 9
    assert sum(map(len, memory._pool.classes.values())) < 8


@pytest.mark.parametrize(
    "run",
    [ops.exp, lambda x: ops.add(x, x), lambda x: x * Tensor(x), lambda x: ops.softmax(x), lambda x: ops.pad(x, 1)],
)
def test_large_results_come_from_the_pool(run):
    before = memory._pool.total
    y = run(np.ones(LARGE, "float32"))
    assert memory._pool.total >= before + 4 * LARGE[0]
    del y
    trim()
    assert memory._pool.total == before


def test_results_do_not_share_memory():
    x = np.ones(LARGE, "float32")
    a = ops.add(x, x)
    b = ops.multiply(x, x)
    c = ops.exp(a)
    assert len({place(v) for v in (x, a, b, c)}) == 4
    assert (a == 2).all()
    assert (b == 1).all()


def test_a_result_outlives_its_thread():
    x = np.ones(LARGE, "float32")
    found = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(ops.add(x, float(len(found)))))
        thread.start()
        thread.join()
    ops.add(x, 100.0)
    assert [float(a.max()) for a in found] == [1, 2, 3]


def test_work_space_is_shared_by_slot_and_private_to_a_thread():
    a = scratch("test", (4, 4), FLOAT32)
    assert place(scratch("test", (2,), np.dtype("float64"))) == place(a)
    assert place(scratch("other", (4, 4), FLOAT32)) != place(a)
    found = []
    thread = threading.Thread(target=lambda: found.append(place(scratch("test", (4, 4), FLOAT32))))
    thread.start()
    thread.join()
    assert found != [place(a)]


def test_very_large_work_space_is_not_kept(monkeypatch):
    monkeypatch.setattr(scratch_module, "_KEPT_BYTES", 1000)
    before = scratch("test", (8,), FLOAT32)
    scratch("test", (1001,), FLOAT32)
    assert place(scratch("test", (8,), FLOAT32)) == place(before)


def test_bordered_work_space_keeps_its_zeros():
    a = bordered("test", (3, 5), FLOAT32)
    assert not a.any()
    a[:, 1:4] = 7
    b = bordered("test", (2, 5), FLOAT32)
    assert place(b) == place(a)
    assert b.shape == (2, 5)
    assert (b[:, 1:4] == 7).all()
    assert not b[:, [0, 4]].any()
    assert not bordered("test", (4, 5), FLOAT32).any()  # longer: a new one
    assert not bordered("another", (3, 5), FLOAT32).any()


def test_bordered_work_space_has_a_limit(monkeypatch):
    monkeypatch.setattr(scratch_module, "_BORDERED_BYTES", 4000)
    for number in range(8):
        assert bordered(number, (300,), FLOAT32).shape == (300,)
    kept = scratch_module._buffers.bordered
    assert list(kept) == [5, 6, 7]
    bordered(5, (300,), FLOAT32)
    bordered(8, (300,), FLOAT32)
    assert list(kept) == [7, 5, 8]  # the least recently used goes first
    assert bordered(9, (5000,), FLOAT32).shape == (5000,)  # larger than all that may be kept
    assert not kept


@pytest.mark.parametrize(("count", "each", "limit"), [(10, 3, 10), (10, 100, 10), (0, 1, 5), (7, 0, 3), (5, 1, 100)])
def test_chunks_cover_everything_once(count, each, limit):
    found = list(chunks(count, each, limit))
    assert [i for a, b in found for i in range(a, b)] == list(range(count))
    assert all(b - a == 1 or (b - a) * each <= limit for a, b in found)


def test_split_covers_everything_once():
    for count in (0, 1, 2, 7, 64):
        for work in (0, 1 << 30):
            seen = np.zeros(count, int)

            def part(start, stop, seen=seen):
                seen[start:stop] += 1

            split(part, count, work)
            assert (seen == 1).all()


@pytest.mark.skipif(thread_count() < 2, reason="one core: nothing is split")
def test_split_uses_threads_and_restores_blas():
    if _blas() is None:
        pytest.skip("this NumPy brings no OpenBLAS along, so nothing is split")
    before = _blas()[0]()
    names, inside = set(), set()

    def part(start, stop):
        names.add(threading.current_thread().name)
        inside.add(_blas()[0]())
        split(lambda a, b: names.add(threading.current_thread().name), 8, 1 << 30)  # stays where it is

    split(part, 64, 1 << 30)
    assert "gpunet-cpu" in names
    assert len(names) <= thread_count()
    assert inside == {1}
    assert _blas()[0]() == before


def test_a_split_inside_of_a_part_stays_whole():
    """In the caller's part too: the other threads are at work."""
    inner = []
    split(lambda a, b: split(lambda c, d: inner.append((c, d)), 8, 1 << 30), 64, 1 << 30)
    assert set(inner) == {(0, 8)}
    split(lambda a, b: inner.append((a, b)), 64, 1 << 30)
    assert (thread_count() < 2 or _blas() is None) == ((0, 64) in inner)


@pytest.mark.parametrize("failing", [0, -1])
def test_an_error_in_a_part_is_raised(failing):
    before = _blas()[0]() if _blas() else None

    def part(start, stop):
        if start == 0 if failing == 0 else stop == 64:
            raise KeyError("in a part")

    with pytest.raises(KeyError, match="in a part"):
        split(part, 64, 1 << 30)
    split(lambda a, b: None, 64, 1 << 30)
    assert before is None or _blas()[0]() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_computes():
    x = np.ones((64, 16, 16, 8), "float32")
    w = np.ones((3, 3, 8, 8), "float32")
    expected = ops.conv(x, w, padding="same")
    child = os.fork()
    if child == 0:
        same = np.array_equal(ops.conv(x, w, padding="same"), expected)
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0


def test_threads_of_the_user_compute_side_by_side():
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((8, 20, 20, 4), "float32") for _ in range(4)]
    w = rng.standard_normal((3, 3, 4, 8), "float32")
    expected = [ops.conv(x, w, padding="same") for x in xs]
    found = [None] * 4

    def work(i):
        for _ in range(10):
            found[i] = ops.conv(xs[i], w, padding="same")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (17, 5), (300, 700)])
def test_lasting_storage_starts_at_a_cache_line(shape):
    for dtype in (FLOAT32, np.dtype("uint8")):
        found = memory.lasting(np, shape, dtype, zeros=True)
        assert (found.shape, found.dtype) == (shape, dtype)
        assert found.flags.c_contiguous
        assert not found.any()
        assert place(found) % 64 == 0 or not found.size


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_release_gives_freed_blocks_back_to_the_system():
    program = """
from pathlib import Path
import numpy as np
from gpunet.backend import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

arrays = [memory.empty((n << 18,), np.dtype("float32")) for n in (28, *[20] * 10, 1)]
for array in arrays:
    array[...] = 1
last = arrays.pop()
del arrays, array
before = resident()
memory.release()
assert before - resident() > 150 << 20, before - resident()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
