"""Initializers: callables `(shape, dtype=None) -> tensor` that give variables their first values."""

from typing import Any

from gpunet.autograd.variable import initializer_named
from gpunet.initializers.constant import Constant, Identity, Ones, Zeros
from gpunet.initializers.fourier import STFT
from gpunet.initializers.initializer import Initializer, catalog
from gpunet.initializers.scaled import (
    ForActivation,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize

for _cls, _aliases in (
    (Zeros, ("zero",)),
    (Ones, ("one",)),
    (Constant, ()),
    (Identity, ("IdentityInitializer",)),
    (STFT, ("stft", "STFTInitializer")),
    (RandomNormal, ("normal",)),
    (RandomUniform, ("uniform",)),
    (TruncatedNormal, ()),
    (VarianceScaling, ()),
    (GlorotNormal, ()),
    (GlorotUniform, ()),
    (HeNormal, ()),
    (HeUniform, ()),
    (LecunNormal, ()),
    (LecunUniform, ()),
    (Orthogonal, ("OrthogonalInitializer",)),
    (ForActivation, ()),
):
    catalog.add(_cls, *_aliases)


def get(identifier: Any) -> Any:
    """The initializer for a name, class, configuration, callable or array of values (a `Constant`)."""
    if hasattr(identifier, "shape") and not callable(identifier):
        return Constant.of_values(identifier)
    return catalog.get(identifier)


initializer_named[:] = [get]


def serialize(initializer: Any) -> Any:
    """The initializer as a configuration."""
    return _serialize(initializer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The initializer of a configuration."""
    return _deserialize(config, custom_objects)


zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform
stft = STFT
IdentityInitializer, OrthogonalInitializer, STFTInitializer = Identity, Orthogonal, STFT

__all__ = [
    "STFT",
    "Constant",
    "ForActivation",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "get",
    "serialize",
]
