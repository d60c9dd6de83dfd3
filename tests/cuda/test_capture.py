"""A training step can be captured into a CUDA graph: it never waits for the device, reads from it or writes to it.

Nor does it launch a kernel that is not ours, which may be cuBLAS's or cuRAND's.
"""

import numpy as np
import pytest

import gpunet
from gpunet import layers
from gpunet.backend.devices import as_array
from gpunet.backend.primitive import backend_of
from gpunet.testing import DeviceArray


def small_lenet():
    return gpunet.Sequential(
        [
            layers.Input((16, 16, 1)),
            layers.Conv2D(6, 5, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5),
            layers.Activation("tanh"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.Dense(20, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )


@pytest.fixture
def step(gpu):
    """A recorded step, and its arguments on the device."""
    gpunet.set_random_seed(0)
    model, optimizer = small_lenet(), gpunet.optimizers.Adam(1e-3)
    loss_function = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)

    @gpunet.function
    def step(x, y):
        with gpunet.GradientTape() as tape:
            loss = loss_function(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        return loss

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 16, 16, 1)).astype("float32"), rng.integers(0, 10, 4)
    batch = [as_array(a, target=gpu) for a in (x, y)]
    losses = [float(step(*batch)) for _ in range(3)]
    assert losses[2] < losses[0]
    return step, batch


def program_of(step):
    (recording,) = step._recordings.values()
    assert recording.obstacle is None
    return recording.program


def test_an_eager_step_stays_on_the_device(gpu, step, no_copies):
    step, batch = step
    end = no_copies()
    loss = step.function(*batch)
    end()
    assert np.isfinite(float(loss))
    assert not gpu.not_emulated


def test_a_replay_stays_on_the_device(gpu, step, no_copies):
    step, batch = step
    program = program_of(step)
    end = no_copies()
    (loss,) = program(batch)
    end()
    assert np.isfinite(float(loss))
    assert not gpu.not_emulated
    assert {"conv", "conv_weight", "gemm", "batch_norm_finish", "dropout", "adam"} <= set(gpu.launches)


def test_replays_allocate_the_kernels_scratch_space_and_launch_the_same_kernels(gpu, step, monkeypatch):
    """What a replay asks the memory pool for is the same every time, so that a graph's pool can hold it."""
    step, batch = step
    program, xp = program_of(step), backend_of(DeviceArray).xp
    allocate, found = xp.empty, []

    def counted(shape, dtype):
        found[-1].append((tuple(shape), np.dtype(dtype)))
        return allocate(shape, dtype)

    monkeypatch.setattr(xp, "empty", counted)
    monkeypatch.setattr(xp, "zeros", lambda *_, **__: pytest.fail("a new array of zeros"))
    launches = []
    for _ in range(2):
        found.append([])
        gpu.forget()
        program(batch)
        launches.append(dict(gpu.launches))
    assert found[0] == found[1]
    assert launches[0] == launches[1]
    assert len(found[0]) < len(program.calls)
    convolved = 4 * 16 * 16 * 6 * 4  # bytes of what batch normalisation keeps for its backward
    scratch = sum(np.prod(shape, dtype=int) * dtype.itemsize for shape, dtype in found[0]) - convolved
    assert 0 <= scratch < program.nbytes


COPIES = {
    "number": float,
    "truth": bool,
    "get": lambda x: x.get(),
    "upload": lambda x: as_array([1.0], target=gpunet.device("gpu:0")),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_would_be_seen(gpu, no_copies, copy):
    x = as_array([1.0], target=gpu)
    end = no_copies()
    with pytest.raises(AssertionError, match="between host and device"):
        COPIES[copy](x)
    end()
