"""Models and weights in files: `.keras` and `.weights.h5` as Keras 3 writes them, safetensors and npz."""

from gpunet.saving.archive import load_model, save_model
from gpunet.saving.file_editor import KerasFileEditor
from gpunet.saving.weights import load_weights, save_weights
from gpunet.serialization import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from gpunet.serialization import deserialize as deserialize_keras_object
from gpunet.serialization import serialize as serialize_keras_object

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
