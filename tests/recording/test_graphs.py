"""Recorded steps as CUDA graphs: the emulated one repeats launches only; CuPy's, on a stand-in for CuPy."""

import logging
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.backend.cuda.graphs import CupyGraph
from gpunet.testing import emulated_gpu
from gpunet.testing.emulation import why_not


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_training_step_is_launches_of_our_kernels_and_nothing_else():
    def trained(jit_compile):
        gpunet.set_random_seed(1)
        model = gpunet.Sequential(
            [
                layers.Input((6, 6, 1)),
                layers.Conv2D(3, 3),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.MaxPooling2D(),
                layers.Dropout(0.3),
                layers.Flatten(),
                layers.Dense(4, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit_compile)
        rng = np.random.default_rng(0)
        for _ in range(7):
            model.train_on_batch(rng.standard_normal((4, 6, 6, 1)).astype("float32"), rng.integers(0, 4, 4))
        return model

    with emulated_gpu() as gpu:
        eager = trained(False)
        gpu.forget()
        recorded = trained("auto")
        (recording,) = recorded._stepper._functions["train_step"]._recordings.values()
        graph = recording.program.graph
        assert graph.obstacle is None
        assert graph.runs == 4
        assert len(graph.captured) > 40
        for a, b in zip(eager.get_weights(), recorded.get_weights()):
            np.testing.assert_array_equal(a, b)


class CudaError(RuntimeError):
    """In the place of `cupy.cuda.runtime.CUDARuntimeError`."""


class FakeStream:
    """Notes what happens to it; while it captures, calls are put aside."""

    def __init__(self, log, name):
        self.log, self.name, self.capturing, self.invalid = log, name, False, False

    def __enter__(self):
        self.log.append(f"enter {self.name}")

    def __exit__(self, *exc):
        self.log.append(f"leave {self.name}")

    def record(self):
        return f"event of {self.name}"

    def wait_event(self, event):
        self.log.append(f"{self.name} waits for {event}")

    def begin_capture(self):
        self.capturing = True

    def end_capture(self):
        self.capturing = False
        if self.invalid:
            raise CudaError("cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(
            upload=lambda stream: self.log.append(f"upload to {stream.name}"),
            launch=lambda stream: self.log.append(f"launch on {stream.name}"),
        )

    def is_capturing(self):
        """As CuPy's, which answers with an error where a capture was invalidated and not ended yet."""
        if self.capturing and self.invalid:
            raise RuntimeError("the stream was capturing, but an error has invalidated the capture sequence")
        return self.capturing

    def synchronize(self):
        self.log.append(f"synchronize {self.name}")


def fake_cupy(log):
    """As much of CuPy as graphs need."""
    private, current = FakeStream(log, "private"), FakeStream(log, "current")

    @contextmanager
    def scope(*_):
        yield

    cuda = SimpleNamespace(
        Device=scope,
        MemoryPool=lambda: SimpleNamespace(malloc="the private pool"),
        Stream=lambda non_blocking: private,
        get_current_stream=lambda: current,
        using_allocator=scope,
        runtime=SimpleNamespace(CUDARuntimeError=CudaError),
    )
    cuda.Device = lambda index: _Reusable()
    return SimpleNamespace(cuda=cuda), private


class _Reusable:
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None


ARRAY = SimpleNamespace(device=SimpleNamespace(id=0))


def test_the_second_run_is_captured_and_then_launched():
    log = []
    cupy, private = fake_cupy(log)
    graph = CupyGraph(cupy, ARRAY)

    def step():
        log.append("captured" if private.capturing else "run")
        return "results"

    assert [graph.run(step) for _ in range(4)] == ["results"] * 4
    assert [line for line in log if line in ("run", "captured", "launch on current")] == [
        "run",
        "captured",
        "launch on current",
        "launch on current",
        "launch on current",
    ]
    assert log[0] == "private waits for event of current"
    assert "current waits for event of private" in log


@pytest.mark.parametrize("invalidates", [False, True])
def test_what_cannot_be_captured_is_reported_and_goes_on_being_run(caplog, invalidates):
    log = []
    cupy, private = fake_cupy(log)
    graph = CupyGraph(cupy, ARRAY)

    def step():
        if private.capturing:
            private.invalid = invalidates
            raise RuntimeError("operation not permitted when stream is capturing")
        log.append("run")
        return len(log)

    with caplog.at_level(logging.WARNING, "gpunet"):
        for _ in range(4):
            assert graph.run(step) == len(log) - log[::-1].index("run")
    assert log.count("run") == 4
    assert not private.capturing
    (message,) = caplog.messages
    assert "not permitted" in message


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_users_calls_of_cupy_are_run_and_not_captured_here():
    with emulated_gpu():
        double = gpunet.custom_op(lambda x: x + x)
        f = gpunet.function(lambda x: ops.sum(double(x)))
        for k in range(6):
            assert float(f(ops.ones(3) * float(k))) == 6.0 * k
        (recording,) = f._recordings.values()
        assert "add" in recording.program.graph.obstacle
