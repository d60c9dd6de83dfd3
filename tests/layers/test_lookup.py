"""Layers of texts and categories: what tests/golden/keras_text does not compare with Keras."""

import json
import zipfile

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.testing import emulated_gpu

MAKE = {
    "StringLookup": (lambda: layers.StringLookup(vocabulary=["a", "b"]), np.array([["a", "x"]])),
    "IntegerLookup": (lambda: layers.IntegerLookup(vocabulary=[4, 6]), np.array([[6, 1]])),
    "TextVectorization": (lambda: layers.TextVectorization(vocabulary=["a", "b"]), ["b a", "x"]),
    "Hashing": (lambda: layers.Hashing(5, salt=3), np.array([[4, 6]])),
    "HashedCrossing": (lambda: layers.HashedCrossing(5), (np.array([1, 2]), np.array(["a", "b"]))),
}


@pytest.mark.parametrize("name", MAKE)
def test_configuration_makes_an_equal_layer(name):
    make, inputs = MAKE[name]
    layer = make()
    copy = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert copy.get_config() == layer.get_config()
    np.testing.assert_array_equal(copy(inputs), layer(inputs))
    assert name in layers.catalog.entries


@pytest.mark.parametrize("name", MAKE)
def test_results_are_tensors_on_the_default_device(name):
    make, inputs = MAKE[name]
    with emulated_gpu() as gpu:
        assert make()(inputs).device == gpu


def _model(lookup):
    inputs = keras.Input((3,), dtype="int64")
    x = layers.Embedding(8, 2)(lookup(inputs))
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))
    model.compile("sgd", "mse")
    return model


