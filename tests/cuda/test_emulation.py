"""The emulation runs what a GPU runs, and catches what it must: one planted bug of each kind."""

import numpy as np
import pytest

from gpunet import ops
from gpunet.backend.devices import as_array
from gpunet.backend.primitive import backend_of
from gpunet.testing import DeviceArray, emulated_gpu
from gpunet.testing.emulation import SCHEDULES, EmulatedRuntime, EmulationError, build, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

# Each kernel reverses the 64 elements of a block through shared memory, or fails to.
SOURCE = """
#include "common.cuh"

KERNEL(64) reverse(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 64);
    tile[threadIdx.x] = x[threadIdx.x];
#ifndef NO_BARRIER
    __syncthreads();
#endif
    out[threadIdx.x] = tile[63 - threadIdx.x];
}
KERNEL(64) out_of_bounds(GLOBAL(const float) x, GLOBAL(float) out) { out[threadIdx.x] = x[threadIdx.x + 1]; }
KERNEL(64) out_of_shared(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 63);
    tile[threadIdx.x] = x[threadIdx.x];
}
KERNEL(64) misaligned(GLOBAL(const float) x, GLOBAL(float) out) {
    if (threadIdx.x < 8) store4(out + 4 * threadIdx.x, load4(x + 4 * threadIdx.x + 1));
}
KERNEL(64) misaligned_shared(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 64);
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    if (threadIdx.x < 8) store4(out + 4 * threadIdx.x, load4(tile + 2 * threadIdx.x));
}
KERNEL(64) barrier_of_some(GLOBAL(const float) x, GLOBAL(float) out) {
    if (threadIdx.x < 32) __syncthreads();
    out[threadIdx.x] = x[threadIdx.x];
}
KERNEL(64) barrier_in_two_places(GLOBAL(const float) x, GLOBAL(float) out) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}
KERNEL(64) collective_of_some(GLOBAL(const float) x, GLOBAL(float) out) {
    float value = x[threadIdx.x];
    if (threadIdx.x % 32 < 16) value += __shfl_xor_sync(0xffffffffu, value, 1);
    out[threadIdx.x] = value;
}
KERNEL(64) never_written(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 65);
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x + 1];
}
KERNEL(64) write_after_read(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 64);
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    const float other = tile[63 - threadIdx.x];
    tile[threadIdx.x] = other;
}
KERNEL(64) two_writers(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 64);
    tile[threadIdx.x / 2] = x[threadIdx.x];
}
KERNEL(64) out_of_registers(GLOBAL(const float) x, GLOBAL(float) out) {
    float row[4];
    for (int i = 0; i <= int(x[4]); i++) row[i] = x[i];
    out[threadIdx.x] = row[threadIdx.x % 4];
}
KERNEL(64) out_of_vector(GLOBAL(const float) x, GLOBAL(float) out) {
    Vec4<float> row;
    for (int i = 0; i <= int(x[4]); i++) row[i] = x[i];
    out[threadIdx.x] = row[threadIdx.x % 4];
}
KERNEL(64) register_never_set(GLOBAL(const float) x, GLOBAL(float) out) {
    float row[4];
    for (int i = 1; i < 4; i++) row[i] = x[i];
    for (int i = 0; i < 4; i++) out[i] = row[i];
}
KERNEL(64) warp_sum(GLOBAL(const float) x, GLOBAL(float) out) {
    float sum = x[threadIdx.x];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
    const unsigned even = __ballot_sync(0xffffffffu, threadIdx.x % 2 == 0);
    out[threadIdx.x] = threadIdx.x % 32 == 0 ? sum : float(__popc(even));
}
KERNEL(64) warp_exchange(GLOBAL(const float) x, GLOBAL(float) out) {
    SHARED(float, tile, 64);
    tile[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    out[threadIdx.x] = tile[threadIdx.x ^ 1];
}
"""
BUGS = {
    "out_of_bounds": r"thread \(63, 0, 0\): out of bounds: 4 bytes at offset 256 of x, which has 256",
    "out_of_shared": r"out of bounds: shared tile\[63\], of 63",
    "out_of_registers": r"out of bounds: index 4 of an array in registers",
    "out_of_vector": r"out of bounds: index 4 of an array in registers",
    "misaligned": r"misaligned: 16 bytes at offset 4 of x",
    "misaligned_shared": r"misaligned: 4 elements at shared tile\[2\]",
    "barrier_of_some": r"divergent barrier",
    "barrier_in_two_places": r"divergent barrier, thread 0 at written0.cu:32, thread 32 at written0.cu:34",
    "collective_of_some": r"divergent warp collective",
    "never_written": r"shared tile\[64\] is read before it is written",
    "write_after_read": r"race: shared tile\[\d+\] is (written|read), thread \d+ (read|wrote) it",
    "two_writers": r"race: shared tile\[\d+\] is written, thread \d+ wrote it",
}


