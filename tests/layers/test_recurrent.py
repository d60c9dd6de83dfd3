"""Recurrent layers: masks, states, cells of one's own, dropout masks, and steps that are recorded."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops
from gpunet.layers.recurrent.cell import RecurrentCell

X = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32")
LAYERS = [
    lambda **options: layers.SimpleRNN(5, **options),
    lambda **options: layers.LSTM(5, **options),
    lambda **options: layers.GRU(5, **options),
    lambda **options: layers.GRU(5, reset_after=False, **options),
]
each = pytest.mark.parametrize("make", LAYERS, ids=["simple", "lstm", "gru", "gru-before"])


class Minimal(layers.Layer):
    """A cell as people write it."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        output = ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel)
        return output, [output]

    def get_config(self):
        return super().get_config() | {"units": self.units}


@each
def test_masked_steps_are_as_if_they_were_not_there(make):
    layer = make(return_state=True, return_sequences=True)
    shorter = X[:1, [0, 2, 3]]
    expected = layer(shorter)
    mask = np.array([[True, False, True, True, False, False]])
    longer = layer(X[:1, [0, 5, 2, 3, 1, 1]], mask=mask)
    np.testing.assert_allclose(longer[0].numpy()[:, mask[0]], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(longer[0][:, 1], longer[0][:, 0])  # the output before
    for a, b in zip(longer[1:], expected[1:]):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@each
def test_masked_outputs_are_zero_at_first_or_on_request(make):
    layer = make(return_sequences=True)
    mask = np.array([[False, True, False]])
    states = [np.ones((1, 5), "float32")] * (2 if isinstance(layer, layers.LSTM) else 1)
    y = layer(X[:1, :3], mask=mask, initial_state=states).numpy()
    assert (y[:, 0] == 0).all()
    np.testing.assert_array_equal(y[:, 2], y[:, 1])
    zeroing = make(return_sequences=True, zero_output_for_mask=True)
    zeroing(X)
    zeroing.set_weights(layer.get_weights())
    z = zeroing(X[:1, :3], mask=mask, initial_state=states).numpy()
    assert (z[:, [0, 2]] == 0).all()
    np.testing.assert_array_equal(z[:, 1], y[:, 1])


def test_masks_of_convolutional_cells():
    x = np.random.default_rng(1).standard_normal((2, 3, 5, 4, 2)).astype("float32")
    layer = layers.ConvLSTM2D(3, 2)
    expected = layer(x[:, [0, 2]])
    found = layer(x, mask=np.array([[True, False, True]] * 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@each
def test_backwards_is_forwards_on_the_reversed_sequence(make):
    forward, backward = make(return_sequences=True), make(return_sequences=True, go_backwards=True)
    forward(X), backward(X)
    backward.set_weights(forward.get_weights())
    np.testing.assert_allclose(backward(X), forward(X[:, ::-1].copy()), rtol=1e-6, atol=1e-6)


@each
def test_a_sequence_in_two_parts(make):
    whole, stateful = make(), make(stateful=True)
    expected = whole(X)
    stateful(X[:, :2])
    stateful.set_weights(whole.get_weights())
    stateful.reset_state()
    stateful(X[:, :2])
    np.testing.assert_allclose(stateful(X[:, 2:]), expected, rtol=1e-5, atol=1e-6)
    stateful.reset_state()
    assert all((s.numpy() == 0).all() for s in stateful.states)
    assert len(stateful.weights) == len(whole.weights)
    with pytest.raises(ValueError, match="Received batch size: 2"):
        stateful(X[:2])
    split = make(return_state=True)
    split(X)
    split.set_weights(whole.get_weights())
    _, *states = split(X[:, :2])
    np.testing.assert_allclose(split(X[:, 2:], initial_state=states)[0], expected, rtol=1e-5, atol=1e-6)


def test_a_stateful_layer_needs_the_batch_size():
    with pytest.raises(ValueError, match="batch size must be static"):
        layers.LSTM(3, stateful=True)(keras.Input((4, 2)))
    layers.LSTM(3, stateful=True)(keras.Input(batch_shape=(2, 4, 2)))


def test_a_cell_of_ones_own():
    layer = layers.RNN(Minimal(3), return_sequences=True)
    y = layer(X)
    kernel, recurrent = layer.get_weights()
    state, expected = np.zeros((3, 3)), []
    for t in range(X.shape[1]):
        state = X[:, t] @ kernel + state @ recurrent
        expected.append(state)
    np.testing.assert_allclose(y, np.stack(expected, 1), rtol=1e-4, atol=1e-5)
    stacked = layers.RNN([Minimal(3), layers.LSTMCell(2)])
    assert stacked(X).shape == (3, 2)
    with keras.saving.custom_object_scope({"Minimal": Minimal}):
        copy = layers.deserialize(layers.serialize(layer))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(X), y)


def test_a_cell_that_changes_what_a_cell_does():
    class Doubled(layers.GRUCell):
        def call(self, inputs, states, training=False):
            h, states = super().call(inputs, states, training=training)
            return 2 * h, states

    layer = layers.RNN(Doubled(3))
    plain = layers.GRU(3)
    plain(X), layer(X)
    layer.set_weights(plain.get_weights())
    np.testing.assert_allclose(layer(X), 2 * plain(X).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_cells_by_themselves(name):
    cell = getattr(layers, name)(3, dropout=0.5, recurrent_dropout=0.5, seed=1)
    states = cell.get_initial_state(3)
    y, new = cell(ops.convert_to_tensor(X[:, 0]), states)
    assert y.shape == (3, 3)
    assert len(new) == len(states)
    first = cell.get_dropout_mask(ops.convert_to_tensor(X[:, 0]))
    assert cell.get_dropout_mask(ops.convert_to_tensor(X[:, 1])) is first
    cell.reset_dropout_mask()
    assert cell.get_dropout_mask(ops.convert_to_tensor(X[:, 0])) is not first
    copy = layers.deserialize(layers.serialize(cell))
    assert copy.get_config() == cell.get_config()
    symbolic, _ = cell(keras.Input((4,)), [keras.Input((3,)) for _ in states])
    assert symbolic.shape == (None, 3)


@each
def test_dropout_masks_are_the_same_for_all_steps(make):
    layer = make(dropout=0.5, recurrent_dropout=0.5, seed=3, return_sequences=True)
    layer(X)
    ones = np.ones((1, 6, 4), "float32")
    cell = layer.cell
    cell.recurrent_kernel.assign(np.zeros_like(cell.recurrent_kernel))
    if isinstance(layer, layers.LSTM):
        projected = cell.project(ops.convert_to_tensor(ones.swapaxes(0, 1)), True).numpy()
        assert (projected == projected[:1]).all()
        cell.reset_dropout_mask()
        other = cell.project(ops.convert_to_tensor(ones.swapaxes(0, 1)), True).numpy()
        assert (other != projected).any()
        cell.reset_dropout_mask()
    else:
        assert layer(ones, training=True).shape == (1, 6, 5)
    np.testing.assert_array_equal(layer(X), layer(X))  # nothing is dropped in inference
    assert isinstance(cell, RecurrentCell)


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
def test_directions_are_merged(merge):
    layer = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode=merge)
    y = layer(X)
    forward = layer.forward_layer(X).numpy()
    backward = layer.backward_layer(X).numpy()[:, ::-1]
    if merge is None:
        np.testing.assert_array_equal(y[0], forward)
        np.testing.assert_array_equal(y[1], backward)
        return
    merged = {
        "concat": np.concatenate([forward, backward], -1),
        "sum": forward + backward,
        "mul": forward * backward,
        "ave": (forward + backward) / 2,
    }
    np.testing.assert_allclose(y, merged[merge], rtol=1e-6)
    assert layer.compute_output_shape((None, 6, 4)) == (None, *y.shape[1:])


def test_states_and_names_of_both_directions():
    layer = layers.Bidirectional(layers.LSTM(3, return_state=True), name="both")
    y, *states = layer(X)
    assert [s.shape for s in states] == [(3, 3)] * 4
    again, *_ = layer(X, initial_state=states)
    assert not np.allclose(again, y)
    paths = [w.path for w in layer.weights]
    assert paths[0].startswith("both/forward_lstm")
    assert paths[0].endswith("lstm_cell/kernel")
    assert paths[3].startswith("both/backward_lstm")
    with pytest.raises(ValueError, match="go_backwards"):
        layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3))
    with pytest.raises(ValueError, match="Invalid merge mode"):
        layers.Bidirectional(layers.GRU(3), merge_mode="max")
    with pytest.raises(AttributeError, match="stateful"):
        layer.reset_state()


