"""What layers and inputs take as arguments, and what they say of wrong ones, in Keras's words."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import dtype_policies, layers
from gpunet.symbolic import KerasTensor


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dropout(0.5, noise_shape="all"), "a tuple or list of integers"),
        (lambda: layers.Dropout(0.5, noise_shape=3), "a tuple or list of integers"),
        (lambda: layers.Dropout(0.5, noise_shape=(2, 1.5)), "all elements to be integers or None"),
        (lambda: layers.Dropout(0.5, noise_shape=(2, 0)), "positive integers or None"),
        (lambda: layers.Cropping1D((1,)), r"an int or a \(low, high\) pair"),
        (lambda: layers.ZeroPadding1D("1"), "Received: padding='1'"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "tuple of 2 ints"),
        (lambda: layers.Reshape((-2, 5)), r"non-negative integer or -1.*target_shape=\(-2, 5\)"),
        (lambda: layers.Reshape((-1, -1)), "at most one unknown dimension"),
        (lambda: layers.Embedding(3.7, 8), "`input_dim` must be a positive integer"),
        (lambda: layers.Embedding(3, True), "`output_dim` must be a positive integer"),
        (lambda: layers.Wrapper("Dense"), "isn't a supported layer type"),
        (lambda: keras.Input((2,), batch_shape=(1, 2)), "cannot pass both `shape` and `batch_shape`"),
        (lambda: keras.Input(batch_size=4, batch_shape=(1, 2)), "cannot pass both `batch_size` and `batch_shape`"),
        (lambda: keras.Input(), "must pass a `shape`"),
        (lambda: keras.Input((2,), sparse=True), "`sparse=True` is not supported"),
        (lambda: keras.Input((2,), tensor=np.zeros(2)), "must be a KerasTensor"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "given", [{"shape": (4,)}, {"batch_shape": (2, 4)}, {"batch_size": 5}, {"dtype": "float16"}, {"sparse": True}]
)
def test_an_input_at_a_tensor_must_agree_with_it(given):
    with pytest.raises(ValueError, match=f"incompatible `{next(iter(given))}`"):
        layers.InputLayer(input_tensor=KerasTensor((2, 3), "float32"), **given)


def test_an_input_at_a_tensor_begins_a_model_there():
    tensor = KerasTensor((2, 3), "int32")
    layer = layers.InputLayer((3,), batch_size=2, dtype="int32", sparse=False, input_tensor=tensor)
    assert layer.output is tensor
    assert layer.dtype == "int32"
    assert layer.batch_shape == (2, 3)
    assert keras.Model(keras.Input(tensor=tensor), tensor + 1).predict(np.zeros((2, 3), "int32"))[0, 0] == 1


def test_an_input_layer_comes_back_from_its_configuration():
    layer = layers.InputLayer((3, None), batch_size=2, dtype="float16", optional=True)
    config = layer.get_config()
    assert (config["sparse"], config["ragged"]) == (False, False)
    assert layers.InputLayer.from_config(config).get_config() == config
    with pytest.warns(UserWarning, match="`input_shape` is deprecated"):
        assert layers.InputLayer(input_shape=(3,)).batch_shape == (None, 3)
    with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
        layers.InputLayer((3,), shapes=(3,))


def test_reshape_knows_its_shape_where_the_inputs_is_unknown():
    assert layers.Reshape((3, 5))(keras.Input(batch_shape=(2, None), dtype="int32")).shape == (2, 3, 5)
    unknown = layers.Reshape((-1, 8))(keras.Input((None, 4), dtype="int32"))
    assert unknown.shape == (None, None, 8)
    assert unknown.dtype == "int32"
    assert layers.Reshape((-1, 8))(keras.Input((6, 4))).shape == (None, 3, 8)


def test_a_layers_policy_may_be_set_by_name_also_after_a_call():
    layer = layers.Dense(2)
    x = keras.Tensor(np.ones((1, 3), "float32"))
    assert [str(layer(x).dtype) for _ in range(2)] == ["float32"] * 2  # the second takes the quick path
    layer.dtype_policy = "mixed_bfloat16"
    assert layer.dtype_policy == dtype_policies.DTypePolicy("mixed_bfloat16")
    assert layer(x).dtype == "bfloat16"
    assert layer.kernel.dtype == "float32"


def test_policies_are_written_and_read():
    policy = dtype_policies.DTypePolicy("mixed_float16")
    written = dtype_policies.serialize(policy)
    assert dtype_policies.deserialize(written) == policy
    assert layers.Dense(1, dtype=policy).get_config()["dtype"] == written


def test_build_says_which_of_its_parameters_fits_nothing():
    class NoSuffix(layers.Layer):
        def build(self, a_shape, b): ...

        def call(self, a, b):
            return a + b

    class Unmatched(NoSuffix):
        def build(self, a_shape, c_shape): ...

    x = np.ones((1, 2), "float32")
    with pytest.raises(ValueError, match="argument `b`, which does not end in `_shape`"):
        NoSuffix()(x, x)
    with pytest.raises(ValueError, match=r"`c_shape`, but `call\(\)` does not have argument `c`"):
        Unmatched()(x, x)


def test_a_layer_without_call_says_what_it_lacks():
    for method in ("call", "compute_output_shape"):
        with pytest.raises(NotImplementedError, match=f"does not have a `{method}` method implemented"):
            getattr(layers.Layer(), method)((1, 2))


def test_variables_of_a_model_by_add_variable():
    model = keras.Sequential([layers.Dense(1)])
    variable = model.add_variable((2,), "zeros", trainable=False, name="steps")
    assert variable.shape == (2,)
    assert variable in model.non_trainable_variables


def test_a_metric_of_one_class_is_a_number_in_logs():
    model = keras.Sequential([layers.Dense(1)])
    model.compile(loss="mse", metrics=[keras.metrics.F1Score(threshold=0.5)])
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    assert isinstance(model.fit(x, y, verbose=0).history["f1_score"][0], float)