def run(kernel, device):
    x = as_array(np.arange(64, dtype="float32"), target=device)
    out = as_array(np.zeros(64, "float32"), target=device)
    kernel(1, x, out)
    return out.get()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_right_kernels_run_under_every_schedule(schedule, write_source):
    kernels = write_source(SOURCE)
    with emulated_gpu(schedule) as device:
        np.testing.assert_array_equal(run(kernels["reverse"], device), np.arange(64)[::-1])
        np.testing.assert_array_equal(run(kernels["warp_exchange"], device), np.arange(64) ^ 1)
        sums = run(kernels["warp_sum"], device)
        assert (sums[0], sums[32]) == (sum(range(32)), sum(range(32, 64)))
        assert set(np.delete(sums, [0, 32])) == {16}
        assert device.launches == {"reverse": 1, "warp_exchange": 1, "warp_sum": 1}


def test_fibers_of_other_processors(write_source, monkeypatch):
    """Where there is no assembly for the processor, fibers are those of the C library."""
    monkeypatch.setattr(build, "_FLAGS", [*build._FLAGS, "-DEMU_UCONTEXT"])
    kernels = write_source(SOURCE + "// by ucontext\n")
    with emulated_gpu(3) as device:
        np.testing.assert_array_equal(run(kernels["reverse"], device), np.arange(64)[::-1])
        assert set(np.delete(run(kernels["warp_sum"], device), [0, 32])) == {16}
        with pytest.raises(EmulationError, match=BUGS["barrier_of_some"]):
            run(kernels["barrier_of_some"], device)


@pytest.mark.parametrize("schedule", [0, 3])
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_reported(bug, schedule, write_source):
    kernels = write_source(SOURCE)
    with emulated_gpu(schedule) as device, pytest.raises(EmulationError, match=BUGS[bug]) as caught:
        run(kernels[bug], device)
    assert str(caught.value).startswith(f"{bug}, block (0, 0, 0)")


@pytest.mark.parametrize("schedule", [0, 1, 3])
def test_missing_barrier_is_a_race(schedule, write_source):
    kernels = write_source(SOURCE, NO_BARRIER=1)
    message = r"reverse, .* (read before it is written|race: )"
    with emulated_gpu(schedule) as device, pytest.raises(EmulationError, match=message):
        run(kernels["reverse"], device)


def test_missing_barrier_reads_poison_where_races_are_not_checked(write_source):
    kernels = write_source(SOURCE, NO_BARRIER=1)
    with emulated_gpu(0, check_races=False) as device:
        assert np.isnan(run(kernels["reverse"], device)[:32]).all()


@pytest.mark.skipif(bool(why_not()) or not build.poisons_registers(), reason="needs g++ 12 or later")
def test_a_register_that_was_never_set_holds_a_large_number(write_source):
    with emulated_gpu() as device:
        found = run(write_source(SOURCE)["register_never_set"], device)[:4]
    assert abs(found[0]) > 1e30
    np.testing.assert_array_equal(found[1:], [1, 2, 3])


def test_a_kernel_runs_again_after_an_error(write_source):
    kernels = write_source(SOURCE)
    with emulated_gpu() as device:
        with pytest.raises(EmulationError):
            run(kernels["out_of_bounds"], device)
        np.testing.assert_array_equal(run(kernels["reverse"], device), np.arange(64)[::-1])


def test_unknown_schedule():
    with pytest.raises(ValueError, match="Received: 4"):
        EmulatedRuntime(4)


def test_compiler_errors_are_shown(write_source):
    kernels = write_source('#include "common.cuh"\nKERNEL(1) broken(GLOBAL(float) x) { nonsense; }\n')
    with emulated_gpu() as device, pytest.raises(RuntimeError, match=r"written0.cu:2.*nonsense"):
        kernels["broken"](1, as_array(np.zeros(1, "float32"), target=device))


def test_new_arrays_are_poisoned():
    with emulated_gpu():
        empty = backend_of(DeviceArray).xp.empty
        assert np.isnan(empty((3,), "float32").get()).all()
        assert (empty((3,), "int32").get() == -1).all()


def test_what_cupy_would_compute_is_counted():
    with emulated_gpu() as device:
        x = as_array(np.ones((2, 3), "float32"), target=device)
        assert not device.not_emulated
        y = (x + 1).sum()
        x[0] = 2
        x.astype("float64")
        x[::2].reshape(-1).transpose()
        assert float(y) == 12
        assert device.not_emulated == {"add": 1, "add.reduce": 1, "setitem": 1, "astype": 1}
        device.forget()
        assert not device.not_emulated


def test_without_a_compiler_numpy_computes(monkeypatch):
    monkeypatch.setattr(build, "COMPILER", "no-such-compiler")
    assert "needs no-such-compiler" in why_not()
    with emulated_gpu() as device:
        x = as_array(np.ones(3, "float32"), target=device)
        np.testing.assert_array_equal(ops.add(x, x).get(), [2, 2, 2])
        assert not device.launches