def test_masks_go_through_layers_that_return_sequences():
    tokens = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    embedded = layers.Embedding(6, 3, mask_zero=True)(tokens)
    for layer in (
        layers.LSTM(4, return_sequences=True),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.GRU(4, return_sequences=True, return_state=True),
        layers.TimeDistributed(layers.Dense(2)),
    ):
        y = layer(embedded)
        y = y[0] if isinstance(y, tuple) else y
        np.testing.assert_array_equal(y._keras_mask, tokens != 0)
    assert getattr(layers.LSTM(4)(embedded), "_keras_mask", None) is None


def test_the_length_may_be_unknown():
    x = keras.Input((None, 4))
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    assert y.shape == (None, None, 6)
    model = keras.Model(x, layers.GRU(2)(y))
    assert model.predict(X, verbose=0).shape == (3, 2)
    assert model.predict(X[:, :2], verbose=0).shape == (3, 2)

    class Inside(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = layers.RNN(Minimal(3), return_sequences=True)

        def call(self, inputs):
            return self.rnn(inputs)

    assert Inside()(x).shape == (None, None, 3)


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("expected a positive integer", lambda: layers.LSTM(0)),
        ("use_cudnn", lambda: layers.GRU(3, use_cudnn="never")),
        ("`call` method", lambda: layers.RNN(3)),
        ("state_size", lambda: layers.RNN(layers.Dense(3))),
        ("All cells should", lambda: layers.StackedRNNCells([3])),
        ("not compatible", lambda: layers.ConvLSTM1D(3, 2, strides=2, dilation_rate=2)),
        ("at least one time step", lambda: layers.RNN(Minimal(3))(X[:, :0])),
    ],
)
def test_bad_arguments(message, make):
    with pytest.raises(ValueError, match=message):
        make()


