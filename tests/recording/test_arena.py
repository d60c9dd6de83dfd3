"""The storage of recordings: who shares it, what it grows by, and who may not enter."""

import os
import signal
import threading
import warnings

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.backend import memory
from gpunet.testing import emulated_gpu


@pytest.fixture(params=["cpu", "emulated"])
def device(request):
    with emulated_gpu() if request.param == "emulated" else gpunet.device("cpu") as place:
        yield place


def chain(x):
    for _ in range(5):
        x = ops.tanh(x + 1.0)
    return x


def recordings(f):
    return list(f._recordings.values())


def data(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype="float32")


@pytest.fixture
def model():
    made = gpunet.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    made.compile("sgd", "mse")
    return made


def test_the_steps_of_a_model_share_storage(model):
    x, y = data(64, 8, 8, 3), data(64, 2)
    model.fit(x, y, batch_size=8, verbose=0)
    model.evaluate(x, y, batch_size=8, verbose=0)
    model.predict(x, batch_size=16, verbose=0)
    steps = model._stepper
    programs = [r.program for f in steps._functions.values() for r in recordings(f)]
    assert len(programs) == 3
    (held,) = steps._arena._memory.values()
    assert held.nbytes == max(p.nbytes for p in programs) < sum(p.nbytes for p in programs)


def test_programs_move_when_a_larger_one_comes(device):
    f = gpunet.function(chain)
    small, large = (gpunet.Variable(data(n)) for n in (500, 50_000))
    expected = [chain(x).numpy() for x in (small, large)]
    for x, y in [*[(small * 1.0, expected[0])] * 5, *[(large * 1.0, expected[1])] * 5, (small * 1.0, expected[0])]:
        np.testing.assert_array_equal(f(x).numpy(), y)
    first, second = recordings(f)
    assert f._arena.moves == 1
    (held,) = f._arena._memory.values()
    assert held.nbytes == second.program.nbytes > first.program.nbytes
    assert first.ready.moves == second.ready.moves == 1


def test_what_a_gradient_keeps_of_a_result_does_not_keep_the_result():
    variables = [gpunet.Variable(np.ones(16, "float32")) for _ in range(2)]

    def loss(x):
        with gpunet.GradientTape() as tape:
            y = x
            for _ in range(6):
                y = ops.relu(ops.batch_norm_training(y, *variables, -1, 1e-3)[0])
            total = ops.sum(y)
        return tape.gradient(total, variables)

    f, x = gpunet.function(loss), ops.convert_to_tensor(data(4096, 16))
    for _ in range(4):
        f(x)
    (recording,) = recordings(f)
    # ReLU's results and no more: a batch norm's own result is read by its ReLU alone, its mean by its gradient
    assert recording.program.nbytes < 9 * x.array.nbytes


def test_an_op_that_calls_its_own_recording_runs_eagerly_inside():
    depth = []

    def forward(x):
        if depth:
            return x * 2.0
        depth.append(1)
        try:
            return np.asarray(f(ops.convert_to_tensor(x))) + 1.0
        finally:
            depth.pop()

    nested = gpunet.custom_op(forward)
    f = gpunet.function(lambda x: ops.tanh(nested(ops.tanh(x)) * 0.5))
    x = ops.convert_to_tensor(data(100))
    expected = f.function(x).numpy()
    for _ in range(6):
        np.testing.assert_array_equal(f(x).numpy(), expected)
    assert recordings(f)[0].program is not None


def test_a_replay_that_raises_leaves_the_storage_to_the_next():
    fail = []

    def forward(x):
        if fail:
            raise OSError("no more")
        return x + 1.0

    op = gpunet.custom_op(forward)
    f = gpunet.function(lambda x: ops.tanh(op(x)))
    x = ops.convert_to_tensor(data(9))
    expected = f.function(x).numpy()
    for _ in range(5):
        f(x)
    fail.append(1)
    with pytest.raises(OSError, match="no more"):
        f(x)
    fail.clear()
    np.testing.assert_array_equal(f(x).numpy(), expected)
    assert not f._arena.running


def test_threads_that_train_and_predict_do_not_disturb_each_other(model):
    x, y = data(64, 8, 8, 3), data(64, 2)
    model.optimizer.learning_rate = 0.0
    model.fit(x, y, batch_size=8, verbose=0)
    expected = model.predict(x, batch_size=8, verbose=0)
    found = []
    other = threading.Thread(target=lambda: found.append(model.predict(x, batch_size=8, verbose=0)))
    other.start()
    model.fit(x, y, batch_size=8, verbose=0, epochs=3)
    other.join()
    np.testing.assert_array_equal(found[0], expected)


def test_eager_runs_leave_nothing_behind_when_the_storage_is_made():
    f, x = gpunet.function(chain), ops.convert_to_tensor(data(1 << 20))
    for _ in range(2):
        f(x)
    assert memory._pool.total > x.array.nbytes
    f(x)
    assert memory._pool.total <= 2 * x.array.nbytes  # the last result, which the caller holds


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not():
    f, x = gpunet.function(chain), ops.convert_to_tensor(data(500))
    for _ in range(5):
        f(x)
    held, forked = threading.Event(), threading.Event()

    def replay():  # for as long as it takes to fork
        with f._arena.lock:
            f._arena.running = True
            held.set()
            forked.wait()
            f._arena.running = False

    other = threading.Thread(target=replay)
    other.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends it
        alike = all(np.array_equal(f(x).numpy(), chain(x).numpy()) for _ in range(5))
        os._exit(0 if alike and recordings(f)[0].program is not None else 1)
    forked.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
