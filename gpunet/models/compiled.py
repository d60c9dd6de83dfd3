"""What `compile` was given, matched to the model's outputs: the loss and the metrics of every output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet import losses, metrics, ops, tree
from gpunet.losses.loss import Loss, LossFunctionWrapper
from gpunet.metrics.metric import Mean, MeanMetricWrapper, Metric


def match(given: Any, y_pred: Any, names: list[str] | None, what: str) -> list[Any]:
    """One entry of `given` per output: a single value for a single output, else a list, or a dict by output name.

    Raises:
        ValueError: if the number of entries or a name does not fit the outputs.
        KeyError: if a loss is for a key that a dict of outputs does not have.
    """
    count = len(tree.flatten(y_pred))
    if isinstance(given, dict):
        keys = tree.sorted_keys(y_pred) if isinstance(y_pred, dict) else names or []
        unknown = [key for key in given if key not in keys]
        if unknown:
            missing = KeyError if what == "loss" and isinstance(y_pred, dict) else ValueError  # as Keras
            raise missing(
                f"In the dict argument `{what}`, key {unknown[0]!r} does not correspond to an output. Outputs: {keys}"
            )
        return [given.get(key) for key in keys]
    if isinstance(given, list | tuple) and (count > 1 or len(given) == 1):
        if len(given) != count:
            raise ValueError(f"`{what}` must have one entry per output. Received: {len(given)} for {count} outputs")
        return list(given)
    return [given] * count


class CompileLoss:
    """The total loss: a weighted sum of each output's loss.

    Args:
        loss: a loss, its name, a function, or a list or dict of them by output.
        loss_weights: a number per output.
        output_names: names of the outputs of a functional model.
    """

    def __init__(self, loss: Any, loss_weights: Any = None, output_names: list[str] | None = None):
        self.user_loss = loss
        self.user_weights = loss_weights
        self.output_names = output_names
        self.losses: list[Callable | None] | None = None
        self.weights: list[float | None] = []
        self.trackers: list[Mean] = []
        self.listed: list[Mean] = []  # the trackers in the order in which `evaluate` lists them
        for entry in tree.flatten(loss):  # what cannot work should fail in compile(), not in the first batch
            if not _by_shape(entry, _CROSSENTROPY):
                as_loss(entry)
        for weight in tree.flatten(loss_weights):
            if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float | np.number)):
                raise ValueError(f"`loss_weights` must be numbers. Received: loss_weights={loss_weights!r}")

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Match losses to outputs; "crossentropy" becomes the kind that fits the shapes."""
        given = match(self.user_loss, y_pred, self.output_names, "loss")
        targets = self._targets(given, y_true, y_pred)
        self.losses = [
            as_loss(_CROSSENTROPIES[_kind(y, output)] if _by_shape(entry, _CROSSENTROPY) else entry)
            for entry, y, output in zip(given, targets, tree.flatten(y_pred))
        ]
        self.weights = match(self.user_weights, y_pred, self.output_names, "loss_weights")
        if sum(loss is not None for loss in self.losses) > 1:
            names = _names(y_pred, self.output_names)
            self.trackers = [Mean(name=f"{name}_loss") for name, loss in zip(names, self.losses) if loss is not None]
            self.listed = self.trackers
            if isinstance(self.user_loss, dict) and isinstance(y_pred, dict):  # as Keras: in the order of that dict
                places = {f"{name}_loss": i for i, name in enumerate(self.user_loss)}
                self.listed = sorted(self.trackers, key=lambda tracker: places.get(tracker.name, 0))

    def _targets(self, losses: list[Any], y_true: Any, y_pred: Any) -> list[Any]:
        """The target of each output; those without a loss need none."""
        leaves = tree.flatten(y_true)
        needed = [loss is not None for loss in losses]
        if not isinstance(y_true, dict) and len(leaves) == sum(needed) < len(losses):
            queue = iter(leaves)
            return [next(queue) if wanted else None for wanted in needed]
        return align(y_true, y_pred, self.output_names, "y")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if self.losses is None:
            self.build(y_true, y_pred)
        losses = self.losses or []
        outputs = tree.flatten(y_pred)
        targets = self._targets(losses, y_true, y_pred)
        weights = align(sample_weight, y_pred, self.output_names, "sample_weight")
        total: Any = None
        trackers = iter(self.trackers)
        for i, (loss, scale, y, output, weight) in enumerate(zip(losses, self.weights, targets, outputs, weights)):
            if loss is None:
                continue
            if y is None:
                which = f" for output {_names(y_pred, self.output_names)[i]!r}" if len(outputs) > 1 else ""
                raise ValueError(f"A loss was given to compile(), but there are no targets `y`{which}.")
            value = loss(y, output, weight)
            if self.trackers:
                next(trackers).update_state(value, sample_weight=float(output.shape[0]))
            value = value if scale is None else value * float(scale)
            total = value if total is None else ops.add(total, value)
        return total


