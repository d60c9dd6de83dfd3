"""What training is made of, as calls that read the same in Keras and gpunet, in float64.

A case has a name and `run(library, random)`, which returns arrays by name. `random` is a RandomState, whose numbers are
the same in every NumPy: inputs need not be stored.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, Any]


@dataclass
class Case:
    """`run(library, random)` with random numbers that depend on name and seed."""

    name: str
    run: Callable[[Any, np.random.RandomState], Arrays]

    def values(self, library: Any, seed: int) -> dict[str, np.ndarray]:
        random = np.random.RandomState([seed, zlib.crc32(self.name.encode())])
        return {f"{self.name}/{key}": as_array(value) for key, value in self.run(library, random).items()}


CASES: list[Case] = []


def case(kind: str, name: str, run: Callable, **attributes: Any) -> None:
    """Add a case, named by what it calls and with which arguments."""
    words = [f"{k}={v}" for k, v in attributes.items()]
    CASES.append(Case(" ".join([kind, name, *words]), run))


def as_array(value: Any) -> np.ndarray:
    """Tensors of any library as NumPy arrays."""
    value = value.detach().cpu() if hasattr(value, "detach") and hasattr(value, "cpu") else value
    return np.asarray(value)


# Schedules: 40 steps.
def schedule(name: str, **attributes: Any) -> None:
    def run(library, random):
        schedule = getattr(library.optimizers.schedules, name)(**attributes)
        return {"rates": [float(schedule(step)) for step in range(40)]}

    case("schedule", name, run, **attributes)


schedule("ExponentialDecay", initial_learning_rate=0.1, decay_steps=7, decay_rate=0.6)
schedule("ExponentialDecay", initial_learning_rate=0.1, decay_steps=7, decay_rate=0.6, staircase=True)
schedule("InverseTimeDecay", initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5)
schedule("InverseTimeDecay", initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5, staircase=True)
schedule("PiecewiseConstantDecay", boundaries=[5, 11], values=[0.1, 0.05, 0.01])
schedule("PiecewiseConstantDecay", boundaries=[5], values=[0.1, 0.05])
schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=10)
schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=10, power=2.0, cycle=True)
schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=20, power=0.5, end_learning_rate=0.03)
schedule("CosineDecay", initial_learning_rate=0.1, decay_steps=15)
schedule("CosineDecay", initial_learning_rate=0.01, decay_steps=15, alpha=0.1, warmup_target=0.1, warmup_steps=5)
schedule("CosineDecay", initial_learning_rate=0.01, decay_steps=15, warmup_target=0.1)
schedule("CosineDecayRestarts", initial_learning_rate=0.1, first_decay_steps=6, t_mul=1.5, m_mul=0.8)
schedule("CosineDecayRestarts", initial_learning_rate=0.1, first_decay_steps=6, t_mul=1.0, alpha=0.2)


# Optimizers: 20 updates of a matrix and a vector, with another learning rate from the 13th on.
def optimizer(name: str, scale: float = 1.0, scheduled: bool = False, **attributes: Any) -> None:
    def run(library, random):
        options = dict(attributes)
        if scheduled:
            rate = {"initial_learning_rate": options["learning_rate"], "decay_steps": 5, "decay_rate": 0.5}
            options["learning_rate"] = library.optimizers.schedules.ExponentialDecay(**rate)
        made = getattr(library.optimizers, name)(**options)
        variables = [library.Variable(random.randn(*shape), dtype="float64") for shape in ((3, 4), (4,))]
        seen = []
        for step in range(20):
            if step == 12 and not scheduled:
                made.learning_rate = attributes["learning_rate"] * 0.3
            gradients = [library.ops.convert_to_tensor(random.randn(*v.shape) * scale) for v in variables]
            made.apply(gradients, variables)
            seen.append(np.concatenate([as_array(v.value).ravel() for v in variables]))
        return {"trajectory": [seen[i] for i in (0, 1, 11, 12, 19)]}

    case("optimizer", name, run, **attributes, scale=scale, scheduled=scheduled)


for _scale in (1.0, 1e-4):
    optimizer("SGD", _scale, learning_rate=0.1)
    optimizer("SGD", _scale, learning_rate=0.1, momentum=0.9)
    optimizer("SGD", _scale, learning_rate=0.05, momentum=0.9, nesterov=True)
    optimizer("RMSprop", _scale, learning_rate=0.01)
    optimizer("RMSprop", _scale, learning_rate=0.01, momentum=0.9, centered=True, rho=0.95)
    optimizer("Adam", _scale, learning_rate=0.01)
    optimizer("Adam", _scale, learning_rate=0.01, amsgrad=True, beta_1=0.5, beta_2=0.9, epsilon=1e-3)
    optimizer("Adagrad", _scale, learning_rate=0.1)
    optimizer("Adagrad", _scale, learning_rate=0.1, initial_accumulator_value=0.0, epsilon=1e-3)
    optimizer("Adadelta", _scale, learning_rate=1.0)
    optimizer("AdamW", _scale, learning_rate=0.01, weight_decay=0.1)
    optimizer("Adamax", _scale, learning_rate=0.01)
    optimizer("Nadam", _scale, learning_rate=0.01)
    optimizer("Ftrl", _scale, learning_rate=0.1, l1_regularization_strength=0.01)
    optimizer("Lion", _scale, learning_rate=0.001)
    optimizer("Lamb", _scale, learning_rate=0.01)
    optimizer("Adafactor", _scale, learning_rate=0.01)
    optimizer("Muon", _scale, learning_rate=0.01)
optimizer("Muon", learning_rate=0.1, momentum=0.8, nesterov=False, ns_steps=3, rms_rate=None, adam_lr_ratio=0.5)
optimizer("Muon", learning_rate=0.1, exclude_layers=["ari"], adam_weight_decay=0.1, weight_decay=None)
optimizer("Ftrl", learning_rate=0.1, learning_rate_power=-0.3, l2_regularization_strength=0.02, beta=0.3,
          l2_shrinkage_regularization_strength=0.05)  # fmt: skip
optimizer("Adafactor", learning_rate=0.1, beta_2_decay=-0.6, epsilon_2=0.5, clip_threshold=0.3)
optimizer("Nadam", learning_rate=0.1, clipnorm=1.0, weight_decay=0.1)
optimizer("Lamb", learning_rate=0.1, scheduled=True)
optimizer("SGD", learning_rate=0.1, momentum=0.5, weight_decay=0.01)
optimizer("SGD", learning_rate=0.1, clipnorm=0.7)
optimizer("SGD", learning_rate=0.1, clipvalue=0.3)
optimizer("SGD", learning_rate=0.1, global_clipnorm=0.7)
optimizer("Adam", learning_rate=0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3)
optimizer("SGD", learning_rate=0.1, momentum=0.9, scheduled=True)
optimizer("Adam", learning_rate=0.1, scheduled=True)


# Losses: values and gradients, with every reduction and with weights, one of which is 0.
def _gradient(library: Any, function: Callable, x: np.ndarray) -> Any:
    """The gradient of the sum of `function(x)`."""
    if library.__name__ == "gpunet":
        return library.grad(lambda p: library.ops.sum(function(p)))(library.Tensor(x))
    if library.backend.backend() == "jax":
        import jax

        return jax.grad(lambda p: library.ops.sum(function(p)))(jax.numpy.asarray(x))
    x = library.ops.convert_to_tensor(x).requires_grad_()
    library.ops.sum(function(x)).backward()
    return x.grad


def _softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def pairs(kind: str, random: np.random.RandomState, n: int = 6, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions that fit a kind of loss or metric."""
    if kind == "sequences":
        lengths = random.randint(1, 4, (n, 1))
        return np.where(np.arange(3) < lengths, random.randint(1, 5, (n, 3)), 0), random.randn(n, 7, 5) * 2
    labels, z = random.randint(0, classes, n), random.randn(n, classes) * 2
    sides, one_hot = random.randint(0, 2, (n, classes)) * 1.0, np.eye(classes)[labels]
    return {
        "numbers": (random.randn(n, classes), z),
        "positive": (random.uniform(0.1, 3, (n, classes)), random.uniform(0.1, 3, (n, classes))),
        "distributions": (_softmax(random.randn(n, classes)), _softmax(z)),
        "sides": (sides * 2 - 1, z),
        "binary": (sides, 1 / (1 + np.exp(-z))),
        "binary logits": (sides, z * 10),
        "classes": (one_hot, _softmax(z)),
        "classes logits": (one_hot, z * 10),
        "labels": (labels, _softmax(z)),
        "labels logits": (labels, z),
        "embeddings": (labels, z / np.sqrt((z * z).sum(-1, keepdims=True))),
        "indices": (labels, random.randint(0, classes, n)),
    }[kind]


