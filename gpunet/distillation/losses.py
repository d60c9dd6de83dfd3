"""How far a student's outputs, or those of its layers, are from a teacher's."""

from __future__ import annotations

from typing import Any

from gpunet import losses, ops, tree
from gpunet.serialization import Catalog, deserialize, serialize

catalog = Catalog("distillation loss", "keras.distillation")


class DistillationLoss:
    """The base: a subclass implements `compute_loss`."""

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """A scalar for the outputs of both models, tensors or structures of them."""
        raise NotImplementedError("Subclasses must implement compute_loss")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raise ValueError unless both have the same structure."""
        tree.assert_same_structure(_places(teacher_outputs), _places(student_outputs))

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raise ValueError for models that the loss is not for."""


class _ByOutput(DistillationLoss):
    """A loss for each output, None for those that do not count."""

    def __init__(self, loss: Any):
        self.loss = tree.map_structure(lambda one: losses.get(one) if isinstance(one, str) else one, loss)
        if all(one is None for one in tree.flatten(self.loss)):
            raise ValueError(f"The `loss` argument must contain at least one non-`None` value. Received: loss={loss!r}")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        super().validate_outputs(teacher_outputs, student_outputs)
        try:
            tree.assert_same_structure(_places(self.loss), _places(teacher_outputs))
        except ValueError as error:
            raise ValueError(f"Loss structure mismatch: {error}") from None

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum of the losses' means."""
        triples = zip(*map(tree.flatten, (self.loss, teacher_outputs, student_outputs)), strict=True)
        terms = [ops.mean(self._one(loss, ours, theirs)) for loss, ours, theirs in triples if loss is not None]
        return ops.sum(ops.stack(terms))

    def _one(self, loss: Any, teacher: Any, student: Any) -> Any:
        return loss(teacher, student)

    def get_config(self) -> dict[str, Any]:
        return {"loss": serialize(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss of a configuration."""
        return cls(**{**config, "loss": deserialize(config["loss"])})


@catalog.add
class FeatureDistillation(_ByOutput):
    """The distance between a layer's outputs in both models (Romero et al., arXiv:1412.6550).

    Args:
        loss: a loss or its name, or a structure like that of the outputs, with None for those that do not count.
        teacher_layer_name, student_layer_name: the layers of functional or Sequential models; the models' own outputs
            where the teacher's is None.

    Raises:
        ValueError: if all losses are None.
    """

    def __init__(self, loss: Any = "mse", teacher_layer_name: str | None = None, student_layer_name: str | None = None):
        super().__init__(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raise ValueError for a layer that is not there, and for one of a model without symbolic outputs."""
        named = {"teacher": (teacher, self.teacher_layer_name), "student": (student, self.student_layer_name)}
        if all(name is None for _, name in named.values()):
            return
        subclassed = [role for role, (model, _) in named.items() if getattr(model, "inputs", None) is None]
        if subclassed:
            raise ValueError(
                f"FeatureDistillation with specific layer names requires Functional or Sequential models. The "
                f"{' and '.join(subclassed)} model(s) appear to be subclassed (no symbolic inputs/outputs). Leave the "
                f"names out to compare final outputs, or use LogitsDistillation."
            )
        for role, (model, name) in named.items():
            try:
                if name is not None:
                    model.get_layer(name=name)
            except ValueError as error:
                raise ValueError(f"In {role} model: {error}") from None

    def get_config(self) -> dict[str, Any]:
        names = {"teacher_layer_name": self.teacher_layer_name, "student_layer_name": self.student_layer_name}
        return super().get_config() | names


@catalog.add
class LogitsDistillation(_ByOutput):
    """The distance between logits that were divided by a temperature (Hinton et al., arXiv:1503.02531).

    A `KLDivergence` compares their softmax and is multiplied by temperature².

    Args:
        temperature: above 0; the higher, the softer are the distributions.
        loss: a loss or its name, or a structure like that of the outputs, with None for those that do not count.

    Raises:
        ValueError: for another temperature, or if all losses are None.
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence"):
        super().__init__(loss)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float):
            raise ValueError(f"temperature must be a number. Received: temperature={temperature!r}")
        if temperature <= 0:
            raise ValueError(f"temperature must be positive. Received: temperature={temperature!r}")
        self.temperature = temperature

    def _one(self, loss: Any, teacher: Any, student: Any) -> Any:
        teacher, student = ops.divide(teacher, self.temperature), ops.divide(student, self.temperature)
        if isinstance(loss, losses.KLDivergence):
            return ops.mean(loss(ops.softmax(teacher), ops.softmax(student))) * self.temperature**2
        return loss(teacher, student)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.temperature, **super().get_config()}


def _places(structure: Any) -> Any:
    """The structure with 0 for each leaf."""
    return tree.map_structure(lambda _: 0, structure)
