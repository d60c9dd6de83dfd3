"""What Keras's layer tests ask of a layer, by public names only."""

from typing import Any

import numpy as np

_COUNTED = ("trainable_weights", "non_trainable_weights", "non_trainable_variables", "seed_generators")


class LayerCheck:
    """One layer class with its arguments, its input and what is expected of it.

    Args:
        case: the test case, for its assertions.
        layer_cls: the class; `init_kwargs` are its arguments.
        input_shape, input_dtype, input_data: shapes to draw inputs for, or the inputs.
        **expected: what is to be found; what is not given is not checked.
    """

    def __init__(
        self,
        case: Any,
        layer_cls: type,
        init_kwargs: dict,
        input_shape: Any = None,
        input_dtype: Any = None,
        input_data: Any = None,
        input_sparse: bool = False,
        input_ragged: bool = False,
        call_kwargs: dict | None = None,
        custom_objects: dict | None = None,
        supports_masking: bool | None = None,
        run_training_check: bool = True,
        run_mixed_precision_check: bool = True,
        assert_built_after_instantiation: bool = False,
        tpu_atol: float | None = None,
        tpu_rtol: float | None = None,
        **expected: Any,
    ):
        if input_sparse or input_ragged:
            case.skipTest("sparse and ragged tensors are not public names")
        self.case, self.keras, self.tree = case, case.library, case.library.tree
        self.layer_cls, self.init_kwargs, self.call_kwargs = layer_cls, init_kwargs, call_kwargs or {}
        self.custom_objects, self.supports_masking = custom_objects, supports_masking
        self.training, self.mixed, self.stateless = (
            run_training_check,
            run_mixed_precision_check,
            assert_built_after_instantiation,
        )
        self.expected = expected
        self.named = isinstance(input_shape if input_data is None else input_data, dict)
        self.build_shape = input_shape
        if input_data is None and input_shape is not None:
            dtypes = input_dtype or _map_shapes(lambda s: "float32", input_shape)
            input_data = _map_shapes(self._draw, input_shape, dtypes)
            if self.named:
                input_data = {key.removesuffix("_shape"): value for key, value in input_data.items()}
        elif input_data is not None:
            self.build_shape = self.tree.map_structure(lambda x: tuple(x.shape), input_data)
        self.data = input_data

    def run(self) -> None:
        """All checks, in the order in which they are easiest to understand when they fail."""
        self.case.run_class_serialization_test(self._make(), self.custom_objects)
        if self.supports_masking is not None:
            self.case.assertEqual(self._make().supports_masking, self.supports_masking)
        if self.data is None:
            return
        self._check_build()
        outputs = self._check_symbolic_call()
        if self.stateless:
            self._check_built_from_the_start()
        outputs = self._check_eager_call()
        if self.training:
            self._train(outputs)
        if self.mixed:
            self._check_mixed_precision()

    def _draw(self, shape: tuple, dtype: str) -> Any:
        random = self.keras.random.uniform(shape, dtype="float32")
        return self.keras.ops.cast(random * 3, dtype)

    def _make(self, **more: Any) -> Any:
        return self.layer_cls(**{**self.init_kwargs, **more})

    def _call(self, layer: Any, inputs: Any) -> Any:
        return layer(**inputs, **self.call_kwargs) if self.named else layer(inputs, **self.call_kwargs)

    def _symbols(self, dtype_of=lambda x: x.dtype) -> Any:
        standardize = self.keras.backend.standardize_dtype
        return self.tree.map_structure(
            lambda x: self.keras.KerasTensor(x.shape, dtype=standardize(dtype_of(x))), self.data
        )

    def _check_build(self) -> None:
        layer = self._make()
        if isinstance(self.build_shape, dict):
            layer.build(**self.build_shape)
        else:
            layer.build(self.build_shape)
        self._check_weights(layer)

    def _check_symbolic_call(self) -> Any:
        layer, inputs = self._make(), self._symbols()
        outputs = self._call(layer, inputs)
        self._check_weights(layer)
        self._check_outputs(outputs)
        if self.expected.get("expected_mask_shape") is not None:
            self.case.assertEqual(layer.compute_mask(inputs).shape, self.expected["expected_mask_shape"])
        return outputs

    def _check_built_from_the_start(self) -> None:
        class WithBuild(self.layer_cls):
            def build(self, *args, **kwargs):
                pass

        self.case.assertTrue(self._make().built, "a layer without weights should be built after instantiation")
        self.case.assertFalse(WithBuild(**self.init_kwargs).built, "a layer with its own build() should not be built")

    def _check_eager_call(self) -> Any:
        layer = self._make()
        outputs = self._call(layer, self.data)
        self._check_weights(layer)
        self._check_outputs(outputs)
        expected = self.expected.get("expected_output")
        if expected is not None:
            for wanted, found in zip(self.tree.flatten(expected), self.tree.flatten(outputs), strict=True):
                self.case.assertAllClose(found, wanted, msg="unexpected output")
        if self.expected.get("expected_num_losses") is not None:
            self.case.assertLen(layer.losses, self.expected["expected_num_losses"])
        return outputs

    def _check_weights(self, layer: Any) -> None:
        self.case.assertTrue(layer.built)
        for name in _COUNTED:
            count = self.expected.get(f"expected_num_{name}")
            if count is not None:
                self.case.assertEqual(_count(layer, name), count, f"unexpected number of {name}")

    def _check_outputs(self, outputs: Any) -> None:
        shape, dtype = self.expected.get("expected_output_shape"), self.expected.get("expected_output_dtype")
        standardize = self.keras.backend.standardize_dtype
        if shape is not None:
            shapes = _flat_shapes(shape)
            for wanted, found in zip(shapes, self.tree.flatten(outputs), strict=True):
                equal = len(wanted) == len(found.shape) and all(w in (None, f) for w, f in zip(wanted, found.shape))
                self.case.assertTrue(equal, f"expected shape {wanted}. Received: {found.shape}")
        if dtype is not None:
            for wanted, found in zip(self.tree.flatten(dtype), self.tree.flatten(outputs), strict=True):
                self.case.assertEqual(standardize(found.dtype), wanted)

    def _train(self, outputs: Any) -> None:
        keras = self.keras

        class OneLayer(keras.Model):
            def __init__(self, layer):
                super().__init__()
                self.layer = layer

            def call(self, x, training=False):
                return self.layer(x, training=training)

        class Sum(keras.losses.Loss):
            def __call__(self, y_true, y_pred, sample_weight=None):
                return keras.ops.sum(y_pred)

        def batches():
            while True:
                yield self.tree.map_structure(keras.ops.convert_to_numpy, (self.data, outputs))

        model = OneLayer(self._make())
        model.compile("sgd", Sum(), jit_compile="auto")
        model.fit(batches(), steps_per_epoch=1, verbose=0)

    def _check_mixed_precision(self) -> None:
        layer = self._make(dtype="mixed_float16")
        is_float = self.keras.backend.is_float_dtype
        standardize = self.keras.backend.standardize_dtype

        def dtype_of(x: Any) -> str:
            return layer.compute_dtype if layer.autocast and is_float(standardize(x.dtype)) else x.dtype

        outputs = self._call(layer, self.data)
        symbols = self._symbols(dtype_of)
        specs = layer.compute_output_spec(**symbols) if self.named else layer.compute_output_spec(symbols)
        for found, wanted in zip(self.tree.flatten(outputs), self.tree.flatten(specs)):
            self.case.assertEqual(standardize(found.dtype), standardize(wanted.dtype))
        for weight in layer.weights:
            if is_float(standardize(weight.dtype)):
                self.case.assertEqual(standardize(weight.dtype), "float32")


def _count(layer: Any, name: str) -> int:
    if name == "seed_generators":  # their states are the variables that are neither weights nor metrics'
        others = {id(v) for v in (*layer.weights, *layer.metrics_variables)}
        return sum(id(v) not in others for v in layer.variables)
    return len(getattr(layer, name))


def _is_shape(x: Any) -> bool:
    return isinstance(x, list | tuple) and all(n is None or isinstance(n, int | np.integer) for n in x)


def _map_shapes(function: Any, shapes: Any, *others: Any) -> Any:
    if _is_shape(shapes):
        return function(tuple(shapes), *others)
    if isinstance(shapes, dict):
        return {key: _map_shapes(function, shape, *(o[key] for o in others)) for key, shape in shapes.items()}
    return type(shapes)(_map_shapes(function, shape, *rest) for shape, *rest in zip(shapes, *others))


def _flat_shapes(shapes: Any) -> list[tuple]:
    if _is_shape(shapes):
        return [tuple(shapes)]
    return [s for shape in (shapes.values() if isinstance(shapes, dict) else shapes) for s in _flat_shapes(shape)]