def loss(name: str, kind: str, **attributes: Any) -> None:
    def run(library, random):
        y_true, y_pred = pairs(kind, random)
        weights = random.uniform(0, 2, len(y_pred)) * (np.arange(len(y_pred)) != 2)
        found = {}
        for reduction in ("sum_over_batch_size", "sum", "none", "mean_with_sample_weight"):
            for key, weight in (("", None), (" weighted", weights)):
                made = getattr(library.losses, name)(reduction=reduction, **attributes)
                if weight is not None and (made.name in WHOLE or attributes.get("axis") == 0):
                    continue  # not a value for each sample
                call = lambda p, made=made, weight=weight: made(y_true, p, sample_weight=weight)
                found[f"{reduction}{key}"] = call(library.ops.convert_to_tensor(y_pred))
                found[f"{reduction}{key} gradient"] = _gradient(library, call, y_pred)
        return found

    case("loss", name, run, data=kind, **attributes)


WHOLE = ("dice", "tversky")
for _name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "LogCosh", "CosineSimilarity"):
    loss(_name, "numbers")
loss("Huber", "numbers", delta=0.7)
loss("CosineSimilarity", "numbers", axis=0)
loss("MeanSquaredLogarithmicError", "positive")
loss("Poisson", "positive")
loss("KLDivergence", "distributions")
for _name in ("Hinge", "SquaredHinge"):
    loss(_name, "sides")
    loss(_name, "binary")
