"""Layers, with the names, arguments and numerics of `keras.layers`."""

from typing import Any

from gpunet.layers.activations.activation import Activation, ReLU, Softmax
from gpunet.layers.activations.leaky import ELU, LeakyReLU, PReLU, RandomizedLeakyReLU
from gpunet.layers.attention.attention import AdditiveAttention, Attention
from gpunet.layers.attention.grouped_query_attention import GroupedQueryAttention
from gpunet.layers.attention.multi_head_attention import MultiHeadAttention
from gpunet.layers.convolutional.conv import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from gpunet.layers.core.dense import Dense
from gpunet.layers.core.einsum_dense import EinsumDense
from gpunet.layers.core.embedding import Embedding, ReversibleEmbedding
from gpunet.layers.core.identity import Identity, Lambda, Masking
from gpunet.layers.core.input_layer import Input, InputLayer
from gpunet.layers.core.wrapper import Wrapper
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer
from gpunet.layers.merging.dot import Dot
from gpunet.layers.merging.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from gpunet.layers.normalization.batch_normalization import BatchNormalization
from gpunet.layers.normalization.group_normalization import GroupNormalization
from gpunet.layers.normalization.layer_normalization import LayerNormalization, RMSNormalization, UnitNormalization
from gpunet.layers.normalization.spectral_normalization import SpectralNormalization
from gpunet.layers.pooling.pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    GlobalMinPooling1D,
    GlobalMinPooling2D,
    GlobalMinPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    MinPooling1D,
    MinPooling2D,
    MinPooling3D,
)
from gpunet.layers.preprocessing.categories import CategoryEncoding
from gpunet.layers.preprocessing.clahe import ContrastLimitedAdaptiveHistogramEqualization
from gpunet.layers.preprocessing.colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGrayscale,
    RandomHue,
    RandomSaturation,
)
from gpunet.layers.preprocessing.cropping import CenterCrop, RandomCrop, Resizing
from gpunet.layers.preprocessing.hashing import HashedCrossing, Hashing
from gpunet.layers.preprocessing.lookup import IntegerLookup, StringLookup
from gpunet.layers.preprocessing.mixing import CutMix, MixUp, RandomErasing
from gpunet.layers.preprocessing.moving import (
    RandomElasticTransform,
    RandomFlip,
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from gpunet.layers.preprocessing.numbers import Discretization, Normalization, Rescaling
from gpunet.layers.preprocessing.pipeline import Pipeline
from gpunet.layers.preprocessing.policies import AugMix, RandAugment
from gpunet.layers.preprocessing.spectrograms import MelSpectrogram, STFTSpectrogram
from gpunet.layers.preprocessing.text import TextVectorization
from gpunet.layers.preprocessing.tones import (
    AutoContrast,
    Equalization,
    RandomGaussianBlur,
    RandomInvert,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from gpunet.layers.recurrent.bidirectional import Bidirectional
from gpunet.layers.recurrent.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from gpunet.layers.recurrent.gru import GRU, GRUCell
from gpunet.layers.recurrent.lstm import LSTM, LSTMCell
from gpunet.layers.recurrent.rnn import RNN
from gpunet.layers.recurrent.simple_rnn import SimpleRNN, SimpleRNNCell
from gpunet.layers.recurrent.stacked_rnn_cells import StackedRNNCells
from gpunet.layers.recurrent.time_distributed import TimeDistributed
from gpunet.layers.regularization.dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from gpunet.layers.regularization.noise import ActivityRegularization, AlphaDropout, GaussianDropout, GaussianNoise
from gpunet.layers.reshaping.padding import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from gpunet.layers.reshaping.reshape import (
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
)
from gpunet.serialization import Catalog
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize

catalog = Catalog("layer", "keras.layers")
for _cls in (
    Activation,
    ActivityRegularization,
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
    Add,
    AdditiveAttention,
    AlphaDropout,
    Attention,
    AugMix,
    AutoContrast,
    Average,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    BatchNormalization,
    Bidirectional,
    CategoryEncoding,
    CenterCrop,
    Concatenate,
    ContrastLimitedAdaptiveHistogramEqualization,
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    ConvLSTM1D,
    ConvLSTM2D,
    ConvLSTM3D,
    Cropping1D,
    Cropping2D,
    Cropping3D,
    CutMix,
    Dense,
    DepthwiseConv1D,
    DepthwiseConv2D,
    Discretization,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    MelSpectrogram,
    STFTSpectrogram,
    StringLookup,
    TextVectorization,
    Dot,
    Dropout,
    ELU,
    EinsumDense,
    Embedding,
    Equalization,
    Flatten,
    GRU,
    GRUCell,
    GaussianDropout,
    GaussianNoise,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    GlobalMinPooling1D,
    GlobalMinPooling2D,
    GlobalMinPooling3D,
    GroupNormalization,
    Identity,
    InputLayer,
    LSTM,
    LSTMCell,
    Lambda,
    LayerNormalization,
    LeakyReLU,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    Maximum,
    MinPooling1D,
    MinPooling2D,
    MinPooling3D,
    Minimum,
    MixUp,
    MultiHeadAttention,
    Multiply,
    Normalization,
    PReLU,
    Permute,
    Pipeline,
    RMSNormalization,
    RNN,
    RandAugment,
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomErasing,
    RandomFlip,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPerspective,
    RandomPosterization,
    RandomRotation,
    RandomSaturation,
    RandomSharpness,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    RandomizedLeakyReLU,
    ReLU,
    RepeatVector,
    Rescaling,
    Reshape,
    Resizing,
    ReversibleEmbedding,
    SeparableConv1D,
    SeparableConv2D,
    SimpleRNN,
    SimpleRNNCell,
    Softmax,
    Solarization,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
    SpectralNormalization,
    StackedRNNCells,
    Subtract,
    TimeDistributed,
    UnitNormalization,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
):
    catalog.add(_cls)
catalog.add(GroupedQueryAttention, name="GroupQueryAttention")

# Keras's name of it outside of files and paths of weights.
GroupQueryAttention = GroupedQueryAttention
# Keras's shorter names of the same layers.
Convolution2D, Convolution2DTranspose = Conv2D, Conv2DTranspose
Convolution1D = Conv1D
Convolution3D = Conv3D
Convolution1DTranspose = Conv1DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of tensors, through an `Add` layer."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The difference of two tensors, through a `Subtract` layer."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of tensors, through a `Multiply` layer."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of tensors, through an `Average` layer."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The largest of tensors, through a `Maximum` layer."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest of tensors, through a `Minimum` layer."""
    return Minimum(**kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Products over an axis of two tensors, through a `Dot` layer."""
    return Dot(axes, **kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Tensors joined along an axis, through a `Concatenate` layer."""
    return Concatenate(axis, **kwargs)(inputs)


def serialize(layer: Any) -> Any:
    """The layer as a configuration."""
    return _serialize(layer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The layer of a configuration, unbuilt or built as it was."""
    return _deserialize(config, custom_objects)


__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "AugMix",
    "AutoContrast",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CutMix",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Equalization",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GlobalMinPooling1D",
    "GlobalMinPooling2D",
    "GlobalMinPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "HashedCrossing",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "IntegerLookup",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "MelSpectrogram",
    "MinPooling1D",
    "MinPooling2D",
    "MinPooling3D",
    "Minimum",
    "MixUp",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "Pipeline",
    "RMSNormalization",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "RandomizedLeakyReLU",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "ReversibleEmbedding",
    "STFTSpectrogram",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "StackedRNNCells",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