def test_a_model_with_a_lookup_trains_and_goes_through_a_file(tmp_path):
    keras.set_random_seed(0)
    numbers = np.array([[5, 7, -3], [7, 7, 100], [0, 5, 12], [5, 5, 5]])
    lookup = layers.IntegerLookup(num_oov_indices=2)
    lookup.adapt(numbers)
    model = _model(lookup)
    history = model.fit(numbers, np.arange(4.0), epochs=20, batch_size=2, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.summary() is None
    path = tmp_path / "model.keras"
    model.save(path)
    other = keras.models.load_model(path)
    np.testing.assert_array_equal(other.predict(numbers, verbose=0), model.predict(numbers, verbose=0))
    assert other.layers[1].get_vocabulary() == lookup.get_vocabulary()
    assert not other.metrics or all(m.name == "loss" for m in other.metrics)


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_files_of_a_text_layer(mode, tmp_path):
    layer = layers.TextVectorization(output_mode=mode)
    layer.adapt(["the cat", "the dog sat"])
    copy = layers.TextVectorization.from_config(layer.get_config())
    arrays = {}
    layer.save_own_variables(arrays)
    layer.save_assets(tmp_path)
    copy.load_own_variables(arrays)
    copy.load_assets(tmp_path)
    assert (tmp_path / "vocabulary.txt").read_text(encoding="utf-8").split("\n") == layer.get_vocabulary()
    np.testing.assert_array_equal(copy(["the dog", "a cat"]), layer(["the dog", "a cat"]))


def test_a_configuration_cannot_read_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n")
    layer = layers.StringLookup(vocabulary=str(path))
    np.testing.assert_array_equal(layer(["b", "a"]), [2, 1])
    assert layer.get_config()["vocabulary"] is None
    for kind in ("StringLookup", "TextVectorization"):
        config = {"class_name": kind, "config": {"vocabulary": str(path)}, "module": "keras.layers"}
        with pytest.raises(ValueError, match="Requested the loading of a vocabulary file outside"):
            layers.deserialize(config)
    with pytest.raises(ValueError, match="does not exist"):
        layers.StringLookup(vocabulary=str(tmp_path / "nothing.txt"))


def test_the_file_in_an_archive_is_keras_s(tmp_path):
    lookup = layers.IntegerLookup()
    lookup.adapt([[3, 4, 4]])
    _model(lookup).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert archive.read("assets/layers/integer_lookup/vocabulary.txt").decode() == "-1\n4\n3"


def test_words_of_one_s_own():
    layer = layers.TextVectorization(
        standardize=lambda x: np.char.upper(x), split=lambda x: [text.split(",") for text in x]
    )
    layer.adapt(np.array(["a,b", "b,c,b"]))
    assert layer.get_vocabulary() == ["", "[UNK]", "B", "C", "A"]
    np.testing.assert_array_equal(layer(["a,q"]), [[4, 1]])


def test_batches_and_rows_of_different_lengths():
    layer = layers.StringLookup()
    layer.adapt((batch for batch in (["a", "b"], ["b"], ["z"])), steps=2)
    assert layer.get_vocabulary() == ["[UNK]", "b", "a"]
    np.testing.assert_array_equal(layer([["a"], ["b", "z", "a"]]), [[2, 0, 0], [1, 0, 2]])
    inverse = layers.StringLookup(vocabulary=layer.get_vocabulary(), invert=True)
    assert inverse(np.array([1, 2, 0])).tolist() == ["b", "a", "[UNK]"]
    np.testing.assert_array_equal(layers.StringLookup(vocabulary=["ä"])([b"\xc3\xa4", b"a"]), [1, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.StringLookup(max_tokens=1), "`max_tokens` must be greater than 1"),
        (lambda: layers.StringLookup(pad_to_max_tokens=True), "must set `max_tokens`"),
        (lambda: layers.StringLookup(num_oov_indices=-1), "greater than or equal to 0"),
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), r"repeated terms are: \['a'\]"),
        (lambda: layers.StringLookup(vocabulary=["a", ""], mask_token=""), "reserved mask token"),
        (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "larger than the maximum vocab size"),
        (lambda: layers.StringLookup(vocabulary=[]), "Cannot set an empty vocabulary"),
        (lambda: layers.StringLookup(invert=True, output_mode="count"), "must be `'int'` when `invert`"),
        (lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1.0]), "`idf_weights` should only be set"),
        (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), "`idf_weights` must be set"),
        (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]), r"found OOV values \['b'\]"),
        (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["a"]), "Cannot adapt layer"),
        (lambda: layers.StringLookup(salt="x"), "can only be a tuple of 2 integers"),
        (lambda: layers.StringLookup(output_mode="vector"), "output_mode"),
        (lambda: layers.IntegerLookup(salt=3), "only be used when `oov_method='farmhash'`"),
        (lambda: layers.IntegerLookup(vocabulary_dtype="int32"), "Only `vocabulary_dtype='int64'`"),
        (lambda: layers.TextVectorization(ngrams="2"), "`ngrams` must be None"),
        (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3), "output_sequence_length"),
        (lambda: layers.TextVectorization()(np.array([["a", "b"]])), "last shape dimension must be 1"),
        (lambda: layers.Hashing(0), "non-positive values. Received: num_bins=0"),
        (lambda: layers.Hashing(3, dtype="float32"), "should be an integer type"),
        (lambda: layers.HashedCrossing(3)((np.array([1]),)), "at least two inputs"),
        (lambda: layers.HashedCrossing(3)((np.array([1]), np.array([1.5]))), "integer or string dtype"),
        (lambda: layers.HashedCrossing(3)((np.ones((2, 2), int),) * 2), "should have shape"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_wrong_kinds():
    with pytest.raises(TypeError, match="StringLookup expected texts. Received: an array of int64"):
        layers.StringLookup(vocabulary=["a"])(np.array([1]))
    with pytest.raises(TypeError, match="expected integers. Received: an array of <U1"):
        layers.IntegerLookup(vocabulary=[1])(np.array(["a"]))
    with pytest.raises(TypeError, match="expected texts. Received: 3"):
        layers.TextVectorization()(np.array(["a", 3], object))
    with pytest.raises(RuntimeError, match="you must set the layer's vocabulary before calling it"):
        layers.StringLookup(output_mode="count")(["a"])
