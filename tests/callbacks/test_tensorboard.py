"""Event files: the bytes that the format asks for, and what TensorBoard reads in them where it is installed."""

import struct
import zlib

import numpy as np
import pytest

import gpunet as keras
from gpunet import callbacks, layers
from gpunet.utils import event_file

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")


def model():
    stack = [keras.Input((4,)), layers.Dense(3, name="first"), layers.Dense(1, name="second")]
    made = keras.Sequential(stack, name="sequential")
    made.compile(keras.optimizers.SGD(0.125), "mse", metrics=["mae"])
    return made


def fit(*arguments, net=None, **options):
    net = net or model()
    board = callbacks.TensorBoard(*arguments, **options)
    return net.fit(X, X[:, :1], batch_size=4, epochs=2, verbose=0, validation_data=(X, X[:, :1]), callbacks=[board])


def records(folder):
    """The bytes of each record of the only event file in a folder."""
    (path,) = folder.glob("events.out.tfevents.*")
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == event_file._checksum(data[:8])
        found.append(data[12 : 12 + length])
        assert data[12 + length : 16 + length] == event_file._checksum(found[-1])
        data = data[16 + length :]
    return found


def test_checksums_and_numbers_are_those_of_the_format():
    def masked(crc):
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    assert event_file._checksum(b"123456789") == masked(0xE3069283)  # the check value of CRC-32C
    assert event_file._checksum(bytes(32)) == masked(0x8A9136AA)  # RFC 3720, B.4
    assert event_file.varint(300) == b"\xac\x02"
    assert event_file.field(2, "testing") == b"\x12\x07testing"
    assert event_file.field(1, 150) == b"\x08\x96\x01"


def test_a_file_is_a_sequence_of_whole_records(tmp_path):
    fit(tmp_path)
    found = records(tmp_path / "train")
    assert b"brain.Event:2" in found[0]
    assert b"graph_keras_model" in found[1]
    assert b"epoch_learning_rate" in found[2]
    assert struct.pack("<f", 0.125) in found[2]
    assert len(found) == 4
    assert sum(b"evaluation_loss_vs_iterations" in r for r in records(tmp_path / "validation")) == 2


def test_a_picture_is_a_png():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype("uint8")
    data = event_file.png(pixels)
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    rows = zlib.decompress(data[start + 4 : start + 4 + length])
    np.testing.assert_array_equal(np.frombuffer(rows, "uint8").reshape(5, 22)[:, 1:].reshape(5, 7, 3), pixels)


def test_nothing_is_written_before_it_is_needed(tmp_path):
    callbacks.TensorBoard(tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
    with pytest.raises(ValueError, match=r"Received: profile_batch=2 \(must be 0\)"):
        callbacks.TensorBoard(profile_batch=2)


def test_a_model_without_a_configuration_trains_with_a_warning(tmp_path):
    class Odd(layers.Layer):
        def __init__(self, thing):
            super().__init__()

        def call(self, x):
            return x

    net = keras.Sequential([keras.Input((4,)), Odd(object()), layers.Dense(1)])
    net.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="failed to serialize as JSON"):
        fit(tmp_path, net=net)
    assert len(records(tmp_path / "train")) == 3


def test_embeddings_for_the_projector(tmp_path):
    net = keras.Sequential([keras.Input((4,)), layers.Embedding(9, 2, name="words"), layers.Flatten(), layers.Dense(1)])
    net.compile("sgd", "mse")
    board = callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.tsv"})
    net.fit(np.abs(X).astype("int32"), X[:, :1], verbose=0, callbacks=[board])
    assert 'metadata_path: "words.tsv"' in (tmp_path / "projector_config.pbtxt").read_text()
    assert (tmp_path / "train" / "keras_embedding.ckpt-0.weights.h5").exists()
    board = callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"other": "words.tsv"})
    with pytest.raises(ValueError, match=r"Unrecognized `Embedding` layer names.*other"):
        net.fit(np.abs(X).astype("int32"), X[:, :1], verbose=0, callbacks=[board])


def test_tensorboard_reads_it(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    keras_util = pytest.importorskip("tensorboard.plugins.graph.keras_util")
    import json

    history = fit(tmp_path, histogram_freq=1, write_images=True, update_freq=2, write_steps_per_second=True).history
    training = event_accumulator.EventAccumulator(str(tmp_path / "train"))
    training.Reload()
    for name in ("loss", "mae"):
        np.testing.assert_allclose([e.value for e in training.Scalars(f"epoch_{name}")], history[name], rtol=1e-6)
    assert [e.value for e in training.Scalars("epoch_learning_rate")] == [0.125, 0.125]
    assert [e.step for e in training.Scalars("batch_loss")] == [2, 4, 6]
    assert all(e.value > 0 for e in training.Scalars("batch_steps_per_second"))
    distribution = training.Histograms("sequential/first/kernel/histogram")[-1].histogram_value
    assert (distribution.num, sum(distribution.bucket)) == (12, 12)
    assert training.Images("sequential/first/kernel/image/0")[0].width == 4
    description = training.Tensors("keras")[0].tensor_proto.string_val[0]
    graph = keras_util.keras_model_to_graph_def(json.loads(description))
    assert [node.name.split("/")[-1] for node in graph.node][1:] == ["first", "second"]
    validation = event_accumulator.EventAccumulator(str(tmp_path / "validation"))
    validation.Reload()
    np.testing.assert_allclose([e.value for e in validation.Scalars("epoch_loss")], history["val_loss"], rtol=1e-6)
    assert [e.step for e in validation.Scalars("evaluation_mae_vs_iterations")] == [3, 6]
