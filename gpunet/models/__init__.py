"""Models: functional, sequential and subclassed, under one trainer."""

from gpunet.models.functional import Functional
from gpunet.models.model import Model
from gpunet.models.sequential import Sequential
from gpunet.models.trainer import Trainer
from gpunet.serialization import Catalog

catalog = Catalog("model", "keras")
for _cls in (Functional, Model, Sequential):
    catalog.add(_cls)

__all__ = ["Functional", "Model", "Sequential", "Trainer"]
