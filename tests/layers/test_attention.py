"""Attention of several heads: masks, dropout, errors."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 4, 6)).astype("float32")


def attention(**options):
    layer = layers.MultiHeadAttention(2, 3, **options)
    layer.build(X.shape, X.shape)
    return layer


def test_a_causal_step_does_not_see_later_ones():
    layer = attention()
    changed = X.copy()
    changed[:, 2:] += 1
    a, b = (np.asarray(layer(x, x, use_causal_mask=True)) for x in (X, changed))
    np.testing.assert_allclose(a[:, :2], b[:, :2], rtol=1e-6)
    assert np.abs(a[:, 2:] - b[:, 2:]).min() > 1e-4


def test_a_window_limits_what_a_step_sees():
    layer = attention(sliding_window=2)
    _, weights = layer(X, X, return_attention_scores=True)
    i, j = np.indices((4, 4))
    np.testing.assert_array_equal(np.asarray(weights) > 0, np.broadcast_to(np.abs(i - j) < 2, weights.shape))


def test_masks_of_the_inputs_are_used_and_passed_on():
    tokens = np.array([[1, 2, 0, 0], [3, 1, 2, 0]])
    embedded = layers.Embedding(4, 6, mask_zero=True)(tokens)
    layer = attention()
    y, weights = layer(embedded, embedded, return_attention_scores=True)
    np.testing.assert_array_equal(y._keras_mask, tokens != 0)
    valid = (tokens != 0)[:, None, :, None] & (tokens != 0)[:, None, None, :]
    np.testing.assert_array_equal(np.asarray(weights) > 0, np.broadcast_to(valid, weights.shape))
    given = layer(ops.copy(embedded), ops.copy(embedded), attention_mask=valid[:, 0])
    np.testing.assert_allclose(np.asarray(y)[tokens != 0], np.asarray(given)[tokens != 0], atol=1e-6)


def test_dropout_is_for_training_only_and_repeats_with_its_seed():
    a, b = attention(dropout=0.5, seed=3), attention(dropout=0.5, seed=3)
    b.set_weights(a.get_weights())
    np.testing.assert_array_equal(a(X, X, training=True), b(X, X, training=True))
    assert not np.array_equal(a(X, X), a(X, X, training=True))
    np.testing.assert_array_equal(a(X, X), b(X, X, training=False))


def test_activity_regularizer_is_of_the_projections():
    layer = attention(activity_regularizer="l2")
    layer(X, X)
    assert len(layer.losses) == 4
    assert layer.get_config()["activity_regularizer"]["class_name"] == "L2"


def test_grouped_heads_are_heads_with_repeated_keys():
    grouped = layers.GroupQueryAttention(3, 4, 2)
    full = layers.MultiHeadAttention(4, 3)
    expected = grouped(X, X)
    full(X, X)
    weights = grouped.get_weights()
    for i in (2, 4):
        weights[i] = np.repeat(weights[i], 2, axis=1)
        weights[i + 1] = np.repeat(weights[i + 1], 2, axis=0)
    full.set_weights(weights)
    np.testing.assert_allclose(full(X, X), expected, atol=1e-5)


def test_in_a_functional_model_with_scores():
    q, v = keras.Input((None, 6)), keras.Input((5, 6))
    y, weights = layers.MultiHeadAttention(2, 3)(q, v, return_attention_scores=True)
    assert (y.shape, weights.shape) == ((None, None, 6), (None, 2, None, 5))
    model = keras.Model([q, v], [y, weights])
    found = model.predict([X, X[:, :1].repeat(5, 1)], verbose=0)
    np.testing.assert_allclose(found[1], 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MultiHeadAttention(0, 3), "argument `num_heads`, expected a positive integer"),
        (lambda: layers.MultiHeadAttention(2, "3"), "argument `key_dim`, expected a positive integer"),
        (lambda: layers.MultiHeadAttention(2, 3, 0), "argument `value_dim`, expected a positive integer"),
        (lambda: layers.MultiHeadAttention(2, 3, output_shape=8.0), "Invalid `output_shape`"),
        (lambda: layers.GroupQueryAttention(3, 4, 2)(X, X, X[:, :2]), "except the last one, must be equal"),
        (lambda: layers.Attention()([X, X], mask=X), "layer mask must be a list"),
        (lambda: layers.Attention()([X, X], mask=[X[..., 0] > 0]), "mask list of length 2 or 3"),
        (lambda: layers.MultiHeadAttention(2, 3, output_shape="x"), "must be an int, list, or tuple"),
        (lambda: layers.MultiHeadAttention(2, 3, sliding_window=0), "positive integer"),
        (lambda: layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True), "Dropout is not supported"),
        (lambda: layers.MultiHeadAttention(2, 3)(X, X, X[:, :2]), "except the last one, must be equal"),
        (lambda: attention(flash_attention=True)(X, X, return_attention_scores=True), "attention scores"),
        (lambda: layers.GroupQueryAttention(3, 4, 3), "must be divisible"),
        (lambda: layers.GroupQueryAttention(3, 4, 2)(X, X[..., :2]), "must be equal, but are 6, 2"),
        (lambda: layers.EinsumDense("ab->b", 3)(X), "Invalid einsum equation"),
        (lambda: layers.EinsumDense("abc,cd->abe", (4, 2))(X), "no corresponding dim"),
        (lambda: layers.EinsumDense("abc,cde->abd", (4, 2))(X), "the weight must be fully specified"),
        (lambda: layers.EinsumDense("abc,cd->abd", (3, 2))(X), "do not match at shared dimension 'b'"),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 2), bias_axes="c")(X), "not part of the output"),
        (lambda: layers.EinsumDense("abc,cd->abd", 2)(X), "a size for each label"),
        (lambda: ops.dot_product_attention(X, X, X), "4D inputs"),
        (lambda: ops.dot_product_attention(X[None], X[None], X[None, :, :3]), r"expected a query \(batch, T"),
        (lambda: ops.dot_product_attention(X[None, :, :3], X[None, :, :2], X[None, :, :2]), "a multiple of"),
        (lambda: ops.dot_product_attention(*[X[None]] * 3, attn_logits_soft_cap=2.0), "TPUs"),
    ],
)
def test_errors_say_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()
