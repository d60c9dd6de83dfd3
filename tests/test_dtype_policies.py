"""Dtype policies: compute and variable dtypes of layers, models and trainings."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import DTypePolicy, dtype_policies, layers, ops

X = np.random.default_rng(0).normal(size=(8, 4))


def test_policies():
    mixed = DTypePolicy("mixed_float16")
    assert (mixed.compute_dtype, mixed.variable_dtype) == ("float16", "float32")
    assert DTypePolicy("float64").compute_dtype == DTypePolicy("float64").variable_dtype == "float64"
    assert DTypePolicy("mixed_bfloat16") == dtype_policies.get("mixed_bfloat16") != mixed
    assert hash(mixed) == hash(DTypePolicy("mixed_float16"))
    assert dtype_policies.get(np.float32) == dtype_policies.get(None) == DTypePolicy()
    assert DTypePolicy.from_config(mixed.get_config()) == mixed
    assert repr(mixed) == '<DTypePolicy "mixed_float16">'
    with pytest.raises(ValueError, match="mixed_float33"):
        DTypePolicy("mixed_float33")
    with pytest.raises(TypeError, match="named by a string"):
        DTypePolicy(3)


def test_the_global_policy_is_that_of_new_layers():
    before = layers.Dense(2)
    dtype_policies.set_dtype_policy("mixed_bfloat16")
    after = layers.Dense(2)
    assert before.compute_dtype == "float32"
    assert after.dtype_policy.name == "mixed_bfloat16"
    assert (after.compute_dtype, after.variable_dtype, after.dtype) == ("bfloat16", "float32", "float32")
    assert keras.mixed_precision.global_policy().name == "mixed_bfloat16"


def test_inputs_are_cast_unless_autocast_is_off():
    seen = []

    class Spy(layers.Layer):
        def call(self, x):
            seen.append(str(x.dtype))
            return x

    Spy(dtype="float16")(X)
    Spy(dtype="float16", autocast=False)(X)
    Spy(dtype="float16")(np.arange(3))
    assert seen == ["float16", "float64", "int64"]


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16"])
def test_training_keeps_float32_weights_and_follows_float32(name):
    found = {}
    for policy_name in ("float32", name):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(8, activation="relu", dtype=policy_name),
                layers.BatchNormalization(dtype=policy_name),
                layers.Dense(2, dtype="float32"),
            ]
        )
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9, loss_scale_factor=128.0), "mse")
        history = model.fit(X, X[:, :2], epochs=5, verbose=0)
        assert all(w.dtype == "float32" for w in model.weights)
        assert model.predict(X, verbose=0).dtype == np.float32
        found[policy_name] = history.history["loss"]
    np.testing.assert_allclose(found[name], found["float32"], rtol=5e-2)
    assert found[name] != found["float32"]


def test_gradients_come_back_in_the_variables_dtype():
    layer = layers.Dense(3, dtype="mixed_float16")
    with keras.GradientTape() as tape:
        y = layer(X)
        loss = ops.sum(ops.cast(y, "float32") ** 2)
    assert y.dtype == "float16"
    for g, v in zip(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights):
        assert g.dtype == v.dtype == "float32"


def test_variables_are_themselves_outside_their_layer():
    layer = layers.Dense(3, dtype="mixed_float16")
    layer(X)
    assert (layer.kernel * 2).dtype == "float32"


def test_float64_throughout():
    dtype_policies.set_dtype_policy("float64")
    model = keras.Sequential([layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(X, X[:, :3], verbose=0)
    assert model.predict(X, verbose=0).dtype == np.float64
    w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ w + b, rtol=1e-14)


def test_floatx():
    keras.config.set_floatx("float64")
    try:
        assert layers.Dense(1).dtype == "float64"
        assert keras.Input((1,)).dtype == "float64"
        assert ops.ones((1,)).dtype == "float64"
    finally:
        keras.config.set_floatx("float32")
    with pytest.raises(ValueError, match="'float33'"):
        keras.config.set_floatx("float33")


KEYS = {"dense": "float16", "model/.*": "mixed_bfloat16", "mha/query": "float16", "relu": "float16"}


def by_path(library):
    """Dtypes of the variables and results of layers that were given one map, by path, and what it becomes."""
    policies = library.dtype_policies.DTypePolicyMap("float32")
    for key, name in KEYS.items():
        policies[key] = name
    alone = library.layers.Dense(2, dtype=policies, name="dense")
    stack = [library.layers.Dense(2, dtype=policies, name="dense"), library.layers.ReLU(dtype=policies, name="relu")]
    inside = library.Sequential([library.Input((4,)), *stack], name="model")
    attention = library.layers.MultiHeadAttention(2, 3, dtype=policies, name="mha")
    found = {}
    for part, x in ((alone, X), (inside, X), (attention, X[None])):
        y = part(x, x) if part is attention else part(x)
        found |= {w.path: str(w.dtype).split(".")[-1] for w in part.weights}
        found[part.name + "/result"] = str(y.dtype).split(".")[-1]
    inside.layers[0].dtype_policy = "float64"
    found |= {"now": inside.layers[0].compute_dtype, "keys": {key: policies[key].name for key in policies}}
    return found


@pytest.mark.filterwarnings("ignore")
def test_a_map_gives_layers_policies_by_their_paths(real_keras):
    assert by_path(keras) == by_path(real_keras)


@pytest.mark.filterwarnings("ignore")
def test_maps_are_written_as_keras_writes_them(real_keras):
    configs = []
    for library in (keras, real_keras):
        named = {key: library.DTypePolicy(name) for key, name in KEYS.items()}
        configs.append(library.dtype_policies.serialize(library.dtype_policies.DTypePolicyMap("float32", named)))
    assert configs[0] == configs[1]
    for config in (configs[1], {**configs[0], "config": {**configs[0]["config"], "default_policy": None}}):
        policies = dtype_policies.deserialize(config)
        assert dtype_policies.serialize(policies) == config
        layer = layers.Dense.from_config(layers.Dense(2, dtype=policies, name="dense").get_config())
        layer.build((None, 3))
        assert (layer.dtype_policy, layer.kernel.dtype.name) == (policies, "float16")


def test_what_a_map_refuses():
    policies = dtype_policies.DTypePolicyMap("float64", KEYS)
    assert (policies.name, policies.compute_dtype, len(policies)) == ("map_float64", "float64", 4)
    assert policies != dtype_policies.DTypePolicyMap("float64")
    assert policies == dtype_policies.DTypePolicyMap("float64", KEYS)
    assert "mapping=[('dense', 'float16')" in repr(policies)
    with pytest.raises(ValueError, match="dense already exist"):
        policies["dense"] = "float32"
    with pytest.raises(ValueError, match="Received"):
        policies["other"] = object()
    policies["m.*"] = "float16"
    with pytest.raises(ValueError, match="Path 'model/x' matches multiple dtype policy specification keys"):
        policies["model/x"]
    del policies["m.*"]
    assert policies["model/x"].name == "mixed_bfloat16"
    with pytest.raises(KeyError):
        del policies["model/x"]
    with pytest.raises(ValueError, match="cannot be a `DTypePolicyMap`"):
        dtype_policies.DTypePolicyMap(policies)
    with pytest.raises(TypeError, match="must be a dict. Received: policy_map=3"):
        dtype_policies.DTypePolicyMap(None, 3)
    with pytest.raises(TypeError, match="unhashable"):
        hash(policies)