loss("CategoricalHinge", "classes")
loss("BinaryCrossentropy", "binary")
loss("BinaryCrossentropy", "binary logits", from_logits=True, label_smoothing=0.2)
loss("BinaryFocalCrossentropy", "binary", gamma=1.5, apply_class_balancing=True)
loss("BinaryFocalCrossentropy", "binary logits", from_logits=True, label_smoothing=0.1)
loss("CategoricalCrossentropy", "classes")
loss("CategoricalCrossentropy", "classes logits", from_logits=True, label_smoothing=0.1)
loss("CategoricalFocalCrossentropy", "classes", alpha=0.4, gamma=1.5)
loss("CategoricalFocalCrossentropy", "classes logits", from_logits=True, label_smoothing=0.1)
loss("SparseCategoricalCrossentropy", "labels")
loss("SparseCategoricalCrossentropy", "labels logits", from_logits=True, ignore_class=1)
loss("CategoricalGeneralizedCrossEntropy", "labels", q=0.3)
loss("CTC", "sequences")
loss("Dice", "binary")
loss("Dice", "binary", axis=(1,))
loss("Tversky", "binary", alpha=0.3, beta=0.8)
loss("Circle", "embeddings", gamma=20.0)
loss("Circle", "embeddings", gamma=5.0, margin=0.2, remove_diagonal=False)


# Metrics: the result after each of three batches, with and without weights.
def metric(name: str, kind: str, **attributes: Any) -> None:
    def run(library, random):
        found = {}
        for weighted in (False, True):
            made = getattr(library.metrics, name)(**attributes)
            results = []
            for batch in range(3):
                y_true, y_pred = pairs(kind, random, n=5 + 2 * batch)
                weights = random.uniform(0, 2, len(y_pred)) if weighted else None
                made.update_state(y_true, y_pred, sample_weight=weights)
                results.append(as_array(made.result()).copy())  # Keras may return its own storage
            found["weighted" if weighted else "plain"] = results
        return found

    case("metric", name, run, data=kind, **attributes)


