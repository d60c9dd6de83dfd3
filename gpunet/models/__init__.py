"""Models: functional, sequential and subclassed, under one trainer."""

from typing import Any

from gpunet.models.cloning import clone_model
from gpunet.models.functional import Functional
from gpunet.models.model import Model
from gpunet.models.sequential import Sequential
from gpunet.models.trainer import Trainer
from gpunet.serialization import Catalog


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model of a `.keras` file; see `gpunet.saving.load_model`."""
    from gpunet.saving import load_model

    return load_model(filepath, custom_objects, compile, safe_mode)


def save_model(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write a model to a `.keras` file; see `gpunet.saving.save_model`."""
    model.save(filepath, overwrite)


catalog = Catalog("model", "keras")
for _cls in (Model, Sequential):
    catalog.add(_cls)
functional_catalog = Catalog("functional model", "keras.src.models.functional")
functional_catalog.add(Functional)

__all__ = ["Functional", "Model", "Sequential", "Trainer", "clone_model", "load_model", "save_model"]
