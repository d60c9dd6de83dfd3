"""Seeded choices: activations, regularizers, initializers and other arguments, the same for Keras and for gpunet."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np


def _custom_objects(keras: Any) -> dict[str, Any]:
    """Functions and classes of a user's, registered with the library."""
    register = keras.saving.register_keras_serializable

    @register("exchange")
    def soft_bump(x):
        return keras.ops.exp(-keras.ops.square(x))

    @register("exchange")
    def quartic(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(keras.ops.square(keras.ops.subtract(y_true, y_pred))), axis=-1)

    @register("exchange")
    class Scaled(keras.layers.Layer):
        """Learned factors, one per feature; arguments of all kinds in its configuration."""

        def __init__(self, gain=1.0, limits=(0, 1), options=None, inner=None, **kwargs):
            super().__init__(**kwargs)
            self.gain, self.limits, self.options, self.inner = gain, tuple(limits), options or {}, inner

        def build(self, input_shape):
            self.factor = self.add_weight(shape=(input_shape[-1],), initializer="uniform", name="factor")
            if self.inner is not None and not self.inner.built:
                self.inner.build(input_shape)

        def call(self, x):
            y = x * (self.gain + self.factor)
            return y if self.inner is None else self.inner(y)

        def compute_output_shape(self, input_shape):
            return input_shape if self.inner is None else self.inner.compute_output_shape(input_shape)

        def get_config(self):
            own = {"gain": self.gain, "limits": self.limits, "options": self.options}
            return super().get_config() | own | {"inner": keras.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config):
            inner = keras.saving.deserialize_keras_object(config.pop("inner"))
            return cls(inner=inner, **config)

    @register("exchange")
    class Pair(keras.layers.Layer):
        """Two tensors of one, in a dict."""

        def call(self, x, factor=2.0):
            return {"same": x, "more": x * factor}

        def compute_output_shape(self, input_shape, **kwargs):
            return {"same": input_shape, "more": input_shape}

    @register("exchange")
    class Mixture(keras.layers.Layer):
        """A layer of two layers without a `get_config`: its arguments are captured."""

        def __init__(self, units=4, **kwargs):
            super().__init__(**kwargs)
            dense = functools.partial(keras.layers.Dense, units, dtype=self.dtype_policy)
            self.first = dense(activation="tanh")
            self.rest = [dense(), {"gate": dense(activation="sigmoid")}]

        def build(self, input_shape):
            self.first.build(input_shape)
            hidden = self.first.compute_output_shape(input_shape)
            for layer in (self.rest[0], self.rest[1]["gate"]):
                layer.build(hidden)

        def call(self, x):
            x = self.first(x)
            return self.rest[0](x) * self.rest[1]["gate"](x)

        def compute_output_shape(self, input_shape):
            return self.first.compute_output_shape(input_shape)

    found = (soft_bump, quartic, Scaled, Pair, Mixture)
    return {target.__name__: target for target in found}


class Draw:
    """A library, and a stream of choices for it.

    Args:
        keras: Keras or gpunet.
        seed: the same seed gives the same choices with either.
    """

    def __init__(self, keras: Any, seed: int):
        self.keras = keras
        self.layers = keras.layers
        self.random = random.Random(seed)
        self.custom = _custom_objects(keras)
        self.noisy = False  # whether some layer draws random numbers in training
        self.cast = False  # whether some layer computes in a 16-bit float
        self.stateful = False
        self.untrusted: set[str] = set()  # backends on which Keras trains this model in another way than on others

    def pick(self, *options: Any) -> Any:
        """One of the options; a function among them is called."""
        found = self.random.choice(options)
        return found() if isinstance(found, _Late) else found

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.random.random() < share

    def size(self, low: int = 1, high: int = 5) -> int:
        """An integer between the bounds, these included."""
        return self.random.randint(low, high)

    def late(self, make: Callable[[], Any]) -> Any:
        """An option that is made when it is picked."""
        return _Late(make)

    def some(self, share: float = 0.5, **options: Callable[[], Any]) -> dict[str, Any]:
        """Each of the arguments with this probability."""
        return {name: make() for name, make in options.items() if self.chance(share)}

    def activation(self) -> Any:
        """An activation, named, as a function, as a layer or a user's own."""
        a, layers = self.keras.activations, self.layers
        names = "relu tanh sigmoid elu selu gelu softplus softsign swish mish hard_sigmoid linear leaky_relu".split()
        return self.pick(
            None,
            "relu",
            "tanh",
            *names,
            a.silu,
            a.relu6,
            self.late(lambda: layers.LeakyReLU(negative_slope=0.2)),
            self.late(lambda: layers.ReLU(max_value=4.0)),
            self.custom["soft_bump"],
        )

    def regularizer(self) -> Any:
        """A penalty on weights."""
        r = self.keras.regularizers
        return self.pick("l2", "l1", self.late(lambda: r.L1L2(1e-3, 2e-3)), self.late(lambda: r.L2(0.01)), None)

    def constraint(self) -> Any:
        """A limit of weights."""
        c = self.keras.constraints
        return self.pick(
            "max_norm",
            "unit_norm",
            None,
            self.late(lambda: c.MaxNorm(2.0, axis=0)),
            self.late(lambda: c.MinMaxNorm(0.1, 2.0, rate=0.5, axis=0)),
        )

    def initializer(self) -> Any:
        """What weights begin with."""
        i = self.keras.initializers
        return self.pick(
            "he_normal",
            "lecun_uniform",
            "glorot_normal",
            "random_normal",
            self.late(lambda: i.VarianceScaling(0.5, "fan_avg", "uniform", seed=self.size(0, 9))),
            self.late(lambda: i.TruncatedNormal(0.0, 0.2)),
            self.late(lambda: i.RandomUniform(-0.3, 0.3, seed=1)),
            self.late(lambda: i.Orthogonal(gain=0.7)),
        )

    def weights(self, *names: str) -> dict[str, Any]:
        """Initializers, regularizers and constraints of some weights."""
        found: dict[str, Any] = {}
        for name in names:
            if name != "bias":
                found |= self.some(0.3, **{f"{name}_initializer": self.initializer})
                found |= self.some(0.1, **{f"{name}_constraint": self.constraint})
            found |= self.some(0.2, **{f"{name}_regularizer": self.regularizer})
        return found

    def common(self) -> dict[str, Any]:
        """Arguments that all layers have."""
        found: dict[str, Any] = {}
        if self.chance(0.07):
            found["trainable"] = False
        if self.chance(0.06):
            found["dtype"] = self.pick("float64", "mixed_float16", "mixed_bfloat16", "float16", self.late(self._policy))
            self.cast |= "16" in getattr(found["dtype"], "name", found["dtype"])
        return found

    def _policy(self) -> Any:
        return self.keras.DTypePolicy(self.pick("float64", "float32"))

    def rate(self) -> float:
        """The rate of a dropout: zero, unless this model may be noisy."""
        return self.pick(0.0, 0.25) if self.noisy else 0.0

    def array(self, *shape: int) -> np.ndarray:
        """A constant."""
        numbers = [self.random.uniform(-1, 1) for _ in range(int(np.prod(shape, dtype=int)))]
        return np.array(numbers, "float32").reshape(shape)


class _Late:
    def __init__(self, make: Callable[[], Any]):
        self.make = make

    def __call__(self) -> Any:
        return self.make()