def align(structure: Any, y_pred: Any, names: list[str] | None, what: str) -> list[Any]:
    """The leaves of `structure` in the order of the outputs, None for those that a dict leaves out.

    One weight serves all outputs.

    Raises:
        ValueError: if there are neither one nor as many as outputs.
    """
    count = len(tree.flatten(y_pred))
    if isinstance(structure, dict):
        keys = tree.sorted_keys(y_pred) if isinstance(y_pred, dict) else names or []
        if len(keys) == count:
            return [structure.get(key) for key in keys]
    leaves = tree.flatten(structure)
    if len(leaves) == count:
        return leaves
    if len(leaves) == 1 and (leaves[0] is None or what == "sample_weight"):
        return leaves * count
    raise ValueError(f"`{what}` must have one array per output. Received: {len(leaves)} for {count} outputs")


def _names(y_pred: Any, output_names: list[str] | None) -> list[str]:
    """What the outputs are called in logs: by the keys of a dict, else by the layers that made them."""
    return output_names if output_names and not isinstance(y_pred, dict) else _default_names(y_pred)


def _default_names(y_pred: Any) -> list[str]:
    if isinstance(y_pred, dict):
        return [str(key) for key in tree.sorted_keys(y_pred)]
    return [f"output_{i}" for i in range(len(tree.flatten(y_pred)))]


def as_loss(identifier: Any) -> Any:
    """A callable `(y_true, y_pred, sample_weight)` with a scalar value, or None.

    Raises:
        ValueError: if nothing has that name.
    """
    if identifier is None:
        return None
    found = losses.get(identifier)
    return found if isinstance(found, Loss) else LossFunctionWrapper(found)


