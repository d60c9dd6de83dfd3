"""Helpers with the names of `keras.utils`."""

from gpunet.data import PyDataset
from gpunet.random import set_random_seed
from gpunet.serialization import custom_object_scope, register_keras_serializable
from gpunet.serialization import deserialize as deserialize_keras_object
from gpunet.serialization import serialize as serialize_keras_object
from gpunet.utils.global_state import clear_session
from gpunet.utils.numerical import normalize, to_categorical

__all__ = [
    "PyDataset",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "normalize",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]
