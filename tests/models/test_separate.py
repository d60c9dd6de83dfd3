"""What a trainer hands out belongs to the caller: predictions, and logs that a callback keeps."""

import numpy as np
import pytest

import gpunet
from gpunet import layers


@pytest.fixture
def flatten():
    return gpunet.Sequential([layers.Input((5,)), layers.Flatten()])


@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
def test_predictions_share_no_memory_with_the_data(flatten, method):
    x = np.ones((4, 5), "float32")
    for _ in range(5):
        found = getattr(flatten, method)(x, **({"verbose": 0} if method == "predict" else {}))
        found *= 2
        np.testing.assert_array_equal(x, 1)


def test_a_generator_may_use_one_array_again(flatten):
    def batches():
        batch = np.empty((2, 5), "float32")
        for i in range(6):
            batch[:] = i
            yield batch

    np.testing.assert_array_equal(flatten.predict(batches(), verbose=0)[:, 0], np.repeat(range(6), 2))


class Keeps(gpunet.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.kept = []

    def on_train_batch_end(self, batch, logs=None):
        self.kept.append(logs)


class Reads(Keeps):
    def on_train_batch_end(self, batch, logs=None):
        self.kept.append(float(logs["loss"]))


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_logs_that_a_callback_keeps_are_those_of_the_batch(steps_per_execution):
    x = np.random.default_rng(0).standard_normal((64, 5)).astype("float32")
    found = []
    for callback in (Keeps(), Reads()):
        gpunet.utils.set_random_seed(0)
        model = gpunet.Sequential([layers.Input((5,)), layers.Dense(1)])
        model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
        model.fit(x, x[:, :1], batch_size=8, verbose=0, callbacks=[callback])
        found.append([log if isinstance(log, float) else log["loss"] for log in callback.kept])
    assert found[0] == found[1]
    assert len(set(found[0])) > 1
