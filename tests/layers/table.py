"""What `test_every_layer` runs on: (layer, arguments, shapes of one sample of each input).

An argument that is itself a layer is given as a function that makes it.
"""

from typing import Any

from gpunet import activations, layers


class Indices(tuple):
    """The shape of an input of small integers."""


SEVERAL = {"MultiHeadAttention", "GroupQueryAttention"}  # take their inputs one by one, not as a list


def call(layer: Any, inputs: Any, **options: Any) -> Any:
    """The layer's outputs for an input, or for a list of them."""
    several = type(layer) in {getattr(layers, name) for name in SEVERAL}
    return layer(*inputs, **options) if several else layer(inputs, **options)


IMAGE = (7, 6, 4)
VOLUME = (4, 5, 3, 2)
TABLE: list[tuple[str, dict[str, Any], list[tuple[int, ...]]]] = [
    ("Dense", {"units": 5, "activation": "relu", "kernel_regularizer": "l2"}, [(4,)]),
    ("Dense", {"units": 5, "use_bias": False, "kernel_initializer": "he_normal"}, [(3, 4)]),
    ("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (None, 2, 5), "bias_axes": "de"}, [(3, 4)]),
    ("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 3, "activation": "tanh"}, [(3, 4)]),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "kernel_constraint": "max_norm"}, [IMAGE]),
    ("Conv2D", {"filters": 4, "kernel_size": (2, 3), "strides": 2, "padding": "same", "groups": 2}, [IMAGE]),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "data_format": "channels_first"}, [IMAGE]),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, [IMAGE]),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": (2, 3), "output_padding": 1}, [IMAGE]),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "data_format": "channels_first"}, [IMAGE]),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "causal"}, [(7, 4)]),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "groups": 2, "data_format": "channels_first"}, [(4, 7)]),
    ("Conv3D", {"filters": 3, "kernel_size": (2, 3, 1), "activation": "relu"}, [VOLUME]),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, [(5, 4)]),
    ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": (1, 2, 1), "padding": "same"}, [VOLUME]),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"}, [(7, 4)]),
    ("DepthwiseConv2D", {"kernel_size": 3, "strides": 2, "padding": "same", "depthwise_regularizer": "l2"}, [IMAGE]),
    ("DepthwiseConv2D", {"kernel_size": 2, "data_format": "channels_first"}, [IMAGE]),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 3, "padding": "same"}, [(7, 4)]),
    ("SeparableConv2D", {"filters": 3, "kernel_size": (3, 2), "depth_multiplier": 2}, [IMAGE]),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, [IMAGE]),
    ("MaxPooling2D", {"data_format": "channels_first"}, [IMAGE]),
    ("AveragePooling2D", {"pool_size": (3, 2)}, [IMAGE]),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, [(7, 4)]),
    ("MaxPooling3D", {"pool_size": (2, 3, 1)}, [VOLUME]),
    ("MinPooling1D", {"data_format": "channels_first"}, [(3, 7)]),
    ("MinPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, [IMAGE]),
    ("MinPooling2D", {"data_format": "channels_first"}, [IMAGE]),
    ("MinPooling3D", {"pool_size": 2, "padding": "same"}, [VOLUME]),
    ("AveragePooling1D", {"pool_size": 2}, [(7, 4)]),
    ("AveragePooling3D", {"data_format": "channels_first"}, [VOLUME]),
    ("GlobalAveragePooling1D", {}, [(7, 4)]),
    ("GlobalAveragePooling2D", {}, [IMAGE]),
    ("GlobalAveragePooling3D", {"keepdims": True}, [VOLUME]),
    ("GlobalMaxPooling1D", {"data_format": "channels_first"}, [(7, 4)]),
    ("GlobalMaxPooling2D", {"keepdims": True}, [IMAGE]),
    ("GlobalMaxPooling3D", {}, [VOLUME]),
    ("GlobalAveragePooling2D", {"keepdims": True, "data_format": "channels_first"}, [IMAGE]),
    ("BatchNormalization", {"momentum": 0.5, "beta_initializer": "ones"}, [IMAGE]),
    ("BatchNormalization", {"axis": 1, "center": False}, [IMAGE]),
    ("LayerNormalization", {"epsilon": 1e-2, "gamma_regularizer": "l2"}, [IMAGE]),
    ("LayerNormalization", {"axis": [-2, -1], "center": False}, [(3, 4)]),
    ("GroupNormalization", {"groups": 2}, [IMAGE]),
    ("GroupNormalization", {"groups": -1, "axis": 1, "scale": False}, [IMAGE]),
    ("RMSNormalization", {"epsilon": 1e-3}, [IMAGE]),
    ("UnitNormalization", {"axis": 1}, [IMAGE]),
    ("SpectralNormalization", {"layer": lambda **dtype: layers.Conv2D(3, 2, **dtype), "power_iterations": 2}, [IMAGE]),
    ("Flatten", {}, [IMAGE]),
    ("Flatten", {"data_format": "channels_first"}, [IMAGE]),
    ("Reshape", {"target_shape": (6, -1)}, [IMAGE]),
    ("Dropout", {"rate": 0.3, "noise_shape": (None, 1), "seed": 3}, [(4,)]),
    ("Dropout", {"rate": 0.3, "mode": "expectation"}, [(4,)]),
    ("SpatialDropout1D", {"rate": 0.4, "seed": 3}, [(5, 4)]),
    ("SpatialDropout2D", {"rate": 0.4, "data_format": "channels_first"}, [IMAGE]),
    ("SpatialDropout3D", {"rate": 0.4}, [VOLUME]),
    ("GaussianNoise", {"stddev": 0.3, "seed": 1}, [(5, 4)]),
    ("GaussianDropout", {"rate": 0.3}, [IMAGE]),
    ("AlphaDropout", {"rate": 0.3, "noise_shape": (None, 1)}, [(4,)]),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.01}, [(5, 4)]),
    ("Activation", {"activation": "tanh"}, [IMAGE]),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.1}, [IMAGE]),
    ("Softmax", {"axis": 1}, [IMAGE]),
    ("LeakyReLU", {"negative_slope": 0.2}, [IMAGE]),
    ("ELU", {"alpha": 0.5}, [IMAGE]),
    ("PReLU", {"shared_axes": [1, 2], "alpha_initializer": "ones"}, [IMAGE]),
    ("RandomizedLeakyReLU", {"lower": 0.1, "upper": 0.5, "seed": 1}, [IMAGE]),
    ("Identity", {}, [IMAGE]),
    ("Masking", {"mask_value": 0.5}, [(3, 4)]),
    ("Lambda", {"function": lambda **dtype: activations.tanh}, [IMAGE]),
    ("Embedding", {"input_dim": 7, "output_dim": 3, "embeddings_regularizer": "l2"}, [Indices((5,))]),
    ("SimpleRNN", {"units": 3, "dropout": 0.2, "recurrent_dropout": 0.3}, [(5, 4)]),
    ("SimpleRNN", {"units": 3, "return_sequences": True, "go_backwards": True}, [(5, 4)]),
    ("LSTM", {"units": 3, "kernel_regularizer": "l2", "bias_constraint": "max_norm"}, [(5, 4)]),
    ("LSTM", {"units": 3, "return_sequences": True, "dropout": 0.3, "seed": 1}, [(5, 4)]),
    ("LSTM", {"units": 3, "dropout": 0.2, "recurrent_dropout": 0.3, "unroll": True}, [(5, 4)]),
    ("LSTM", {"units": 3, "activation": "softsign", "unit_forget_bias": False, "use_bias": False}, [(5, 4)]),
    ("GRU", {"units": 3, "return_sequences": True}, [(5, 4)]),
    ("GRU", {"units": 3, "reset_after": False, "dropout": 0.2, "recurrent_dropout": 0.3}, [(5, 4)]),
    ("RNN", {"cell": lambda **dtype: layers.LSTMCell(3, **dtype), "zero_output_for_mask": True}, [(5, 4)]),
    (
        "RNN",
        {
            "cell": lambda **dtype: layers.StackedRNNCells(
                [layers.GRUCell(3, dropout=0.2, **dtype), layers.SimpleRNNCell(2, **dtype)], **dtype
            )
        },
        [(5, 4)],
    ),
    ("Bidirectional", {"layer": lambda **dtype: layers.LSTM(3, return_sequences=True, **dtype)}, [(5, 4)]),
    ("Bidirectional", {"layer": lambda **dtype: layers.GRU(3, **dtype), "merge_mode": "ave"}, [(5, 4)]),
    ("ConvLSTM1D", {"filters": 3, "kernel_size": 2, "data_format": "channels_first"}, [(3, 4, 6)]),
    ("ConvLSTM2D", {"filters": 3, "kernel_size": 3, "padding": "same", "return_sequences": True}, [(2, 5, 4, 2)]),
    ("ConvLSTM2D", {"filters": 3, "kernel_size": 2, "dropout": 0.2, "recurrent_dropout": 0.3}, [(2, 5, 4, 2)]),
    ("ConvLSTM3D", {"filters": 2, "kernel_size": 2, "strides": 2, "go_backwards": True}, [(2, 3, 4, 3, 2)]),
    ("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}, [Indices((5,))]),
    ("TimeDistributed", {"layer": lambda **dtype: layers.Dense(3, **dtype)}, [(3, 4)]),
    ("Attention", {"use_scale": True, "dropout": 0.2, "seed": 1}, [(3, 4), (5, 4)]),
    ("Attention", {"score_mode": "concat"}, [(3, 4), (5, 4), (5, 4)]),
    ("AdditiveAttention", {}, [(3, 4), (5, 4)]),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "dropout": 0.2, "seed": 1}, [(3, 4), (5, 4)]),
    (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "value_dim": 2, "output_shape": 5, "use_gate": True},
        [(3, 4)] * 3,
    ),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": 2, "use_bias": False}, [(3, 2, 4)] * 2),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, [(3, 4), (5, 4)]),
    ("Permute", {"dims": (3, 1, 2)}, [IMAGE]),
    ("RepeatVector", {"n": 3}, [(4,)]),
    ("ZeroPadding1D", {"padding": (2, 1)}, [(3, 4)]),
    ("ZeroPadding2D", {"padding": ((1, 2), (0, 3)), "data_format": "channels_first"}, [IMAGE]),
    ("ZeroPadding3D", {}, [VOLUME]),
    ("Cropping1D", {}, [(5, 4)]),
    ("Cropping2D", {"cropping": ((1, 0), (2, 1))}, [IMAGE]),
    ("Cropping3D", {"cropping": ((1, 0), (1, 1), (0, 1))}, [VOLUME]),
    ("UpSampling1D", {"size": 3}, [(3, 4)]),
    ("UpSampling3D", {"size": (1, 2, 3)}, [VOLUME]),
    ("Subtract", {}, [(3, 4), (3, 4)]),
    ("Multiply", {}, [(3, 4), (1, 4)]),
    ("Average", {}, [(4,), (4,), (4,)]),
    ("Maximum", {}, [(4,), (4,)]),
    ("Minimum", {}, [(3, 4), (3, 4)]),
    ("Dot", {"axes": 1}, [(4,), (4,)]),
    ("Dot", {"axes": (2, 1), "normalize": True}, [(3, 4), (4, 2)]),
    ("Add", {}, [(4,), (4,), (4,)]),
    ("Add", {}, [(3, 4), (1, 4)]),
    ("Concatenate", {"axis": 1}, [(3, 4), (2, 4)]),
    ("UpSampling2D", {"size": (2, 3)}, [IMAGE]),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear", "data_format": "channels_first"}, [IMAGE]),
]
