"""Dtype policies: what a layer computes in, and what it keeps its variables in."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
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

    def at(self, path: str | None) -> DTypePolicy:
        """The policy of a layer with this path; None while it is not known."""
        return self

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


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """Policies by the paths of layers: a layer that was given a map has its own once it is built.

    A key is a path, or a regular expression that matches all of it; a path without a key has the default.

    Args:
        default_policy: a policy or its name; the global policy where None.
        policy_map: policies, or their names, by key.

    Raises:
        TypeError: if `policy_map` is no dict.
        ValueError: if the default is a map, for a key that is there already, and for a path that several keys match.

    Example:
        >>> policies = gpunet.dtype_policies.DTypePolicyMap("float32", {"model/hidden.*": "mixed_bfloat16"})
        >>> layer = gpunet.layers.Dense(8, dtype=policies)
    """

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None):
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError(f"`default_policy` cannot be a `DTypePolicyMap`. Received: {default_policy!r}")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                f"If specified, `policy_map` must be a dict. "
                f"Received: policy_map={policy_map!r} of type {type(policy_map)}"
            )
        self._given = default_policy
        self.default_policy = get(default_policy)
        self._policies = {key: get(policy) for key, policy in (policy_map or {}).items()}
        self.name = f"map_{self.default_policy.name}"
        self.compute_dtype = self.default_policy.compute_dtype
        self.variable_dtype = self.default_policy.variable_dtype

    def at(self, path: str | None) -> DTypePolicy:
        return self.default_policy if path is None else self[path]

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._policies:
            return self._policies[key]
        matching = [pattern for pattern in self._policies if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple dtype policy specification keys: {matching}. Please make sure each "
                f"path only matches at most one dtype policy specification key in the DTypePolicyMap."
            )
        return self._policies[matching[0]] if matching else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._policies:
            raise ValueError(
                f"{key} already exist in the DTypePolicyMap with value {self._policies[key]}. Please make sure to not "
                f"use duplicated keys."
            )
        self._policies[key] = get(policy)

    def __delitem__(self, key: str) -> None:
        del self._policies[key]

    def __contains__(self, key: object) -> bool:
        return key in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicyMap) and (
            (self.default_policy, self._policies) == (other.default_policy, other._policies)
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def get_config(self) -> dict[str, Any]:
        return {"default_policy": _serialize(self._given), "policy_map": _serialize(self._policies)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicyMap:
        default, policies = (_deserialize(config[key], custom_objects) for key in ("default_policy", "policy_map"))
        return cls(default, policies)

    def __repr__(self) -> str:
        mapping = [(key, policy.name) for key, policy in self._policies.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={mapping}>"


FloatDTypePolicy = DTypePolicy
catalog = Catalog("dtype policy", "keras")
catalog.add(DTypePolicy)
Catalog("dtype policy map", "keras.dtype_policies").add(DTypePolicyMap)


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
