"""Replays keep variables packed for oneDNN; whatever changes a variable, they compute with what it is then."""

import os
import threading
import warnings

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.backend.onednn import library

pytestmark = pytest.mark.skipif(library.find() is None, reason="oneDNN is not installed (pip install onednn-cpu-gomp)")

X = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype("float32")
Y = np.zeros((2, 512), "float32")


def network():
    """A convolution and a product, both of which oneDNN computes with weights of its own layout."""
    gpunet.set_random_seed(0)
    stack = [layers.Conv2D(20, 3, activation="relu"), layers.Flatten(), layers.Dense(512)]
    return gpunet.Sequential([layers.Input(X.shape[1:]), *stack])


def recorded(call):
    """The function after its recording, and what its program keeps packed."""
    function = gpunet.function(call)
    for _ in range(4):
        function(X)
    (recording,) = function._recordings.values()
    return function, recording.program._packings._kept


def check(model, predict):
    """A replay gives the bits of the eager run, and not what it gave before."""
    np.testing.assert_array_equal(predict(X).numpy(), model(X).numpy())


def test_both_kernels_are_kept_and_packed_once():
    model = network()
    predict, kept = recorded(model)
    assert [k.variable for k in kept] == [model.layers[0].kernel, model.layers[2].kernel]
    packed = []
    for k in kept:
        k._pack = lambda name=k.variable.path, pack=k._pack: (packed.append(name), pack())
    for _ in range(3):
        check(model, predict)
    assert packed == []
    model.layers[0].kernel.assign(model.layers[0].kernel * 2.0)
    for _ in range(3):
        check(model, predict)
    assert packed == [model.layers[0].kernel.path]


def _assign(model, _):
    model.layers[0].kernel.assign(-model.layers[0].kernel)


def _add(model, _):
    model.layers[2].kernel.assign_add(0.01)


def _subtract(model, _):
    model.layers[2].kernel.assign_sub(np.full((1, 512), 0.01, "float32"))


def _set_part(model, _):
    model.layers[2].kernel[0] = 1.0


def _set_weights(model, _):
    model.set_weights([w * 0.5 for w in model.get_weights()])


def _load_weights(model, folder):
    path = folder / "of_another.weights.h5"
    other = network()
    _set_weights(other, folder)
    other.save_weights(path)
    model.load_weights(path)


def _write_into_storage(model, _):
    kernel = model.layers[0].kernel
    kernel.array[...] += 0.25
    kernel.touched()


def _become_nan(model, _):
    model.layers[0].kernel[0] = np.nan


def _replay_an_assignment(model, _):
    grow = gpunet.function(lambda x: model.layers[2].kernel.assign_add(0.01) is None and x)
    for _ in range(5):
        before = grow._recordings and next(iter(grow._recordings.values())).program
        grow(X)
    assert before is not None


def _train(model, _):
    model.compile("sgd", "mse")
    for _ in range(5):
        model.train_on_batch(X, Y + 1)


def _train_with_another_optimizer(model, _):
    kernels = [model.layers[0].kernel, model.layers[2].kernel]
    for optimizer in (gpunet.optimizers.Adam(), gpunet.optimizers.SGD(0.1, momentum=0.9)):
        optimizer.apply([ops.ones_like(k) for k in kernels], kernels)


CHANGES = [
    _assign,
    _add,
    _subtract,
    _set_part,
    _set_weights,
    _load_weights,
    _write_into_storage,
    _become_nan,
    _replay_an_assignment,
    _train,
    _train_with_another_optimizer,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_no_replay_is_out_of_date(change, tmp_path):
    model = network()
    predict, kept = recorded(model)
    assert len(kept) == 2
    before = model(X).numpy()
    change(model, tmp_path)
    assert (model(X).numpy() != before).any()
    check(model, predict)


def test_a_layer_in_two_models_is_trained_in_one_and_used_in_both():
    first = network()
    second = gpunet.Sequential([layers.Input(X.shape[1:]), first.layers[0], layers.ReLU()])
    predictions = [recorded(model) for model in (first, second)]
    for _, kept in predictions:
        assert kept
    first.compile("adam", "mse")
    for _ in range(5):
        first.train_on_batch(X, Y)
        for model, (predict, _) in zip((first, second), predictions):
            check(model, predict)


def test_predictions_between_epochs_of_training():
    model = network()
    model.compile("adam", "mse")
    for _ in range(5):
        found = [model.predict_on_batch(X) for _ in range(4)]
        np.testing.assert_array_equal(found[0], model(X).numpy())
        np.testing.assert_array_equal(found[0], found[-1])
        model.fit(X, Y, batch_size=1, verbose=0)


def test_what_is_changed_in_the_recording_itself_is_packed_each_time():
    model = network()

    def step(x):
        y = model(x)
        model.layers[0].kernel.assign(model.layers[0].kernel * 1.5)
        return y

    predict, kept = recorded(step)
    assert [k.variable for k in kept] == [model.layers[2].kernel]
    for _ in range(3):
        expected = model(X).numpy()
        np.testing.assert_array_equal(predict(X).numpy(), expected)


def test_raw_arrays_are_never_kept():
    w = np.random.default_rng(1).standard_normal((300, 512)).astype("float32")
    x = np.random.default_rng(2).standard_normal((2, 300)).astype("float32")
    kernel = np.ones((3, 3, 3, 20), "float32")

    def call(images):
        return ops.add(ops.matmul(x, w), ops.sum(ops.conv(images, kernel)))

    predict, kept = recorded(call)
    assert kept == []
    for _ in range(3):
        w *= 2
        kernel -= 1
        np.testing.assert_array_equal(predict(X), call(X))


def test_threads_see_each_others_changes():
    model = network()
    predict, kept = recorded(model)
    assert kept
    kernel, found = model.layers[0].kernel, []
    for scale in (2.0, 0.5):
        other = threading.Thread(target=lambda s=scale: (kernel.assign(kernel * s), found.append(predict(X).numpy())))
        other.start()
        other.join()
        check(model, predict)
        np.testing.assert_array_equal(found[-1], model(X).numpy())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_and_its_parent_change_their_own():
    model = network()
    predict, kept = recorded(model)
    assert kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads
        child = os.fork()
    if child == 0:
        _add(model, None)
        alike = all(np.array_equal(predict(X).numpy(), model(X).numpy()) for _ in range(5))
        os._exit(0 if alike else 1)
    _assign(model, None)
    check(model, predict)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_packed_products_have_the_bits_of_plain_ones():
    """Eager runs multiply by weights as they lie in memory."""
    rng = np.random.default_rng(3)
    for rows, inner, columns in ((1, 512, 512), (3, 784, 512), (17, 1000, 1000), (50, 784, 128), (9, 2048, 300)):
        w = gpunet.Variable(rng.standard_normal((inner, columns)).astype("float32"))
        x = rng.standard_normal((rows, inner)).astype("float32")
        function = gpunet.function(lambda x, w=w: ops.matmul(x, w))
        for _ in range(5):
            np.testing.assert_array_equal(function(x).numpy(), ops.matmul(x, w).numpy())
