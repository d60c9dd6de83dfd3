"""Models: functional, sequential and subclassed, under one trainer."""

from gpunet.models.cloning import clone_model
from gpunet.models.functional import Functional
from gpunet.models.model import Model
from gpunet.models.sequential import Sequential
from gpunet.models.trainer import Trainer
from gpunet.serialization import Catalog

catalog = Catalog("model", "keras")
for _cls in (Model, Sequential):
    catalog.add(_cls)
functional_catalog = Catalog("functional model", "keras.src.models.functional")
functional_catalog.add(Functional)

__all__ = ["Functional", "Model", "Sequential", "Trainer", "clone_model"]
