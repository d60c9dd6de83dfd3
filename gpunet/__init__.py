"""gpunet: neural networks on plain CuPy and NumPy arrays, with the Keras 3 API.

Submodules and names are loaded when they are first used, so that `import gpunet` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "activations",
    "autograd",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "data",
    "datasets",
    "distillation",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "testing",
    "tree",
    "utils",
    "wrappers",
)
_NAMES = {
    "Device": "backend.devices",
    "GPUNotAvailableError": "backend.devices",
    "default_device": "backend.devices",
    "device": "backend.devices",
    "devices": "backend.devices",
    "set_default_device": "backend.devices",
    "GradientTape": "autograd",
    "Tensor": "autograd",
    "Variable": "autograd",
    "custom_gradient": "autograd",
    "custom_op": "ops.custom",
    "function": "autograd",
    "grad": "autograd",
    "hessian": "autograd",
    "jvp": "autograd",
    "no_grad": "autograd",
    "remat": "autograd",
    "value_and_grad": "autograd",
    "vjp": "autograd",
    "name_scope": "autograd.variable",
    "stop_gradient": "ops",
    "DTypePolicy": "dtype_policies",
    "Initializer": "initializers",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "models.function",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "symbolic",
    "Optimizer": "optimizers",
    "RematScope": "layers.remat",
    "Regularizer": "regularizers",
    "Sequential": "models",
    "StatelessScope": "autograd.stateless",
    "install_as_keras": "as_keras",
    "set_random_seed": "random",
    "tune_process": "backend.process",
}

if TYPE_CHECKING:
    from gpunet import (
        activations,
        autograd,
        backend,
        callbacks,
        config,
        constraints,
        data,
        distillation,
        dtype_policies,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        tree,
        utils,
        wrappers,
    )
    from gpunet.as_keras import install_as_keras
    from gpunet.autograd import (
        GradientTape,
        Tensor,
        Variable,
        custom_gradient,
        function,
        grad,
        hessian,
        jvp,
        no_grad,
        remat,
        value_and_grad,
        vjp,
    )
    from gpunet.autograd.stateless import StatelessScope
    from gpunet.backend.devices import (
        Device,
        GPUNotAvailableError,
        default_device,
        device,
        devices,
        set_default_device,
    )
    from gpunet.backend.process import tune_process
    from gpunet.dtype_policies import DTypePolicy, FloatDTypePolicy
    from gpunet.initializers import Initializer
    from gpunet.layers import Input, InputSpec, Layer
    from gpunet.layers.remat import RematScope
    from gpunet.losses import Loss
    from gpunet.metrics import Metric
    from gpunet.models import Model, Sequential
    from gpunet.models.function import Function
    from gpunet.ops import stop_gradient
    from gpunet.ops.custom import custom_op
    from gpunet.optimizers import Optimizer
    from gpunet.random import set_random_seed
    from gpunet.regularizers import Regularizer
    from gpunet.symbolic import KerasTensor, Operation


def version() -> str:
    """The version of gpunet."""
    return __version__


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        if _NAMES[name] == "autograd":
            importlib.import_module("gpunet.ops")  # gives tensors their operators
        if name == "Variable":
            importlib.import_module("gpunet.initializers")  # whose names a variable may be given
        value = getattr(importlib.import_module(f"gpunet.{_NAMES[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"gpunet.{name}")
    else:
        raise AttributeError(f"module 'gpunet' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
