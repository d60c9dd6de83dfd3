"""Dtype policies: what a layer computes in, and what it keeps its variables in."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import config
from gpunet.autograd.tensor import Tensor
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.backend.primitive import is_array_type
from gpunet.ops.elementwise import cast
from gpunet.serialization import Catalog
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize
from gpunet.symbolic import KerasTensor

_MIXED = {"mixed_float16": ("float16", "float32"), "mixed_bfloat16": ("bfloat16", "float32")}
_global: dict[str, DTypePolicy | None] = {"policy": None}


class DTypePolicy:
    """A dtype name, or "mixed_float16" / "mixed_bfloat16": compute in 16 bits with float32 variables.

    Raises:
        TypeError: if the name is not a string.
        ValueError: if it is not a policy.
    """

    name: str
    compute_dtype: str
    variable_dtype: str

    def __init__(self, name: str | None = None):
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(f"a dtype policy is named by a string such as 'mixed_float16'. Received: name={name!r}")
        self.name = name
        if name in _MIXED:
            self.compute_dtype, self.variable_dtype = _MIXED[name]
        else:
            self.compute_dtype = self.variable_dtype = as_dtype(name).name

    def convert_input(self, x: Any, autocast: bool, dtype: str) -> Any:
        """Arrays as tensors, and float tensors in `dtype` if `autocast`; anything else as it is."""
        if isinstance(x, KerasTensor):
            return cast(x, dtype) if autocast and is_float(x.dtype) and x.dtype != as_dtype(dtype) else x
        if not isinstance(x, Tensor):
            if not is_array_type(type(x)) and not hasattr(x, "__array__"):
                return x
            x = Tensor(x)
        wanted = as_dtype(dtype)
        if autocast and x.dtype != wanted and is_float(x.dtype) and is_float(wanted):
            return cast(x, wanted)
        return x

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


FloatDTypePolicy = DTypePolicy
catalog = Catalog("dtype policy", "keras")
catalog.add(DTypePolicy)


def dtype_policy() -> DTypePolicy:
    """The policy of new layers: `set_dtype_policy`'s, else `floatx()`."""
    return _global["policy"] or DTypePolicy(config.floatx())


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Set the policy of new layers."""
    _global["policy"] = get(policy)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """A policy as its configuration."""
    return _serialize(dtype_policy)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """The policy of a configuration from `serialize`."""
    return _deserialize(config, custom_objects)


def get(identifier: Any) -> DTypePolicy:
    """The policy for a policy, a dtype, a name, a configuration or None (the global policy)."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    if isinstance(identifier, type | np.dtype) or hasattr(identifier, "name"):
        return DTypePolicy(as_dtype(identifier).name)
    raise ValueError(f"dtype expected a dtype or a dtype policy. Received: {identifier!r}")
