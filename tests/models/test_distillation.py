"""`Distiller` and its losses: what Keras's compute, in files too; what they refuse."""

import numpy as np
import pytest

import gpunet
from gpunet import layers
from gpunet.distillation import DistillationLoss, Distiller, FeatureDistillation, LogitsDistillation

X = np.random.default_rng(0).standard_normal((32, 4)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, (32,))


def classifier(library, units, name, outputs=3):
    stack = [library.layers.Dense(units, "relu", name="hidden"), library.layers.Dense(outputs, name="logits")]
    return library.Sequential([library.Input((4,)), *stack], name=name)


LOSSES = {
    "logits": lambda d: d.LogitsDistillation(temperature=2.0),
    "squares": lambda d: d.LogitsDistillation(loss="mse"),
    "features": lambda d: [d.FeatureDistillation("mae", "hidden", "hidden"), d.LogitsDistillation()],
    "mixed": lambda d: [d.FeatureDistillation(), d.FeatureDistillation("mse", "hidden"), d.LogitsDistillation(1.5)],
}
WEIGHTS = {"features": [0.3, 2.0], "mixed": None}


def distiller(library, kind, **options):
    units = 3 if kind == "mixed" else 5
    teacher, student = classifier(library, 5 if kind == "features" else units, "t"), classifier(library, units, "s")
    made = LOSSES[kind](library.distillation)
    return library.distillation.Distiller(teacher, student, made, WEIGHTS.get(kind), **options)


def compiled(model, library):
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(library.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("weight", [0.3, 0.0, 1.0])
def test_trains_as_in_keras(kind, weight, real_keras):
    models = [
        compiled(distiller(library, kind, student_loss_weight=weight), library) for library in (gpunet, real_keras)
    ]
    for part in ("teacher", "student"):
        getattr(models[0], part).set_weights(getattr(models[1], part).get_weights())
    taught = models[0].teacher.get_weights()
    found, expected = (m.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history for m in models)
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, err_msg=name)
    found, expected = (m.evaluate(X, Y, verbose=0, return_dict=True) for m in models)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(*(m.predict(X, verbose=0) for m in models), rtol=1e-4, atol=1e-5)
    for before, after in zip(taught, models[0].teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("kind", LOSSES)
def test_recorded_steps_and_files(kind, tmp_path):
    models = []
    for jit_compile in (True, False):
        gpunet.utils.set_random_seed(3)
        models.append(distiller(gpunet, kind))
        loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
        models[-1].compile("adam", loss, jit_compile=jit_compile)
    for _ in range(4):
        assert models[0].train_on_batch(X, Y) == models[1].train_on_batch(X, Y)
    models[0].save(tmp_path / "model.keras")
    copy = gpunet.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(X, verbose=0), models[0].predict(X, verbose=0))
    assert copy.train_on_batch(X, Y) == models[0].train_on_batch(X, Y)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", LOSSES)
def test_files_travel(kind, real_keras, tmp_path):
    for writer, reader in ((gpunet, real_keras), (real_keras, gpunet)):
        model = compiled(distiller(writer, kind), writer)
        model.train_on_batch(X, Y)
        model.save(tmp_path / "model.keras")
        copy = reader.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(copy.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(copy.teacher.get_weights()[0], model.teacher.get_weights()[0])


def test_structures_of_outputs():
    def two(name):
        x = gpunet.Input((4,))
        return gpunet.Model(x, [layers.Dense(3)(x), layers.Dense(2)(x)], name=name)

    loss = LogitsDistillation(loss=["mse", None])
    model = Distiller(two("t"), two("s"), loss)
    model.compile("sgd", ["mse", "mse"])
    targets = [np.zeros((32, 3), "float32"), np.zeros((32, 2), "float32")]
    logs = model.train_on_batch(X, targets, return_dict=True)
    (a, _), (b, _) = model.teacher(X), model.student(X)
    assert float(loss.compute_loss([a, None], [b, None])) == pytest.approx(float(np.mean((a - b) ** 2)) / 9, rel=1e-5)
    assert logs["total_loss"] == logs["loss"]
    with pytest.raises(ValueError, match="Loss structure mismatch"):
        LogitsDistillation().validate_outputs([a, a], [b, b])


class Wide(DistillationLoss):
    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        return teacher_outputs - student_outputs


class Own(gpunet.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher": 3}, "teacher must be a Model. Received: teacher=3"),
        ({"student": classifier(gpunet, 5, "s", 4)}, "output shapes are incompatible"),
        ({"distillation_losses": None}, "must be a distillation loss or a list of them. Received: None"),
        ({"distillation_losses": [Wide()], "distillation_loss_weights": [1, 2]}, "one entry for each of the 1"),
        ({"student_loss_weight": 1.5}, "between 0.0 and 1.0. Received: student_loss_weight=1.5"),
        ({"distillation_losses": FeatureDistillation("mse", "none")}, "In teacher model: No such layer: none"),
        ({"teacher": Own(), "distillation_losses": FeatureDistillation("mse", "x")}, "teacher model\\(s\\) appear"),
    ],
)
def test_wrong_arguments(change, message):
    teacher, student = classifier(gpunet, 5, "t"), classifier(gpunet, 5, "s")
    given = {"teacher": teacher, "student": student, "distillation_losses": LogitsDistillation()} | change
    with pytest.raises(ValueError, match=message):
        Distiller(**given)
    assert teacher.trainable


def test_wrong_losses():
    for wrong in ({"temperature": 0}, {"temperature": "x"}, {"loss": None}):
        with pytest.raises(ValueError, match="Received"):
            LogitsDistillation(**wrong)
    model = Distiller(classifier(gpunet, 5, "t"), classifier(gpunet, 5, "s"), Wide())
    with pytest.raises(ValueError, match="'loss' cannot be `None`"):
        model.compile("sgd")
    with pytest.raises(ValueError, match="metrics must be a list or tuple. Received: metrics='mse'"):
        model.compile("sgd", "mse", "mse")
    compiled(model, gpunet)
    with pytest.raises(ValueError, match=r"Wide.compute_loss must return a scalar. Received: shape=\(32, 3\)"):
        model.train_on_batch(X, Y)
    with pytest.raises(NotImplementedError, match="must implement compute_loss"):
        DistillationLoss().compute_loss(X, X)
