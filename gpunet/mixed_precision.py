"""Dtype policies under the names of `keras.mixed_precision`."""

import importlib
from typing import Any

from gpunet.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy


def __getattr__(name: str) -> Any:
    """`LossScaleOptimizer`, which Keras has here and which lives further up."""
    if name == "LossScaleOptimizer":
        return importlib.import_module("gpunet.optimizers").LossScaleOptimizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DTypePolicy",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
