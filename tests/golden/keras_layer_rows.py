"""Layers that read the same in Keras and gpunet, with inputs to call them on.

`values(library)` builds each layer, gives it random weights, calls it and returns outputs, masks and what training
changed, by name. `make_keras_layer_rows.py` writes Keras's to a file.
"""

from __future__ import annotations

import collections
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class LayerRow:
    """A layer: its class, its arguments, and the shapes of its inputs.

    Arguments that are functions get the library and make the value. `highest` makes inputs of integers below it, `mask`
    is drawn for the first input's first axes, `call` are further arguments of the call.
    """

    layer: str
    shapes: list[tuple[int, ...]]
    arguments: dict[str, Any]
    call: dict[str, Any] = field(default_factory=dict)
    highest: int | None = None
    mask: tuple[int, ...] | None = None

    def _called(self, layer: Any, tensors: list, call: dict[str, Any]) -> Any:
        """Attention of several heads takes its inputs one by one."""
        several = "HeadAttention" in self.layer or "QueryAttention" in self.layer
        given = tensors if several else [tensors if len(tensors) > 1 else tensors[0]]
        return layer(*given, **call)

    def values(self, library: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
        """Outputs of two calls, the mask of the output, and weights that a call changed."""
        inputs = [self._input(rng, shape) for shape in self.shapes]
        layer = self.make(library)
        call = dict(self.call)
        if self.mask is not None:
            mask = rng.random(self.mask) < 0.6
            mask[:, 0] = True
            call["mask"] = library.ops.convert_to_tensor(mask)
        tensors = [library.ops.convert_to_tensor(x) for x in inputs]
        self._called(layer, tensors, call)  # builds it
        weights = [rng.uniform(0.1, 1.0, w.shape).astype("float32") for w in layer.get_weights()]
        layer.set_weights(weights)
        if getattr(layer, "stateful", False):
            layer.reset_state()
        for k in range(2):
            parts = library.tree.flatten(self._called(layer, tensors, call))
            for i, part in enumerate(parts):
                yield f"{k}/out{i}", part
            yield from _mask(parts[0], f"{k}/mask")
        for i, (before, after) in enumerate(zip(weights, layer.get_weights())):
            if not np.array_equal(before, after):
                yield f"weight{i}", after

    def make(self, library: Any) -> Any:
        """The layer, not built."""
        arguments = {k: v(library) if callable(v) else v for k, v in self.arguments.items()}
        return getattr(library.layers, self.layer)(**arguments)

    def _input(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if self.highest is None:
            return rng.standard_normal(shape).astype("float32")
        return rng.integers(0, self.highest, shape).astype("int32")


def _mask(y: Any, name: str) -> Iterator[tuple[str, Any]]:
    mask = getattr(y, "_keras_mask", None)
    if mask is not None:
        yield name, mask


def row(
    kind: str, /, *shapes: tuple[int, ...], call: Any = None, highest: int | None = None, mask: Any = None, **arguments
):
    """A row, in the order in which one reads it."""
    return LayerRow(kind, list(shapes), arguments, call or {}, highest, mask)


TRAINING = {"training": True}

SPECTRA = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
ROWS = [
    row("Conv1D", (2, 7, 3), filters=4, kernel_size=3),
    row("Conv1D", (2, 8, 4), filters=4, kernel_size=2, strides=2, padding="same", groups=2, activation="relu"),
    row("Conv1D", (2, 7, 3), filters=2, kernel_size=3, dilation_rate=2, padding="causal"),
    row("Conv1D", (2, 3, 7), filters=2, kernel_size=3, padding="causal", data_format="channels_first"),
    row("Conv3D", (1, 5, 4, 6, 2), filters=3, kernel_size=(2, 1, 3)),
    row("Conv3D", (1, 2, 5, 4, 6), filters=3, kernel_size=2, strides=2, padding="same", data_format="channels_first"),
    row("Conv1DTranspose", (2, 5, 3), filters=2, kernel_size=3, strides=2),
    row("Conv1DTranspose", (2, 5, 3), filters=2, kernel_size=4, strides=3, padding="same", activation="tanh"),
    row("Conv3DTranspose", (1, 3, 2, 4, 2), filters=3, kernel_size=2, strides=(1, 2, 2)),
    row(
        "Conv3DTranspose",
        (1, 2, 3, 2, 3),
        filters=2,
        kernel_size=3,
        strides=2,
        padding="same",
        data_format="channels_first",
    ),
    row("DepthwiseConv1D", (2, 8, 3), kernel_size=3, depth_multiplier=2, padding="same"),
    row("DepthwiseConv1D", (2, 3, 8), kernel_size=3, strides=2, data_format="channels_first", activation="relu"),
    row("DepthwiseConv2D", (2, 6, 5, 3), kernel_size=(3, 2), depth_multiplier=2),
    row("DepthwiseConv2D", (2, 6, 5, 3), kernel_size=3, strides=2, padding="same", use_bias=False),
    row("DepthwiseConv2D", (2, 3, 6, 5), kernel_size=2, data_format="channels_first"),
    row("SeparableConv1D", (2, 8, 3), filters=4, kernel_size=3, strides=2, padding="same", depth_multiplier=2),
    row("SeparableConv2D", (2, 6, 5, 3), filters=4, kernel_size=3, activation="relu"),
    row("SeparableConv2D", (2, 3, 6, 5), filters=2, kernel_size=2, depth_multiplier=2, data_format="channels_first"),
    row("LayerNormalization", (3, 4, 5)),
    row("LayerNormalization", (3, 4, 5), axis=[1, 2], epsilon=1e-2, center=False),
    row("LayerNormalization", (3, 4, 5), axis=1, scale=False),
    row("GroupNormalization", (2, 3, 4, 6), groups=3),
    row("GroupNormalization", (2, 6, 4), groups=2, axis=1, epsilon=1e-2),
    row("GroupNormalization", (2, 3, 4), groups=-1, center=False),
    row("RMSNormalization", (3, 4, 5)),
    row("RMSNormalization", (3, 4, 5), axis=[1, 2], epsilon=1e-2),
    row("UnitNormalization", (3, 4, 5)),
    row("UnitNormalization", (3, 4, 5), axis=[1, 2]),
    row("SpectralNormalization", (3, 4), layer=lambda k: k.layers.Dense(5, activation="tanh"), call=TRAINING),
    row(
        "SpectralNormalization", (1, 5, 4, 2), layer=lambda k: k.layers.Conv2D(3, 2), power_iterations=3, call=TRAINING
    ),
    row("SpectralNormalization", (3, 4), layer=lambda k: k.layers.Dense(5)),
    row("SpatialDropout1D", (2, 3, 4), rate=0.3),
    row("SpatialDropout2D", (2, 3, 4, 2), rate=0.3),
    row("SpatialDropout3D", (2, 3, 4, 2, 2), rate=0.3),
    row("GaussianNoise", (2, 3), stddev=0.3),
    row("GaussianDropout", (2, 3), rate=0.3),
    row("AlphaDropout", (2, 3), rate=0.3),
    row("ActivityRegularization", (2, 3), l1=0.3),
    row("LeakyReLU", (3, 4)),
    row("ELU", (3, 4), alpha=0.5),
    row("PReLU", (2, 3, 4)),
    row("PReLU", (2, 3, 4, 2), shared_axes=[1, 2]),
    row("Softmax", (2, 5), mask=(2, 5)),
    row("Identity", (2, 3)),
    row("Masking", (2, 3, 4), mask_value=0.1),
    row("Embedding", (2, 5), highest=6, input_dim=6, output_dim=3),
    row("Embedding", (2, 5), highest=6, input_dim=6, output_dim=3, mask_zero=True),
    row("SimpleRNN", (2, 5, 3), units=4),
    row("SimpleRNN", (2, 5, 3), units=4, activation="relu", use_bias=False, go_backwards=True, return_state=True),
    row("SimpleRNN", (2, 5, 3), units=4, mask=(2, 5), return_sequences=True),
    row("SimpleRNN", (2, 5, 3), units=4, dropout=0.3, recurrent_dropout=0.3, unroll=True),
    row("LSTM", (2, 5, 3), units=4),
    row("LSTM", (2, 5, 3), units=4, return_sequences=True, return_state=True, unit_forget_bias=False),
    row("LSTM", (2, 5, 3), units=4, return_sequences=True, return_state=True, go_backwards=True, mask=(2, 5)),
    row("LSTM", (2, 5, 3), units=4, mask=(2, 5), return_sequences=True, zero_output_for_mask=True),
    row("LSTM", (2, 5, 3), units=4, mask=(2, 5), return_state=True, use_bias=False),
    row("LSTM", (2, 5, 3), units=4, activation="relu", recurrent_activation="hard_sigmoid", implementation=1),
    row("LSTM", (2, 5, 3), units=4, recurrent_dropout=0.2, unroll=True, activity_regularizer="l2"),
    row("LSTM", (2, 5, 3), units=4, stateful=True),
    row("LSTM", (2, 5, 3), units=4, stateful=True, mask=(2, 5), return_sequences=True, return_state=True),
    row("GRU", (2, 5, 3), units=4),
    row("GRU", (2, 5, 3), units=4, return_sequences=True, return_state=True, reset_after=False),
    row("GRU", (2, 5, 3), units=4, go_backwards=True, mask=(2, 5), return_sequences=True),
    row("GRU", (2, 5, 3), units=4, use_bias=False, return_state=True, mask=(2, 5)),
    row("GRU", (2, 5, 3), units=4, reset_after=False, recurrent_dropout=0.2, implementation=1),
    row("GRU", (2, 5, 3), units=4, activation="softsign", recurrent_activation="hard_sigmoid", stateful=True),
    row("RNN", (2, 5, 3), cell=lambda k: k.layers.LSTMCell(4), return_sequences=True, mask=(2, 5)),
    row(
        "RNN",
        (2, 5, 3),
        cell=lambda k: [k.layers.GRUCell(3), k.layers.LSTMCell(4), k.layers.SimpleRNNCell(2)],
        return_state=True,
    ),
    row("RNN", (2, 5, 3), cell=lambda k: k.layers.StackedRNNCells([k.layers.GRUCell(3), k.layers.GRUCell(4)])),
    row("Bidirectional", (2, 5, 3), layer=lambda k: k.layers.LSTM(4)),
    row("Bidirectional", (2, 5, 3), layer=lambda k: k.layers.LSTM(4, return_sequences=True), mask=(2, 5)),
    row("Bidirectional", (2, 5, 3), layer=lambda k: k.layers.GRU(4, return_state=True), merge_mode="sum"),
    row("Bidirectional", (2, 5, 3), layer=lambda k: k.layers.GRU(4, return_sequences=True), merge_mode="mul"),
    row("Bidirectional", (2, 5, 3), layer=lambda k: k.layers.SimpleRNN(4), merge_mode="ave"),
    row(
        "Bidirectional",
        (2, 5, 3),
        layer=lambda k: k.layers.LSTM(4, return_sequences=True, return_state=True),
        merge_mode=None,
    ),
    row(
        "Bidirectional",
        (2, 5, 3),
        layer=lambda k: k.layers.LSTM(4, return_sequences=True),
        backward_layer=lambda k: k.layers.GRU(3, return_sequences=True, go_backwards=True),
        mask=(2, 5),
    ),
    row("ConvLSTM1D", (2, 3, 6, 2), filters=3, kernel_size=3),
    row("ConvLSTM1D", (2, 3, 2, 6), filters=3, kernel_size=2, data_format="channels_first", return_sequences=True),
    row("ConvLSTM2D", (2, 3, 5, 4, 2), filters=3, kernel_size=(3, 2), padding="same", return_state=True),
    row("ConvLSTM2D", (2, 3, 5, 4, 2), filters=3, kernel_size=2, strides=2, return_sequences=True),
    row("ConvLSTM2D", (2, 3, 2, 5, 4), filters=3, kernel_size=2, dilation_rate=2, data_format="channels_first"),
    row("ConvLSTM3D", (1, 2, 3, 4, 3, 2), filters=2, kernel_size=2, use_bias=False, go_backwards=True),
    row("TimeDistributed", (2, 3, 4), layer=lambda k: k.layers.Dense(5, activation="relu")),
    row("TimeDistributed", (2, 3, 4), layer=lambda k: k.layers.BatchNormalization(), call=TRAINING),
    row("TimeDistributed", (2, 3, 5, 5, 2), layer=lambda k: k.layers.Conv2D(3, 2)),
    row("Permute", (2, 3, 4, 5), dims=(2, 3, 1)),
    row("RepeatVector", (2, 3), n=4),
    row("ZeroPadding1D", (2, 3, 4)),
    row("ZeroPadding1D", (2, 3, 4), padding=(2, 0), data_format="channels_first"),
    row("ZeroPadding2D", (2, 3, 4, 2)),
    row("ZeroPadding2D", (2, 3, 4, 2), padding=((1, 0), (2, 3)), data_format="channels_first"),
    row("ZeroPadding3D", (1, 2, 3, 2, 2), padding=((1, 0), (0, 2), (1, 1))),
    row("Cropping1D", (2, 5, 2)),
    row("Cropping2D", (2, 5, 4, 2), cropping=((1, 0), (1, 2))),
    row("Cropping2D", (2, 3, 5, 4), cropping=1, data_format="channels_first"),
    row("Cropping3D", (1, 3, 4, 5, 2)),
    row("UpSampling1D", (2, 3, 4)),
    row("UpSampling2D", (2, 3, 4, 2), size=(2, 3), interpolation="bilinear"),
    row("AdaptiveAveragePooling1D", (2, 7, 3), output_size=3),
    row("AdaptiveAveragePooling2D", (2, 7, 5, 3), output_size=(3, 2)),
    row("AdaptiveAveragePooling3D", (1, 3, 4, 5, 2), output_size=2, data_format="channels_first"),
    row("AdaptiveMaxPooling1D", (2, 3, 7), output_size=4, data_format="channels_first"),
    row("AdaptiveMaxPooling2D", (2, 7, 5, 3), output_size=3),
    row("AdaptiveMaxPooling3D", (1, 3, 4, 5, 2), output_size=(2, 3, 1)),
    row("Rescaling", (2, 3, 4), scale=0.5, offset=1.0),
    row("Normalization", (2, 3, 4), axis=-1, mean=[0.0, 1.0, 2.0, 3.0], variance=[1.0, 2.0, 3.0, 4.0]),
    row("Normalization", (2, 3, 4), axis=None, mean=1.0, variance=4.0, invert=True),
    row("CategoryEncoding", (3, 4), highest=5, num_tokens=5),
    row("CategoryEncoding", (3, 4), highest=5, num_tokens=5, output_mode="count"),
    row("CategoryEncoding", (3, 1), highest=5, num_tokens=5, output_mode="one_hot"),
    row("Resizing", (2, 5, 6, 3), height=3, width=9),
    row("Resizing", (2, 5, 6, 3), height=3, width=9, interpolation="nearest", crop_to_aspect_ratio=True),
    row("Resizing", (2, 3, 5, 6), height=4, width=4, pad_to_aspect_ratio=True, data_format="channels_first"),
    row("CenterCrop", (2, 7, 6, 3), height=4, width=3),
    row("CenterCrop", (2, 7, 6, 3), height=9, width=4),
    row("AutoContrast", (2, 7, 6, 3), value_range=(-3, 3)),
    row("Equalization", (2, 7, 6, 3), value_range=(-3, 3), bins=32, call={"training": True}),
    row("UpSampling3D", (1, 2, 3, 2, 2), size=(2, 1, 3)),
    row("UpSampling3D", (1, 2, 3, 2, 2), data_format="channels_first"),
    row("Subtract", (2, 3), (2, 3)),
    row("Multiply", (2, 3, 4), (2, 1, 4), (2, 3, 4)),
    row("Average", (2, 3, 4), (2, 3, 4), (2, 3, 4)),
    row("Maximum", (2, 3), (2, 3), (2, 3)),
    row("Minimum", (2, 3, 4), (2, 3, 4)),
    row("Dot", (3, 4), (3, 4), axes=1),
    row("Dot", (3, 4), (3, 4), axes=-1, normalize=True),
    row("Dot", (2, 3, 4), (2, 5, 4), axes=2),
    row("Dot", (2, 3, 4), (2, 4), axes=(2, 1)),
    row("Dot", (2, 3, 4, 5), (2, 5, 3), axes=(1, 2)),
    row("Attention", (2, 3, 4), (2, 5, 4)),
    row("Attention", (2, 3, 4), (2, 5, 4), (2, 5, 4), use_scale=True, call={"use_causal_mask": True}),
    row("Attention", (2, 3, 4), (2, 5, 4), score_mode="concat", call={"return_attention_scores": True}),
    row("MultiHeadAttention", (2, 3, 4), (2, 5, 4), num_heads=2, key_dim=3),
    row(
        "MultiHeadAttention",
        (2, 3, 4),
        (2, 5, 4),
        (2, 5, 2),
        num_heads=2,
        key_dim=3,
        value_dim=5,
        output_shape=7,
        use_gate=True,
        call={"return_attention_scores": True, "use_causal_mask": True},
    ),
    row("MultiHeadAttention", (2, 6, 4), (2, 6, 4), num_heads=2, key_dim=3, sliding_window=2, use_bias=False),
    row("MultiHeadAttention", (2, 3, 5, 4), (2, 3, 5, 4), num_heads=2, key_dim=3, attention_axes=2),
    row("MultiHeadAttention", (2, 3, 2, 4), (2, 4, 2, 4), num_heads=2, key_dim=3, output_shape=(2, 3)),
    row("GroupQueryAttention", (2, 3, 4), (2, 5, 4), head_dim=3, num_query_heads=4, num_key_value_heads=2),
    row(
        "GroupQueryAttention",
        (2, 5, 4),
        (2, 5, 4),
        head_dim=3,
        num_query_heads=4,
        num_key_value_heads=1,
        use_gate=True,
        sliding_window=3,
        call={"return_attention_scores": True, "use_causal_mask": True},
    ),
    row("EinsumDense", (2, 3, 4), equation="abc,cde->abde", output_shape=(None, 2, 5), bias_axes="de"),
    row("EinsumDense", (2, 3, 4), equation="...x,xy->...y", output_shape=5, bias_axes="y", activation="relu"),
    row("EinsumDense", (2, 3, 4, 5), equation="abc...,bd->adc...", output_shape=(6, 4), bias_axes="d"),
    row("ReversibleEmbedding", (2, 5), highest=6, input_dim=6, output_dim=3, mask_zero=True),
    row("ReversibleEmbedding", (2, 5, 3), input_dim=6, output_dim=3, logit_soft_cap=2.0, call={"reverse": True}),
    row("ReversibleEmbedding", (2, 5, 3), input_dim=6, output_dim=3, tie_weights=False, call={"reverse": True}),
    row("AdditiveAttention", (2, 3, 4), (2, 5, 4)),
    row("AdditiveAttention", (2, 3, 4), (2, 5, 4), (2, 5, 4), use_scale=False),
    *(row("STFTSpectrogram", (2, 20, 2), mode=mode, frame_length=6, frame_step=2) for mode in SPECTRA),
    row("STFTSpectrogram", (2, 20, 2), frame_length=8, fft_length=16, padding="same", expand_dims=True),
    row("STFTSpectrogram", (2, 2, 20), frame_length=8, window="hamming", scaling=None, data_format="channels_first"),
    row("STFTSpectrogram", (2, 2, 20), frame_length=8, periodic=True, expand_dims=True, data_format="channels_first"),
    row("MelSpectrogram", (2, 60), fft_length=16, sequence_stride=5, num_mel_bins=4),
    row("MelSpectrogram", (60,), fft_length=16, sequence_length=12, window="hamming", num_mel_bins=4, mag_exp=1.0),
    row("MelSpectrogram", (2, 60), fft_length=32, num_mel_bins=5, max_freq=7000.0, power_to_db=False),
]


def named_rows() -> dict[str, LayerRow]:
    """Rows by the name of the layer and a number."""
    counts: collections.Counter[str] = collections.Counter()
    found = {}
    for r in ROWS:
        found[f"{r.layer}{counts[r.layer]}"] = r
        counts[r.layer] += 1
    return found


def array(x: Any) -> np.ndarray:
    """A NumPy copy of a tensor of either library."""
    x = x.detach() if hasattr(x, "detach") else x
    return np.array(x)


def values(name: str, r: LayerRow, library: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """What a library computes for a row."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return {f"{name}/{key}": array(value) for key, value in r.values(library, rng)}
