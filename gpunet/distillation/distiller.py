"""`Distiller`: a model that trains a student by a teacher's outputs."""

from __future__ import annotations

import warnings
from typing import Any

from gpunet import losses, metrics, ops, tree
from gpunet.distillation.losses import catalog
from gpunet.models import Model
from gpunet.serialization import deserialize, serialize

FINAL = "final_output"


@catalog.add
class Distiller(Model):
    """A student that learns from labels and from a teacher, which it is not to change.

    The loss is w · student's loss + (1 − w) · Σ weight · distillation loss, where w is `student_loss_weight`. Calls and
    predictions are the student's; save that one: `distiller.student`.

    Args:
        teacher, student: models with inputs and outputs of the same shapes and dtypes.
        distillation_losses: one, or a list of them.
        distillation_loss_weights: a number for each in the list, 1 where None.
        student_loss_weight: from 0 to 1.

    Raises:
        ValueError: for anything else.

    Example:
        >>> distiller = Distiller(teacher, student, LogitsDistillation(temperature=4.0))
        >>> distiller.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> distiller.fit(x, y)
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Any = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        _check_models(teacher, student)
        several = isinstance(distillation_losses, list | tuple)
        given = list(distillation_losses) if several else [distillation_losses]
        if not given or any(loss is None for loss in given):
            raise ValueError(
                f"'distillation_losses' must be a distillation loss or a list of them. Received: {distillation_losses}"
            )
        weights = distillation_loss_weights if several and distillation_loss_weights is not None else [1.0] * len(given)
        if len(weights) != len(given):
            raise ValueError(
                f"distillation_loss_weights must have one entry for each of the {len(given)} distillation_losses. "
                f"Received: distillation_loss_weights={distillation_loss_weights!r}"
            )
        _check_weight(student_loss_weight)
        for loss in given:
            loss.validate_model_compatibility(teacher, student)
        self.teacher = teacher
        self.student = student
        self.student_loss_weight = student_loss_weight
        self.distillation_losses = given
        self.distillation_loss_weights = list(weights)
        self._teacher_feature_extractor = _extractor(teacher, [_layer_of(loss, "teacher") for loss in given])
        self._student_feature_extractor = _extractor(student, [_layer_of(loss, "student") for loss in given])
        self.teacher.trainable = False
        self._student_loss: Any = None
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def compile(self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Choose how to train; `loss` is the student's own, for the labels.

        Raises:
            ValueError: without a loss.
        """
        if loss is None:
            raise ValueError("'loss' cannot be `None`.")
        if metrics is not None and not isinstance(metrics, list | tuple):
            raise ValueError(f"metrics must be a list or tuple. Received: metrics={metrics!r}")
        found = tree.map_structure(lambda one: losses.get(one) if isinstance(one, str) else one, loss)
        super().compile(optimizer=optimizer, loss=None, metrics=metrics, **kwargs)
        object.__setattr__(self, "_student_loss", found)
        self._given_to_compile["loss"] = loss

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the configuration says; not where it has no loss, which Keras does not write."""
        if config.get("loss") is None:
            warnings.warn("The distiller is not compiled: its file does not name the student's loss.", stacklevel=2)
            return
        super().compile_from_config(config)

    def call(self, inputs: Any, training: bool | None = None, **kwargs: Any) -> Any:
        return self.student(inputs, training=training, **kwargs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The weighted sum of the student's loss and the distillation losses; sample weights do not count."""
        if y_pred is None:
            y_pred = self(x, training=training)
        weight, own, distilled = self.student_loss_weight, 0.0, 0.0
        if weight > 0 and y is not None:
            triples = zip(*map(tree.flatten, (self._student_loss, y, y_pred)), strict=True)
            own = ops.sum(ops.stack([ops.mean(loss(target, output)) for loss, target, output in triples]))
        if weight < 1:
            distilled = self._distilled(x, y_pred, training)
        total = ops.add(ops.multiply(weight, own), ops.multiply(1.0 - weight, distilled))
        self.student_loss_tracker.update_state(own)
        self.distillation_loss_tracker.update_state(distilled)
        self.total_loss_tracker.update_state(total)
        return total

    def _distilled(self, x: Any, y_pred: Any, training: bool) -> Any:
        if self._teacher_feature_extractor is None:
            taught = {FINAL: self.teacher(x, training=False)}
        else:
            taught = self._teacher_feature_extractor(x, training=False)
        learnt = {FINAL: y_pred}
        if self._student_feature_extractor is not None:
            learnt |= self._student_feature_extractor(x, training=training) | learnt
        total = 0.0
        for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights):
            by_layer = _layer_of(loss, "teacher") is not None
            outputs = taught[_layer_of(loss, "teacher") or FINAL]
            answers = learnt[(by_layer and _layer_of(loss, "student")) or FINAL]
            loss.validate_outputs(outputs, answers)
            value = loss.compute_loss(outputs, answers)
            if getattr(value, "shape", ()) != ():
                raise ValueError(
                    f"{type(loss).__name__}.compute_loss must return a scalar. Received: shape={tuple(value.shape)}"
                )
            total = ops.add(total, ops.multiply(weight, value))
        return total

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "teacher": serialize(self.teacher),
            "student": serialize(self.student),
            "distillation_losses": [serialize(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The distiller of a configuration, with both models."""
        names = ("teacher", "student", "distillation_losses")
        return cls(**{**config, **{name: deserialize(config[name], custom_objects) for name in names}})


def _layer_of(loss: Any, role: str) -> str | None:
    """The layer of the teacher or of the student that a loss looks at, or None."""
    return getattr(loss, f"{role}_layer_name", None) or None


def _extractor(model: Any, names: list[str | None]) -> Any:
    """A model that gives the outputs of these layers, by name, beside its own; None for no layers."""
    wanted = [name for name in names if name]
    if not wanted:
        return None
    last = model.layers[-1].output if hasattr(model, "_stack") else model.output
    outputs = {FINAL: last} | {name: model.get_layer(name=name).output for name in wanted}
    return Model(inputs=model.inputs, outputs=outputs, name=f"{model.name}_multi_feature_extractor")


def _check_weight(weight: Any) -> None:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise ValueError(
            f"student_loss_weight must be a number between 0.0 and 1.0. Received: student_loss_weight={weight!r}"
        )


def _check_models(teacher: Any, student: Any) -> None:
    """Raise ValueError unless both are models whose symbolic inputs and outputs, if they have any, fit."""
    for role, model in (("teacher", teacher), ("student", student)):
        if not isinstance(model, Model):
            raise ValueError(f"{role} must be a Model. Received: {role}={model!r} (of type {type(model).__name__})")
    for what in ("inputs", "outputs"):
        pair: list[Any] = [getattr(model, what, None) for model in (teacher, student)]
        if None in pair:
            continue
        shapes, dtypes = ([[getattr(x, key) for x in tensors] for tensors in pair] for key in ("shape", "dtype"))
        if len(shapes[0]) != len(shapes[1]) or not all(map(_fits, *shapes)):
            raise ValueError(
                f"Teacher and student {what[:-1]} shapes are incompatible. Teacher: {shapes[0]}, Student: {shapes[1]}."
            )
        if dtypes[0] != dtypes[1]:
            raise ValueError(
                f"Teacher and student {what[:-1]} dtypes must match. Teacher: {dtypes[0]}, Student: {dtypes[1]}."
            )


def _fits(one: tuple, other: tuple) -> bool:
    return len(one) == len(other) and all(n == m or None in (n, m) for n, m in zip(one, other))
