"""Pictures in files, and folders of them."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, utils

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path):
    """Two classes, five and three pictures, one of them deeper, and a file that is no picture."""
    for name, count in (("cats", 5), ("dogs", 3)):
        (tmp_path / name / "deep").mkdir(parents=True)
        for i in range(count):
            path = tmp_path / name / ("deep" if i == 0 else "") / f"{i}.png"
            Image.fromarray(np.full((6, 8, 3), 100 * (name == "dogs") + i, "uint8")).save(path)
    (tmp_path / "cats" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_stretched_from_0_to_255():
    for _ in range(20):
        stretched = np.asarray(utils.array_to_img(RNG.normal(size=(4, 4, 1))))
        assert (stretched.min(), stretched.max(), stretched.shape) == (0, 255, (4, 4))
    assert not np.asarray(utils.array_to_img(np.ones((4, 4, 1)))).any()


def test_a_picture_there_and_back(tmp_path):
    pixels = RNG.integers(0, 256, (5, 7, 3)).astype("uint8")
    path = tmp_path / "a.png"
    utils.save_img(path, pixels, scale=False)
    found = utils.img_to_array(utils.load_img(path))
    assert (found.dtype, found.shape) == ("float32", (5, 7, 3))
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(path), "channels_first"), pixels.transpose(2, 0, 1))
    assert utils.img_to_array(utils.load_img(path, "grayscale", (4, 3))).shape == (4, 3, 1)
    assert utils.img_to_array(utils.load_img(path, "rgba")).shape == (5, 7, 4)
    square = np.zeros((4, 8, 3), "uint8")
    square[:, 2:6] = 200
    utils.save_img(path, square, scale=False)
    middle = utils.img_to_array(utils.load_img(path, target_size=(2, 2), keep_aspect_ratio=True))
    np.testing.assert_array_equal(middle, np.full((2, 2, 3), 200))
    utils.save_img(tmp_path / "a.jpg", RNG.normal(size=(4, 4, 4)))
    with pytest.raises(ValueError, match="color_mode must be one of"):
        utils.load_img(path, "cmyk")
    with pytest.raises(ValueError, match="interpolation must be one of"):
        utils.load_img(path, interpolation="sharp")
    with pytest.raises(ValueError, match="Received: rank 2"):
        utils.array_to_img(np.ones((3, 3)))
    with pytest.raises(ValueError, match="Unsupported channel number. Received: 2"):
        utils.array_to_img(np.ones((3, 3, 2)))


def test_a_folder_of_classes(folder):
    data = utils.image_dataset_from_directory(folder, image_size=(3, 4), batch_size=4, shuffle=False)
    assert data.class_names == ["cats", "dogs"]
    assert len(data) == 2
    x, y = data[0]
    assert (x.shape, x.dtype, y.dtype) == ((4, 3, 4, 3), "float32", "int32")
    labels = np.concatenate([batch[1] for batch in data])
    np.testing.assert_array_equal(labels, [0] * 5 + [1] * 3)
    np.testing.assert_array_equal(data[1][0][1:, 0, 0, 0] // 100, [1, 1, 1])
    hot = utils.image_dataset_from_directory(folder, label_mode="categorical", class_names=["dogs", "cats"])
    assert hot[0][1].sum(0).tolist() == [3, 5]
    assert utils.image_dataset_from_directory(folder, label_mode="binary", batch_size=None)[0][1].shape == (8, 1)
    assert utils.image_dataset_from_directory(folder, label_mode=None)[0].shape == (8, 256, 256, 3)
    given = utils.image_dataset_from_directory(folder, labels=list(range(8)), shuffle=False)
    np.testing.assert_array_equal(given[0][1], np.arange(8))
    first = utils.image_dataset_from_directory(
        folder, labels=None, color_mode="grayscale", data_format="channels_first"
    )
    assert first[0].shape == (8, 1, 256, 256)


def test_parts_do_not_overlap(folder):
    options = {"validation_split": 0.25, "seed": 1, "image_size": (4, 4)}
    training, validation = utils.image_dataset_from_directory(folder, subset="both", **options)
    assert (len(training.file_paths), len(validation.file_paths)) == (6, 2)
    assert not set(training.file_paths) & set(validation.file_paths)
    again = utils.image_dataset_from_directory(folder, subset="validation", **options)
    assert again.file_paths == validation.file_paths
    with pytest.raises(ValueError, match="needs a `seed`"):
        utils.image_dataset_from_directory(folder, subset="training", validation_split=0.5)
    with pytest.raises(ValueError, match="go together"):
        utils.image_dataset_from_directory(folder, subset="training")
    with pytest.raises(ValueError, match="a part of the dataset would be empty"):
        utils.image_dataset_from_directory(folder, subset="both", validation_split=0.01, seed=1)


def test_a_model_learns_from_a_folder(folder):
    stack = [keras.Input((4, 4, 3)), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2, "softmax")]
    model = keras.Sequential(stack)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = utils.image_dataset_from_directory(folder, image_size=(4, 4), seed=0)
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    assert model.predict(data, verbose=0).shape == (8, 2)


def test_wrong_folders(folder, tmp_path):
    with pytest.raises(ValueError, match="expected a folder. Received: "):
        utils.image_dataset_from_directory(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No images found in directory"):
        utils.image_dataset_from_directory(tmp_path / "empty")
    with pytest.raises(ValueError, match="`label_mode` must be"):
        utils.image_dataset_from_directory(folder, label_mode="words")
    with pytest.raises(ValueError, match="Received: 2 labels for 8 files"):
        utils.image_dataset_from_directory(folder, labels=[0, 1])
