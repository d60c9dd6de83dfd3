"""`KerasFileEditor`: weights that fit another model after an edit, as with Keras's."""

import numpy as np
import pytest

import gpunet
from gpunet import layers
from gpunet.saving import KerasFileEditor

ARRAY = np.ones((4, 2), "float32")


def model(names=("one", "two"), units=(4, 2)):
    stack = [layers.Dense(n, name=name) for n, name in zip(units, names)]
    return gpunet.Sequential([gpunet.Input((3,)), *stack, layers.BatchNormalization()])


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_renamed_and_replaced_objects_are_loaded(name, tmp_path, capsys):
    first = model()
    first.save(tmp_path / name) if name.endswith(".keras") else first.save_weights(tmp_path / name)
    editor = KerasFileEditor(tmp_path / name)
    assert editor.compare(first) == {"status": "success", "error_count": 0, "match_count": 8}
    editor.summary()
    printed = capsys.readouterr().out
    assert "Weights structure" in printed
    assert "0: shape=(3, 4), dtype=float32" in printed
    assert ("Saved with Keras" in printed) == name.endswith(".keras")
    editor.rename_object("dense_1", "other")
    assert editor.compare(first) == {"status": "error", "error_count": 2, "match_count": 6}
    editor.add_weights("other", {"0": np.zeros(3)})
    assert editor.compare(first)["error_count"] == 2
    editor.delete_object("layers/other")
    editor.add_object("layers/dense_1", {"0": ARRAY})
    editor.add_weights("dense_1", {"1": np.zeros(2), "2": np.zeros(1)})
    assert editor.compare(first)["error_count"] == 1
    editor.delete_weight("layers/dense_1", "2")
    assert editor.compare(first)["status"] == "success"
    editor.save(tmp_path / "new.weights.h5")
    second = model()
    second.load_weights(tmp_path / "new.weights.h5")
    np.testing.assert_array_equal(second.get_weights()[2], ARRAY)
    np.testing.assert_array_equal(second.get_weights()[0], first.get_weights()[0])


@pytest.mark.filterwarnings("ignore")
def test_keras_finds_and_reads_the_same(real_keras, tmp_path):
    first = model()
    first.save(tmp_path / "m.keras")
    ours, theirs = (e(str(tmp_path / "m.keras")) for e in (KerasFileEditor, real_keras.saving.KerasFileEditor))

    def shapes(group):
        return {k: shapes(v) if isinstance(v, dict) else v.shape for k, v in group.items()}

    assert shapes(ours.weights_dict) == shapes(theirs.weights_dict)
    for editor in (ours, theirs):
        editor.delete_object("layers/dense_1")
        editor.add_object("layers/dense_1", {"0": ARRAY, "1": np.zeros(2)})
    ours.save(tmp_path / "ours.weights.h5")
    theirs.save(str(tmp_path / "theirs.weights.h5"))
    for name in ("ours", "theirs"):
        assert KerasFileEditor(tmp_path / f"{name}.weights.h5").compare(first)["status"] == "success"
        assert real_keras.saving.KerasFileEditor(str(tmp_path / f"{name}.weights.h5")).weights_dict


def test_arrays_of_the_model_itself_and_other_dtypes(tmp_path):
    class Own(gpunet.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(), initializer="ones")
            self.inner = layers.Dense(2, dtype="bfloat16")

        def call(self, x):
            return self.inner(x) * self.scale

    first, second = Own(), Own()
    for m in (first, second):
        m(np.ones((1, 3), "float32"))
    first.scale.assign(5.0)
    first.save_weights(tmp_path / "m.weights.h5")
    KerasFileEditor(tmp_path / "m.weights.h5").save(tmp_path / "n.weights.h5")
    second.load_weights(tmp_path / "n.weights.h5")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_refused(tmp_path):
    gpunet.Sequential([gpunet.Input((3,)), model(units=(4, 3)), model(("a", "b"))]).save(tmp_path / "m.keras")
    editor = KerasFileEditor(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="expected a `.keras` or `.weights.h5` extension. Received: filepath=x.npz"):
        KerasFileEditor("x.npz")
    with pytest.raises(ValueError, match=r"expected a `.weights.h5` extension. Received: filepath=x.keras"):
        editor.save("x.keras")
    with pytest.raises(ValueError, match="'dense' occurs more than once"):
        editor.delete_object("dense")
    with pytest.raises(ValueError, match="'layers/none' not found"):
        editor.delete_object("layers/none")
    with pytest.raises(ValueError, match="Path 'none' not found"):
        editor.add_object("none/x", {})
    with pytest.raises(ValueError, match="not a path. Received: new_name='a/b'"):
        editor.rename_object("layers/sequential", "a/b")
    with pytest.raises(ValueError, match="should be a dict"):
        editor.add_object("x", [ARRAY])
    with pytest.raises(ValueError, match="Weight 7 not found in object layers/sequential/layers/dense"):
        editor.delete_weight("layers/sequential/layers/dense", "7")
