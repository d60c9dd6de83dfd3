"""Training a small model to answer as a large one does."""

from gpunet.distillation.distiller import Distiller
from gpunet.distillation.losses import DistillationLoss, FeatureDistillation, LogitsDistillation

__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]
