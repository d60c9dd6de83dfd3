"""Masks of Embedding, Masking and merging layers, and Lambda."""

import json

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops

A = np.array([[[1.0], [5.0], [0.0]]], "float32")
B = np.array([[[2.0], [0.0], [0.0]]], "float32")


def test_masking_zeroes_and_marks_missing_steps():
    y = layers.Masking(mask_value=5.0)(np.concatenate([A, B], 0))
    np.testing.assert_array_equal(y[0, :, 0], [1, 0, 0])
    np.testing.assert_array_equal(y._keras_mask, [[True, False, True], [True, True, True]])


def test_embedding_makes_a_mask_of_zeros():
    layer = layers.Embedding(4, 2, mask_zero=True, weights=np.arange(8.0).reshape(4, 2))
    y = layer(np.array([[3, 0]]))
    np.testing.assert_array_equal(y, [[[6, 7], [0, 1]]])
    np.testing.assert_array_equal(y._keras_mask, [[True, False]])
    with pytest.raises(ValueError, match="input_dim"):
        layers.Embedding(0, 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Multiply", [2, 5, 0]), ("Maximum", [2, 5, 0]), ("Minimum", [1, 5, 0]), ("Add", [3, 5, 0])],
)
def test_merging_leaves_masked_steps_out(name, expected):
    y = getattr(layers, name)()([layers.Masking()(A), layers.Masking()(B)])
    np.testing.assert_array_equal(y[0, :, 0], expected)
    np.testing.assert_array_equal(y._keras_mask, [[True, True, False]])
    assert getattr(getattr(layers, name)()([layers.Masking()(A), B]), "_keras_mask", None) is None


def test_merging_functions_and_their_errors():
    np.testing.assert_array_equal(layers.subtract([A, B]), A - B)
    np.testing.assert_array_equal(layers.average([A, B]), (A + B) / 2)
    with pytest.raises(ValueError, match="exactly 2 inputs"):
        layers.Subtract()([A, B, A])
    with pytest.raises(ValueError, match="one size along axes"):
        layers.Dot(1)([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(ValueError, match="not the batch"):
        layers.Dot(0)([np.ones((2, 3)), np.ones((2, 3))])


def test_time_distributed_gives_each_step_its_mask():
    class Seen(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x, mask=None):
            return x * ops.expand_dims(ops.cast(mask, x.dtype), -1)

    y = layers.TimeDistributed(Seen())(A, mask=np.array([[True, False, True]]))
    np.testing.assert_array_equal(y[0, :, 0], [1, 0, 0])
    with pytest.raises(ValueError, match="batch size and timesteps"):
        layers.TimeDistributed(Seen())(A, mask=np.ones((1, 2), bool))


@keras.utils.register_keras_serializable(package="Tests")
def scaled(x, factor=1.0, training=None):
    return x * (factor if training else 1.0)


def test_lambda_passes_arguments_and_training():
    layer = layers.Lambda(scaled, arguments={"factor": 3.0})
    np.testing.assert_array_equal(layer(A, training=True), 3 * A)
    np.testing.assert_array_equal(layer(A), A)
    copy = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    np.testing.assert_array_equal(copy(A, training=True), 3 * A)
    assert layers.Lambda(lambda x: ops.sum(x, 1))(keras.Input((None, 4))).shape == (None, 4)


def test_a_python_lambda_is_read_only_where_code_is_allowed():
    shift = 0.5
    layer = layers.Lambda(lambda x, factor=3.0: factor * x + ops.relu(shift), arguments={"factor": 2.0})
    config = json.loads(json.dumps(layer.get_config()))
    with pytest.raises(ValueError, match="safe_mode=False"):
        layers.Lambda.from_config(config)
    np.testing.assert_array_equal(layers.Lambda.from_config(config, safe_mode=False)(A), 2 * A + 0.5)
    whole = json.loads(json.dumps(layers.serialize(layer)))
    np.testing.assert_array_equal(keras.saving.deserialize_keras_object(whole, safe_mode=False)(A), 2 * A + 0.5)


def test_what_a_python_lambda_holds_must_be_plain():
    held = object()
    with pytest.raises(TypeError, match="register"):
        layers.Lambda(lambda x: (held, x)[1]).get_config()


@pytest.mark.parametrize("code", ["4wEA", "", "aQUAAAA=", 7])
def test_damaged_code_is_refused(code):
    config = {"function": {"class_name": "__lambda__", "config": {"code": code}}, "name": "bad"}
    with pytest.raises(ValueError, match="code of a"):
        layers.Lambda.from_config(config, safe_mode=False)


def test_a_lambda_is_the_users_code():
    calls = []
    model = keras.Sequential([layers.Input((3,)), layers.Lambda(lambda x: calls.append(1) or 2 * x), layers.Dense(1)])
    model.compile("sgd", "mse")
    calls.clear()
    model.fit(np.ones((32, 3), "float32"), np.ones((32, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    assert len(calls) >= 8


def test_randomized_leaky_relu_draws_slopes_while_training():
    layer = layers.RandomizedLeakyReLU(0.1, 0.3, seed=1)
    x = -np.ones((50, 40), "float32")
    np.testing.assert_allclose(layer(x), 0.2 * x, rtol=1e-6)
    slopes = -layer(x, training=True).numpy()
    assert 0.1 <= slopes.min() < 0.11
    assert 0.29 < slopes.max() < 0.3
    with pytest.raises(ValueError, match="slopes need"):
        layers.RandomizedLeakyReLU(0.3, 0.1)


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_attention_looks_at_no_masked_step(name):
    rng = np.random.default_rng(0)
    q, v = rng.standard_normal((2, 3, 4)).astype("float32"), rng.standard_normal((2, 5, 4)).astype("float32")
    masks = [np.array([[True, True, False]] * 2), np.array([[True, True, True, False, False]] * 2)]
    layer = getattr(layers, name)()
    y, weights = layer([q, v], mask=masks, return_attention_scores=True)
    np.testing.assert_allclose(y[:, :2], layer([q[:, :2], v[:, :3]]), rtol=1e-5, atol=1e-6)
    assert not y[:, 2].numpy().any()
    assert not weights[..., 3:].numpy().any()
    np.testing.assert_array_equal(y._keras_mask, masks[0])
    with pytest.raises(ValueError, match="query, value, key"):
        layer(q)
