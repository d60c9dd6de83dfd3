"""Models: functional, sequential and subclassed, under one trainer."""

from gpunet.models.functional import Functional
from gpunet.models.model import Model
from gpunet.models.sequential import Sequential
from gpunet.models.trainer import Trainer

__all__ = ["Functional", "Model", "Sequential", "Trainer"]