for _name in """MeanSquaredError RootMeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError LogCoshError
        CosineSimilarity PearsonCorrelation ConcordanceCorrelation R2Score""".split():
    metric(_name, "numbers")
metric("MeanSquaredLogarithmicError", "positive")
metric("Poisson", "positive")
metric("KLDivergence", "distributions")
metric("Accuracy", "indices")
metric("BinaryAccuracy", "binary", threshold=0.4)
metric("CategoricalAccuracy", "classes")
metric("SparseCategoricalAccuracy", "labels")
metric("TopKCategoricalAccuracy", "classes", k=2)
metric("SparseTopKCategoricalAccuracy", "labels", k=2)
for _name in ("Hinge", "SquaredHinge"):
    metric(_name, "binary")
metric("CategoricalHinge", "classes")
metric("BinaryCrossentropy", "binary logits", from_logits=True, label_smoothing=0.1)
metric("CategoricalCrossentropy", "classes", label_smoothing=0.1)
metric("SparseCategoricalCrossentropy", "labels logits", from_logits=True)
for _name in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"):
    metric(_name, "binary")
    metric(_name, "binary", thresholds=[0.2, 0.6])
for _name in ("Precision", "Recall"):
    metric(_name, "binary")
    metric(_name, "binary", thresholds=[0.0, 0.3, 0.8])
    metric(_name, "binary", top_k=2)
    metric(_name, "binary", class_id=1)
metric("SensitivityAtSpecificity", "binary", specificity=0.4)
metric("SpecificityAtSensitivity", "binary", sensitivity=0.4, num_thresholds=20)
metric("PrecisionAtRecall", "binary", recall=0.6)
metric("RecallAtPrecision", "binary", precision=0.6)
for _curve in ("ROC", "PR", "PRGAIN"):
    for _method in ("interpolation", "minoring", "majoring"):
        metric("AUC", "binary", num_thresholds=30, curve=_curve, summation_method=_method)
metric("AUC", "binary", thresholds=[0.3, 0.4, 0.9])
metric("AUC", "binary logits", from_logits=True)
metric("AUC", "binary", multi_label=True, num_thresholds=20)
metric("AUC", "binary", multi_label=True, num_labels=4, label_weights=[1.0, 2.0, 0.5, 1.0], curve="PR")
metric("SparseCategoricalCrossentropy", "labels", ignore_class=1)
metric("IoU", "indices", num_classes=4, target_class_ids=[0, 2], dtype="float64")
metric("MeanIoU", "indices", num_classes=4, ignore_class=1, dtype="float64")
metric("OneHotIoU", "classes", num_classes=4, target_class_ids=[1, 3], dtype="float64")
metric("OneHotMeanIoU", "classes", num_classes=4, dtype="float64")
for _average in (None, "micro", "macro", "weighted"):
    metric("F1Score", "classes", average=_average)
    metric("FBetaScore", "binary", average=_average, beta=2.0, threshold=0.5)
metric("R2Score", "numbers", class_aggregation=None)
metric("R2Score", "numbers", class_aggregation="variance_weighted_average", num_regressors=2)


# Activations that are no ops of gpunet's.
def activation(name: str, **attributes: Any) -> None:
    def run(library, random):
        x = random.randn(4, 5) * 2
        call = lambda x: getattr(library.activations, name)(x, **attributes)
        return {"value": call(library.ops.convert_to_tensor(x)), "gradient": _gradient(library, call, x)}

    case("activation", name, run, **attributes)


for _name in ("sparse_plus", "sparse_sigmoid", "squareplus"):
    activation(_name)


# Initializers without randomness.
def initializer(name: str, shape: tuple[int, ...], **attributes: Any) -> None:
    def run(library, random):
        return {"value": getattr(library.initializers, name)(**attributes)(shape, dtype="float64")}

    case("initializer", name, run, shape=shape, **attributes)


initializer("Identity", (3, 5), gain=2.0)
initializer("STFT", (16, 1, 9))
initializer("STFT", (12, 1, 17), side="imag", window="hamming", scaling="spectrum", periodic=True)
initializer("STFT", (12, 1, 17), side="imag", window=None)