class CompileMetrics(Metric):
    """The metrics of every output: `metrics` unweighted, `weighted_metrics` with the sample weights."""

    def __init__(self, given: Any, weighted: Any, output_names: list[str] | None = None):
        super().__init__(name="compile_metrics")
        for what, value in (("metrics", given), ("weighted_metrics", weighted)):
            if value and not isinstance(value, list | tuple | dict):
                raise ValueError(f"`{what}` must be a list, tuple or dict. Received: {what}={value!r}")
        self.given = given
        self.weighted = weighted
        self.output_names = output_names
        self.plain: list[list[Metric]] | None = None
        self.with_weights: list[list[Metric]] = []
        self.prefixes: list[str] = []
        for entry in [*tree.flatten(given), *tree.flatten(weighted)]:
            check_metric(entry)

    @property
    def metrics(self) -> list[Metric]:
        return [m for output in [*(self.plain or []), *self.with_weights] for m in output]

    @property
    def variables(self) -> list[Any]:
        return [v for m in self.metrics for v in m.variables]

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    def results(self) -> dict[str, Metric]:
        """The metrics by the names of their results, as Keras makes them unique."""
        found: dict[str, Metric] = {}
        repeats: dict[str, int] = {}
        for weighted, groups in (("", self.plain or []), ("weighted_", self.with_weights)):
            for prefix, metrics_of_output in zip(self.prefixes, groups):
                for metric in metrics_of_output:
                    name = prefix + metric.name
                    name = f"{prefix}{weighted}{metric.name}" if name in found else name
                    repeats[name] = repeats.get(name, -1) + 1
                    found[name if not repeats[name] else f"{name}_{repeats[name]}"] = metric
        return found

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, metric in self.results().items():
            value = metric.result()
            found.update(value if isinstance(value, dict) else {name: value})
        return found

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Match metrics to outputs; "accuracy" becomes the kind that fits the shapes."""
        outputs = tree.flatten(y_pred)
        targets = align(y_true, y_pred, self.output_names, "y")
        names = _names(y_pred, self.output_names)
        self.prefixes = [f"{name}_" for name in names] if len(outputs) > 1 else [""]
        self.plain = self._match(self.given, y_pred, targets, outputs)
        self.with_weights = self._match(self.weighted, y_pred, targets, outputs)

    def _match(self, given, y_pred, targets, outputs):
        several = len(outputs) > 1
        nested = isinstance(given, list | tuple) and not (several and any(isinstance(g, list) for g in given))
        entries = [given] * len(outputs) if nested else match(given, y_pred, self.output_names, "metrics")
        found = []
        for entry, y, output in zip(entries, targets, outputs):
            listed = entry if isinstance(entry, list | tuple) else [entry]
            left_out = y is None and len(outputs) > 1  # an output whose target is not given has no metrics
            found.append([] if left_out else [as_metric(m, y, output) for m in listed if m is not None])
        return found

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.plain is None:
            self.build(y_true, y_pred)
        outputs = tree.flatten(y_pred)
        targets = align(y_true, y_pred, self.output_names, "y")
        weights = align(sample_weight, y_pred, self.output_names, "sample_weight")
        for plain, weighted, y, output, w in zip(self.plain or [], self.with_weights, targets, outputs, weights):
            for metric in plain:
                metric.update_state(y, output)
            for metric in weighted:
                metric.update_state(y, output, sample_weight=w)


# Names that stand for several kinds, in the order of `_kind`.
_ACCURACY = ("accuracy", "acc")
_ACCURACIES = (metrics.BinaryAccuracy, metrics.CategoricalAccuracy, metrics.SparseCategoricalAccuracy)
_CROSSENTROPY = ("crossentropy", "ce")
_CROSSENTROPIES = (
    losses.binary_crossentropy,
    losses.categorical_crossentropy,
    losses.sparse_categorical_crossentropy,
)


def _by_shape(identifier: Any, names: tuple[str, ...]) -> bool:
    return isinstance(identifier, str) and identifier.lower() in names


def check_metric(identifier: Any) -> None:
    """Raise ValueError if nothing has that name."""
    if not _by_shape(identifier, (*_ACCURACY, *_CROSSENTROPY)):
        metrics.get(identifier)


def as_metric(identifier: Any, y_true: Any, y_pred: Any) -> Metric:
    """A metric for an object, a function or a name; "accuracy" and "crossentropy" depend on the shapes."""
    if isinstance(identifier, Metric):
        return identifier
    if _by_shape(identifier, _ACCURACY):
        return _ACCURACIES[_kind(y_true, y_pred)](name=identifier)
    if _by_shape(identifier, _CROSSENTROPY):
        return MeanMetricWrapper(_CROSSENTROPIES[_kind(y_true, y_pred)], name=identifier)
    found = metrics.get(identifier)
    metric = found if isinstance(found, Metric) else MeanMetricWrapper(found)
    metric.name = identifier if isinstance(identifier, str) else metric.name
    return metric


def _kind(y_true: Any, y_pred: Any) -> int:
    """0 for binary predictions, 1 for one-hot targets, 2 for integer labels."""
    classes = y_pred.shape[-1] if len(y_pred.shape) > 1 else 1
    if classes == 1:
        return 0
    return 1 if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == classes else 2
