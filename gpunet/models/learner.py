"""What one step of training, evaluation or prediction does, and what `compile` chooses for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from gpunet import optimizers, tree
from gpunet.autograd.gradient_tape import GradientTape
from gpunet.autograd.tape import no_grad
from gpunet.callbacks import LazyLogs
from gpunet.data import unpack_batch
from gpunet.layers.calling import signature_of, takes_training
from gpunet.layers.layer import Layer
from gpunet.metrics.metric import Mean, Metric
from gpunet.models.compiled import CompileLoss, CompileMetrics
from gpunet.models.stepping import Steps
from gpunet.ops import add
from gpunet.ops import sum as sum_
from gpunet.serialization import deserialize, serialize


class Learner(Layer):
    """A layer with an optimizer, losses and metrics, and the steps that use them."""

    optimizer: Any = None
    stop_training = False
    compiled = False
    _compile_loss: CompileLoss | None = None
    _compile_metrics: CompileMetrics | None = None
    _loss_tracker: Mean | None = None
    _stepper: Steps | None = None
    _steps_per_execution = 1
    _given_to_compile: dict[str, Any] = {}

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose how to train.

        Args:
            optimizer: an optimizer or its name.
            loss: a loss, its name or a function `(y_true, y_pred)`; a list or dict of them for several outputs.
            loss_weights: a number per output.
            metrics: metrics, names or functions; "accuracy" fits itself to the shapes.
            weighted_metrics: the same, weighted by `sample_weight` and `class_weight`.
            run_eagerly: never record a step; the same as `jit_compile=False`.
            steps_per_execution: batches between two calls of the callbacks' batch methods.
            jit_compile: True to record steps and replay them (see `gpunet.function`), "auto" to do so where no Python
                code of the user's would be left out: not for a `call`, `train_step`, loss, metric or activation of
                your own.
            auto_scale_loss: wrap the optimizer in a `LossScaleOptimizer` if the model's policy is "mixed_float16".

        Raises:
            ValueError: if a name is unknown.
        """
        if isinstance(steps_per_execution, bool) or not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise ValueError(f"steps_per_execution must be a positive integer. Received: {steps_per_execution!r}")
        steps = Steps(False if run_eagerly else jit_compile)
        names = self._output_names()
        compile_loss = None if loss is None else CompileLoss(loss, loss_weights, names)
        compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            compile_metrics = CompileMetrics(metrics, weighted_metrics, names)
        self.optimizer = optimizers.get(optimizer)
        scaling = isinstance(self.optimizer, optimizers.LossScaleOptimizer)
        if auto_scale_loss and not scaling and self.dtype_policy.name == "mixed_float16":
            self.optimizer = optimizers.LossScaleOptimizer(self.optimizer, name="loss_scale_optimizer")
        given = {
            "optimizer": self.optimizer if scaling else getattr(self.optimizer, "inner_optimizer", self.optimizer),
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        object.__setattr__(self, "_given_to_compile", given)
        object.__setattr__(self, "_compile_loss", compile_loss)
        object.__setattr__(self, "_compile_metrics", compile_metrics)
        object.__setattr__(self, "_loss_tracker", Mean(name="loss"))
        object.__setattr__(self, "_stepper", steps)
        object.__setattr__(self, "_steps_per_execution", steps_per_execution)
        if loss is not None:  # else a `loss` of the subclass's own stays
            object.__setattr__(self, "loss", loss)
        self.compiled = True
        self.stop_training = False

    @property
    def run_eagerly(self) -> bool:
        """Whether no step is recorded; may be set after `compile`."""
        return self._given_to_compile.get("run_eagerly", False)

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        self._choose_steps(run_eagerly=value)

    @property
    def jit_compile(self) -> bool | str:
        """Which steps are recorded, as in `compile`; may be set after it."""
        return self._given_to_compile.get("jit_compile", "auto")

    @jit_compile.setter
    def jit_compile(self, value: bool | str) -> None:
        self._choose_steps(jit_compile=value)

    def _choose_steps(self, **changed: Any) -> None:
        given = {"run_eagerly": self.run_eagerly, "jit_compile": self.jit_compile} | changed
        steps = Steps(False if given["run_eagerly"] else given["jit_compile"])
        object.__setattr__(self, "_stepper", steps)
        object.__setattr__(self, "_given_to_compile", {**self._given_to_compile, **given})

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was given, as plain data; empty before it was called."""
        return serialize(self._given_to_compile) if self.compiled else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says, and make the optimizer's state if the model has its weights."""
        self.compile(**deserialize(config))
        if self.built and self.trainable_variables:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[Metric]:
        """The loss, the metrics of `compile`, and those that layers or this model own."""
        found: list[Metric] = [] if self._loss_tracker is None else [self._loss_tracker]
        if self._compile_loss is not None:
            found += self._compile_loss.listed
        if self._compile_metrics is not None:
            found.append(self._compile_metrics)
        return found + [m for layer in self._flatten_layers() for m in layer._own_metrics]

    @property
    def metrics_names(self) -> list[str]:
        """The names of the results, in the order in which `evaluate` lists them."""
        names = [m.name for m in self.metrics if m is not self._compile_metrics]
        return self._in_order([*names, *(self._compile_metrics.results() if self._compile_metrics else ())])

    def reset_metrics(self) -> None:
        """Start all metrics from the beginning."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """The metrics' values so far, by name."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            value = metric.result()
            results.update(value if isinstance(value, dict) else {metric.name: value})
        return results

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The scalar to minimise: the compiled loss plus the layers' `losses`. Override for a loss of your own.

        Raises:
            ValueError: if there is neither.
        """
        total = None
        if self._compile_loss is not None:
            total = self._compile_loss(y, y_pred, sample_weight)
        for extra in self.losses:
            total = sum_(extra) if total is None else add(total, sum_(extra))
        if total is None:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Update the compiled metrics and return all results, read when someone looks at them."""
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return LazyLogs(self.get_metrics_result)

    def train_step(self, data: Any) -> Any:
        """One update from a batch `(x, y, sample_weight)`; returns logs. Override for a training of your own."""
        x, y, sample_weight = unpack_batch(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True) if self._call_takes_training() else self(x)
            loss = self._loss_of(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        self._track_loss(loss, x)
        variables = self.trainable_weights
        if variables:
            self.optimizer.apply(tape.gradient(scaled, variables), variables)
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> Any:
        """Losses and metrics of a batch, without an update."""
        x, y, sample_weight = unpack_batch(data)
        y_pred = self(x, training=False) if self._call_takes_training() else self(x)
        loss = self._loss_of(x, y, y_pred, sample_weight, training=False)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch."""
        x, _, _ = unpack_batch(data)
        return self(x, training=False) if self._call_takes_training() else self(x)

    def _loss_of(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        """`compute_loss`, whose overrides need not know of `training`."""
        extra = {"training": training} if takes_training(type(self).compute_loss) else {}
        return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **extra)

    def _call_takes_training(self) -> bool:
        return signature_of(self).takes_training

    def _track_loss(self, loss: Any, x: Any) -> None:
        if self._loss_tracker is not None:
            self._loss_tracker.update_state(loss, sample_weight=float(tree.flatten(x)[0].shape[0]))

    def _output_names(self) -> list[str] | None:
        return getattr(self, "output_names", None)

    def _check_compiled(self, what: str) -> None:
        if not self.compiled:
            raise ValueError(f"You must call `compile()` before calling `{what}()`.")

    def _run_step(self, name: str, data: Any) -> Any:
        """A step on a batch, recorded where `compile` allows."""
        if self._stepper is None:
            object.__setattr__(self, "_stepper", Steps())
        return self._stepper.run(self, name, data)  # type: ignore[union-attr]

    def _metric_variables(self) -> list[Any]:
        """The variables of all metrics, in order: the state of a running epoch."""
        return [v for metric in self.metrics for v in metric.variables]

    def _build_metrics(self, data: Any) -> None:
        """Make the variables of the compiled losses and metrics, which depend on the shapes of a batch."""
        x, y, _ = unpack_batch(data)
        with no_grad():
            y_pred = self(x, training=False) if self._call_takes_training() else self(x)
        if self._compile_loss is not None and self._compile_loss.losses is None:
            self._compile_loss.build(y, y_pred)
        if self._compile_metrics is not None and self._compile_metrics.plain is None:
            self._compile_metrics.build(y, y_pred)

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """Names of results as Keras lists them: those that are a metric's own in its order, then the others sorted."""
        known = [m.name for metric in self.metrics for m in getattr(metric, "metrics", (metric,))]
        first = [name for name in dict.fromkeys(known) if name in names]
        return first + sorted(set(names) - set(first))

    def _ordered(self, logs: dict[str, Any]) -> Any:
        """Logs as a list in the order of the metrics, or the only number."""
        values = [logs[name] for name in self._in_order(logs)]
        return values[0] if len(values) == 1 else values