@each
def test_recorded_training_has_the_bits_of_eager_training(make):
    def trained(**options):
        keras.set_random_seed(3)
        inputs = keras.Input((6, 4))
        h = layers.Masking()(inputs)
        h = layers.Bidirectional(make(return_sequences=True, dropout=0.2))(h)
        model = keras.Model(inputs, layers.Dense(2)(make(recurrent_dropout=0.1)(h)))
        model.compile("adam", "mse", **options)
        x, y = np.tile(X, (8, 1, 1)), np.zeros((24, 2), "float32")
        x[::2, 4:] = 0
        model.fit(x, y, batch_size=6, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    for a, b in zip(trained(run_eagerly=True), trained(jit_compile=True)):
        np.testing.assert_array_equal(a, b)


def test_a_stateful_model_is_recorded_with_its_states():
    def trained(**options):
        keras.set_random_seed(3)
        model = keras.Sequential([keras.Input(batch_shape=(3, 2, 4)), layers.LSTM(3, stateful=True), layers.Dense(1)])
        model.compile("sgd", "mse", **options)
        for _ in range(3):
            for t in range(3):
                model.train_on_batch(X[:, 2 * t : 2 * t + 2], np.zeros((3, 1), "float32"))
            model.layers[0].reset_state()
        return [*model.get_weights(), model.predict(X[:, :2], verbose=0), *map(np.asarray, model.layers[0].states)]

    for a, b in zip(trained(run_eagerly=True), trained(jit_compile=True)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "go_backwards": True}, {"dropout": 0.4, "seed": 2}])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_fused_op_is_what_the_steps_are(kind, options, masked):
    make = getattr(layers, kind)
    fused, stepwise = make(5, use_cudnn=True, **options), make(5, use_cudnn=False, **options)
    fused(X), stepwise(X)
    stepwise.set_weights(fused.get_weights())
    mask = np.random.default_rng(2).random(X.shape[:2]) < 0.6 if masked else None
    found = []
    for layer in (fused, stepwise):
        x = ops.convert_to_tensor(X)
        with keras.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, mask=mask, training=True)
            loss = ops.sum(ops.sin(y))
        found.append([y, *tape.gradient(loss, [x, *layer.trainable_weights])])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="use_cudnn=True"):
        make(5, use_cudnn=True, activation="relu")(X)
