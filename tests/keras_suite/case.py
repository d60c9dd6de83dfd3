"""The test case class that Keras's tests derive from, made of public names of the library under test."""

import itertools
import json
import shutil
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np

from tests.keras_suite.layer_checks import LayerCheck


def make_testing(root: Any) -> Any:
    """What stands for the module `keras.src.testing` and its submodules, for the library `root`."""
    from absl.testing import parameterized

    class TestCase(_Assertions, parameterized.TestCase):
        library = root
        maxDiff = None

        def setUp(self):
            root.utils.clear_session(free_memory=False)

    libraries = ("", "jax_", "tensorflow_", "torch_")
    never = {f"{name}uses_{kind}": lambda: False for name in libraries for kind in ("gpu", "tpu")}
    module = types.SimpleNamespace(TestCase=TestCase, named_product=named_product, get_test_data=class_blobs, **never)
    module.test_case = module.test_utils = module
    return module


class _Assertions:
    """Comparisons of arrays and checks of classes; beside `unittest`'s."""

    library: Any

    def get_temp_dir(self) -> str:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def convert_to_numpy(self, x: Any) -> np.ndarray:
        tensors = (self.library.Variable, np.ndarray)
        is_tensor = isinstance(x, tensors) or self.library.ops.is_tensor(x)
        return self.library.ops.convert_to_numpy(x) if is_tensor else np.array(x)

    def assertAllClose(self, actual, desired, atol=1e-6, rtol=1e-6, tpu_atol=None, tpu_rtol=None, msg=None):
        arrays = self.convert_to_numpy(actual), self.convert_to_numpy(desired)
        np.testing.assert_allclose(*arrays, atol=atol, rtol=rtol, err_msg=msg or "")

    def assertNotAllClose(self, x1, x2, atol=1e-6, rtol=1e-6, msg=None):
        with self.assertRaises(AssertionError, msg=msg):
            self.assertAllClose(x1, x2, atol, rtol)

    def assertAlmostEqual(self, actual, desired, decimal=3, tpu_decimal=None, msg=None):
        arrays = self.convert_to_numpy(actual), self.convert_to_numpy(desired)
        np.testing.assert_almost_equal(*arrays, decimal=decimal, err_msg=msg or "")

    def assertAllEqual(self, actual, desired, msg=None):
        np.testing.assert_array_equal(self.convert_to_numpy(actual), self.convert_to_numpy(desired), err_msg=msg or "")

    def assertLen(self, iterable, expected_len, msg=None):
        self.assertEqual(len(iterable), expected_len, msg)

    def assertSparse(self, x, sparse=True):
        self.assertEqual(getattr(x, "sparse", False), sparse)

    def assertRagged(self, x, ragged=True):
        self.assertEqual(getattr(x, "ragged", False), ragged)

    def assertDType(self, x, dtype, msg=None):
        standardize = self.library.backend.standardize_dtype
        self.assertEqual(standardize(getattr(x, "dtype", type(x))), standardize(dtype), msg)

    def assertFileExists(self, path):
        self.assertTrue(Path(path).is_file(), f"{path} is not a file")

    def run_class_serialization_test(self, instance, custom_objects=None):
        """An object from its configuration, and one from its serialized JSON, have the configuration again."""
        saving = self.library.saving
        before = dir(instance)
        config = _json(instance.get_config())
        text = _json(saving.serialize_keras_object(instance))
        with saving.custom_object_scope(custom_objects or {}):
            copies = type(instance).from_config(instance.get_config()), saving.deserialize_keras_object(_parsed(text))
        for copy in copies:
            self.assertEqual(_json(copy.get_config()), config)
            self.assertEqual(({*dir(copy)} ^ {*before}) - {"__annotations__"}, set())
        return copies[-1]

    def run_layer_test(self, layer_cls, init_kwargs, **checks):
        """A layer's symbolic and eager call, weights, configuration, a training step and mixed precision."""
        LayerCheck(self, layer_cls, init_kwargs or {}, **checks).run()


def _json(value: Any) -> str:
    """The value as JSON that tells tuples from lists."""

    def marked(x: Any) -> Any:
        if isinstance(x, dict):
            return {key: marked(item) for key, item in x.items()}
        if isinstance(x, tuple):
            return {"tuple": [marked(item) for item in x]}
        return [marked(item) for item in x] if isinstance(x, list) else x

    return json.dumps(marked(value), sort_keys=True)


def _parsed(text: str) -> Any:
    return json.loads(text, object_hook=lambda x: tuple(x["tuple"]) if [*x] == ["tuple"] else x)


def named_product(*tests: Any, **values: Any) -> list[dict]:
    """All combinations of named parameter sets, each with the joined name of its parts."""
    axes = [*tests, *([{"testcase_name": _name(v), key: v} for v in options] for key, options in values.items())]
    found = []
    for parts in itertools.product(*reversed(axes)):
        parts = parts[::-1]
        name = "_".join(part["testcase_name"] for part in parts)
        found.append({key: value for part in parts for key, value in part.items()} | {"testcase_name": name})
    return found


def _name(value: Any) -> str:
    return getattr(value, "__name__", str(value)).lower()


def class_blobs(train_samples, test_samples, input_shape, num_classes, random_seed=None):
    """Noisy points around one random centre per class: `(x_train, y_train), (x_test, y_test)`."""
    random = np.random.RandomState(random_seed)
    centres = 2 * num_classes * random.random_sample((num_classes, *input_shape))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = random.permutation(np.arange(count) % num_classes)
        return (centres[labels] + random.normal(size=(count, *input_shape))).astype("float32"), labels.astype("int32")

    return draw(train_samples), draw(test_samples)
