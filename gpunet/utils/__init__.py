"""Helpers with the names of `keras.utils`."""

from gpunet.random import set_random_seed
from gpunet.serialization import custom_object_scope, register_keras_serializable
from gpunet.serialization import deserialize as deserialize_keras_object
from gpunet.serialization import serialize as serialize_keras_object
from gpunet.utils.numerical import normalize, to_categorical

__all__ = [
    "custom_object_scope",
    "deserialize_keras_object",
    "normalize",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]
