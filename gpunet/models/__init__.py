"""Models: functional, sequential and subclassed, under one trainer."""

import json
from typing import Any

from gpunet.models.cloning import clone_model
from gpunet.models.functional import Functional
from gpunet.models.model import Model
from gpunet.models.sequential import Sequential
from gpunet.models.trainer import Trainer
from gpunet.serialization import Catalog, deserialize


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model of a `.keras` file; see `gpunet.saving.load_model`."""
    from gpunet.saving import load_model

    return load_model(filepath, custom_objects, compile, safe_mode)


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Write a model to a `.keras` or `.h5` file; see `gpunet.saving.save_model`."""
    model.save(filepath, overwrite, zipped, **kwargs)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new model of the architecture that `Model.to_json` wrote; its weights are new.

    Raises:
        ValueError: if the text is not JSON of a model, or names something that is neither built in nor registered.
    """
    try:
        config = json.loads(json_string)
    except ValueError as error:
        raise ValueError(f"model_from_json expected the text of `to_json`. Received: {error}") from None
    return deserialize(config, custom_objects)


catalog = Catalog("model", "keras")
for _cls in (Model, Sequential):
    catalog.add(_cls)
functional_catalog = Catalog("functional model", "keras.src.models.functional")
functional_catalog.add(Functional)

__all__ = ["Functional", "Model", "Sequential", "Trainer", "clone_model", "load_model", "model_from_json", "save_model"]
