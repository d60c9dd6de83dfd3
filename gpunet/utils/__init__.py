"""Helpers with the names of `keras.utils`."""

import importlib
from typing import TYPE_CHECKING, Any

from gpunet.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)

if TYPE_CHECKING:
    from gpunet.backend import standardize_dtype
    from gpunet.data import PyDataset
    from gpunet.data import PyDataset as Sequence
    from gpunet.data import pack_batch as pack_x_y_sample_weight
    from gpunet.data import unpack_batch as unpack_x_y_sample_weight
    from gpunet.random import set_random_seed
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
    from gpunet.symbolic import is_keras_tensor
    from gpunet.symbolic.operation import get_source_inputs
    from gpunet.utils.config import Config
    from gpunet.utils.files import get_file
    from gpunet.utils.global_state import clear_session
    from gpunet.utils.images import array_to_img, image_dataset_from_directory, img_to_array, load_img, save_img
    from gpunet.utils.numerical import normalize, to_categorical
    from gpunet.utils.pictures import model_to_dot, plot_model
    from gpunet.utils.progbar import Progbar
    from gpunet.utils.sequences import pad_sequences, split_dataset, timeseries_dataset_from_array
    from gpunet.utils.sounds import audio_dataset_from_directory
    from gpunet.utils.texts import text_dataset_from_directory

# Loaded when they are first used: some import what is slow to import.
_WHERE = {
    "Config": "utils.config",
    "CustomObjectScope": "serialization",
    "Progbar": "utils.progbar",
    "PyDataset": "data",
    "Sequence": "data:PyDataset",
    "array_to_img": "utils.images",
    "audio_dataset_from_directory": "utils.sounds",
    "clear_session": "utils.global_state",
    "custom_object_scope": "serialization",
    "deserialize_keras_object": "serialization:deserialize",
    "get_custom_objects": "serialization",
    "get_file": "utils.files",
    "get_registered_name": "serialization",
    "get_registered_object": "serialization",
    "get_source_inputs": "symbolic.operation",
    "image_dataset_from_directory": "utils.images",
    "img_to_array": "utils.images",
    "is_keras_tensor": "symbolic",
    "load_img": "utils.images",
    "model_to_dot": "utils.pictures",
    "normalize": "utils.numerical",
    "pack_x_y_sample_weight": "data:pack_batch",
    "pad_sequences": "utils.sequences",
    "plot_model": "utils.pictures",
    "register_keras_serializable": "serialization",
    "save_img": "utils.images",
    "serialize_keras_object": "serialization:serialize",
    "set_random_seed": "random",
    "split_dataset": "utils.sequences",
    "standardize_dtype": "backend",
    "text_dataset_from_directory": "utils.texts",
    "timeseries_dataset_from_array": "utils.sequences",
    "to_categorical": "utils.numerical",
    "unpack_x_y_sample_weight": "data:unpack_batch",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(importlib.import_module(f"gpunet.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Config",
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "audio_dataset_from_directory",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
