"""Optimizers, with the names, arguments and numerics of `keras.optimizers`."""

from typing import Any

from gpunet.optimizers import schedules
from gpunet.optimizers.adadelta import Adadelta
from gpunet.optimizers.adafactor import Adafactor
from gpunet.optimizers.adagrad import Adagrad
from gpunet.optimizers.adam import Adam, AdamW
from gpunet.optimizers.adamax import Adamax
from gpunet.optimizers.ftrl import Ftrl
from gpunet.optimizers.lamb import Lamb
from gpunet.optimizers.lion import Lion
from gpunet.optimizers.loss_scale_optimizer import LossScaleOptimizer
from gpunet.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from gpunet.optimizers.muon import Muon
from gpunet.optimizers.nadam import Nadam
from gpunet.optimizers.optimizer import Optimizer, catalog
from gpunet.optimizers.rmsprop import RMSprop
from gpunet.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from gpunet.optimizers.sgd import SGD
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize


def get(identifier: Any) -> Any:
    """The optimizer for a name, class, configuration or object; None as it is.

    Raises:
        ValueError: if nothing has that name, or the object is no optimizer.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        identifier = identifier.lower() if catalog.find(identifier) is None else identifier
    found = identifier if isinstance(identifier, Optimizer) else catalog.get(identifier)
    if not isinstance(found, Optimizer):
        raise ValueError(f"optimizer expected an Optimizer. Received: {identifier!r}")
    return found


def serialize(optimizer: Any) -> Any:
    """The optimizer as a configuration."""
    return _serialize(optimizer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The optimizer of a configuration."""
    return get(config) if isinstance(config, str) else _deserialize(config, custom_objects)


__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
