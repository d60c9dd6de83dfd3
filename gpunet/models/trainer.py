"""The one trainer under all models: compile, fit, evaluate, predict and their steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from gpunet import config, optimizers, tree
from gpunet.autograd.gradient_tape import GradientTape
from gpunet.autograd.tape import no_grad
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.backend.devices import to_device, to_host
from gpunet.callbacks import CallbackList, History, LazyLogs, ProgbarLogger
from gpunet.callbacks.callback_list import as_list
from gpunet.data import Batches, make_batches, split_validation, unpack_batch
from gpunet.data.adapter import pack_batch
from gpunet.layers.calling import signature_of, takes_training
from gpunet.layers.layer import Layer
from gpunet.metrics.metric import Mean, Metric
from gpunet.models.compiled import CompileLoss, CompileMetrics
from gpunet.models.stepping import Steps
from gpunet.ops import add, concatenate
from gpunet.ops import sum as sum_
from gpunet.serialization import deserialize, serialize


class _Resume(NamedTuple):
    """Where an interrupted training goes on: the epoch, how many of its batches are done, and what to do there."""

    epoch: int
    batch: int
    restore: Callable[[], None]


class Trainer(Layer):
    """A layer with training, evaluation and prediction."""

    optimizer: Any = None
    stop_training = False
    history: Any = None
    compiled = False
    _compile_loss: CompileLoss | None = None
    _compile_metrics: CompileMetrics | None = None
    _loss_tracker: Mean | None = None
    _stepper: Steps | None = None
    _steps_per_execution = 1
    _resume: _Resume | None = None
    _given_to_compile: dict[str, Any]

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
        self.compiled = True
        self.stop_training = False

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
            found += self._compile_loss.trackers
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

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train for a number of epochs.

        A loss that is NaN or infinite does not stop training: it shows in the logs and the history. The callback
        `TerminateOnNaN` stops at the first such batch.

        Args:
            x: arrays (NumPy, CuPy, tensors; a list or dict of them for several inputs), or a generator, PyDataset,
                DataLoader or other iterable of `(x, y)` or `(x, y, sample_weight)` batches.
            y: targets; not with an iterable of batches.
            batch_size: samples per update, 32 where None; one batch has them all if it is larger than the data.
            verbose: 0 for silence, 1 for a progress bar, 2 for a line per epoch, "auto" for 1. Where the output is not
                a terminal, 1 prints a line per epoch too.
            validation_split: the share of the samples, taken from the end before shuffling, to evaluate on.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate on after an epoch, or an iterable of
                batches.
            shuffle: a new order every epoch; "batch" keeps batches together. Ignored for generators.
            class_weight: a weight for the samples of each class; for several outputs, such dicts by the outputs'
                names, or a list of them.
            sample_weight: a weight for each sample.
            validation_freq: evaluate every so many epochs.

        Returns:
            A `History` with a list of values per log.

        Raises:
            ValueError: if the model is not compiled, arrays have different lengths or are empty, or a label is out of
                range.
        """
        self._check_compiled("fit")
        for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise ValueError(f"{name} must be an integer from 0. Received: {name}={value!r}")
        epochs = min(epochs, config.max_epochs() or epochs)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_validation((x, y, sample_weight), validation_split)
        batches = make_batches(x, y, sample_weight, batch_size, shuffle, class_weight, self._output_names())
        validation = None
        if validation_data is not None:
            validation = _validation_batches(validation_data, validation_batch_size or batch_size)
        callbacks = as_list(callbacks)
        # After the user's callbacks, so that it records what they put into the logs.
        history = next((c for c in callbacks if isinstance(c, History)), None) or History()
        object.__setattr__(self, "history", history)  # a plain assignment would begin recordings anew
        callbacks = callbacks if self.history in callbacks else [*callbacks, self.history]
        steps = steps_per_epoch or batches.num_batches
        hooks, progress = self._hooks(callbacks, verbose, steps, epochs)
        object.__setattr__(self, "stop_training", False)
        source = _Epochs(batches, steps_per_epoch)
        try:
            hooks.on_train_begin({})
            resume = self._resume
            object.__setattr__(self, "_resume", None)
            initial_epoch = initial_epoch if resume is None else resume.epoch
            for epoch in range(initial_epoch, epochs):
                logs = self._train_epoch(epoch, source, hooks, resume)
                resume = None
                if validation is not None and (epoch + 1) % validation_freq == 0:
                    found = self._run_test(validation, validation_steps, hooks)
                    logs |= {f"val_{name}": value for name, value in found.items()}
                hooks.on_epoch_end(epoch, logs)
                if self.stop_training or source.exhausted:
                    break
            self.optimizer.finalize_variable_values(self.trainable_weights)
            hooks.on_train_end(logs if epochs > initial_epoch else {})
        finally:
            progress.close()
        return self.history

    def _resume_at(self, epoch: int, batch: int, restore: Callable[[], None]) -> None:
        """Begin with another epoch than `fit` was told, after some batches of it; for callbacks in `on_train_begin`.

        `restore` is called when these batches were passed over, and the metrics have their variables.
        """
        object.__setattr__(self, "_resume", _Resume(epoch, batch, restore))

    def _metric_variables(self) -> list[Any]:
        """The variables of all metrics, in order: the state of a running epoch."""
        return [v for metric in self.metrics for v in metric.variables]

    def _train_epoch(
        self, epoch: int, source: _Epochs, hooks: CallbackList, resume: _Resume | None = None
    ) -> dict[str, Any]:
        """One epoch of training; its logs as numbers."""
        self.reset_metrics()
        hooks.on_epoch_begin(epoch, {})
        logs = self._run_batches("train_step", source, hooks.on_train_batch_begin, hooks.on_train_batch_end, resume)
        return self._final_logs(logs)

    def _remaining(self, steps: Iterator[tuple[int, tuple]], resume: _Resume) -> Iterator[tuple[int, tuple]]:
        """The steps that an interrupted epoch has left."""
        done = [batch for _, batch in islice(steps, resume.batch)][-1:]
        if done:
            self._build_metrics(self._placed(done[0]))
            resume.restore()
        yield from steps

    def _build_metrics(self, data: Any) -> None:
        """Make the variables of the compiled losses and metrics, which depend on the shapes of a batch."""
        x, y, _ = unpack_batch(data)
        with no_grad():
            y_pred = self(x, training=False) if self._call_takes_training() else self(x)
        if self._compile_loss is not None and self._compile_loss.losses is None:
            self._compile_loss.build(y, y_pred)
        if self._compile_metrics is not None and self._compile_metrics.plain is None:
            self._compile_metrics.build(y, y_pred)

    def _run_batches(
        self, name: str, source: _Epochs, begin: Callable, end: Callable, resume: _Resume | None = None
    ) -> Any:
        """A step for each batch, the hooks around every `steps_per_execution` of them; the last logs."""
        logs: Any = {} if resume is None else LazyLogs(self.get_metrics_result)
        step, every = -1, self._steps_per_execution
        steps = enumerate(source.batches())
        for step, batch in steps if resume is None else self._remaining(steps, resume):
            if step % every == 0:
                begin(step, {})
            logs = self._run_step(name, self._placed(batch))
            if (step + 1) % every == 0:
                end(step, LazyLogs(_reader(logs)))
                if name == "train_step" and self.stop_training:
                    break
        if (step + 1) % every:
            end(step, LazyLogs(_reader(logs)))
        return logs

    def _run_step(self, name: str, data: Any) -> Any:
        """A step on a batch, recorded where `compile` allows."""
        if self._stepper is None:
            object.__setattr__(self, "_stepper", Steps())
        return self._stepper.run(self, name, data)  # type: ignore[union-attr]

    def _final_logs(self, logs: Any) -> dict[str, Any]:
        """The metrics at the end of an epoch, or the last logs of a train step that reports others."""
        if isinstance(logs, LazyLogs):
            return as_numbers(logs)
        results = self.get_metrics_result()
        return as_numbers(results if logs and set(logs) == set(results) else logs)

    def _placed(self, batch: tuple) -> Any:
        """A batch on the model's device as tensors, in the shortest form."""
        home = self._home()

        def place(x):
            return None if x is None else wrap(to_device(x, home))

        return pack_batch(*(tree.map_structure(place, part) for part in batch))

    def _hooks(
        self, given: Any, verbose: int | str, steps: int | None, epochs: int = 1
    ) -> tuple[CallbackList, ProgbarLogger]:
        """The callbacks to call, and the progress display, which is not among them for verbose=0."""
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"verbose must be 'auto', 0, 1 or 2. Received: verbose={verbose!r}")
        level = 1 if verbose == "auto" else int(verbose)
        progress = ProgbarLogger()
        listeners = as_list(given) + ([progress] if level else [])
        return CallbackList(listeners, model=self, verbose=level, epochs=epochs, steps=steps), progress

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Losses and metrics over data: a number, a list in the order of `metrics_names`, or a dict by name.

        Arguments as in `fit`.
        """
        self._check_compiled("evaluate")
        batches = make_batches(x, y, sample_weight, batch_size)
        hooks, progress = self._hooks(callbacks, verbose, steps or batches.num_batches)
        try:
            logs = self._run_test(batches, steps, hooks)
        finally:
            progress.close()
        return logs if return_dict else self._ordered(logs)

    def _run_test(self, batches: Batches, steps: int | None, hooks: CallbackList) -> dict[str, Any]:
        self.reset_metrics()
        hooks.on_test_begin()
        source = _Epochs(batches, steps)
        logs = self._run_batches("test_step", source, hooks.on_test_batch_begin, hooks.on_test_batch_end)
        logs = self._final_logs(logs)
        hooks.on_test_end(logs)
        return logs

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """Names of results as Keras lists them: those that are a metric's own in its order, then the others sorted."""
        known = [m.name for metric in self.metrics for m in getattr(metric, "metrics", (metric,))]
        first = [name for name in dict.fromkeys(known) if name in names]
        return first + sorted(set(names) - set(first))

    def _ordered(self, logs: dict[str, Any]) -> Any:
        """Logs as a list in the order of the metrics, or the only number."""
        values = [logs[name] for name in self._in_order(logs)]
        return values[0] if len(values) == 1 else values

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all samples, in the kind of array that `x` is: NumPy for NumPy, CuPy for CuPy."""
        batches = make_batches(x, None, None, batch_size)
        hooks, progress = self._hooks(callbacks, verbose, steps or batches.num_batches)
        outputs: list[Any] = []
        structure: Any = None
        try:
            hooks.on_predict_begin()
            for step, batch in enumerate(_Epochs(batches, steps).batches()):
                hooks.on_predict_batch_begin(step, {})
                with no_grad():
                    structure = self._run_step("predict_step", self._placed(batch))
                outputs.append([_like_input(y, batch[0]) for y in tree.flatten(structure)])
                hooks.on_predict_batch_end(step, {"outputs": outputs[-1]})
            hooks.on_predict_end()
        finally:
            progress.close()
        return tree.pack_like(structure, [_join(list(parts)) for parts in zip(*outputs)])

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One update from one batch; returns the loss and metrics so far, as `evaluate` does."""
        self._check_compiled("train_on_batch")
        logs = self._run_step("train_step", self._one_batch(x, y, sample_weight, class_weight))
        logs = as_numbers(logs)
        return logs if return_dict else self._ordered(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch, added to those so far."""
        self._check_compiled("test_on_batch")
        logs = as_numbers(self._run_step("test_step", self._one_batch(x, y, sample_weight, None)))
        return logs if return_dict else self._ordered(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, in the kind of array that `x` is."""
        batch = next(make_batches(x, batch_size=2**62).epoch())
        with no_grad():
            outputs = self._run_step("predict_step", self._placed(batch))
        return tree.map_structure(lambda y: _like_input(y, batch[0]), outputs)

    def _one_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Any:
        batches = make_batches(x, y, sample_weight, 2**62, False, class_weight, self._output_names())
        return self._placed(next(batches.epoch()))


class _Epochs:
    """Batches epoch by epoch, cut to `steps`; a source that can be read only once is read on across epochs."""

    def __init__(self, source: Batches, steps: int | None):
        self.source = source
        limit = config.max_steps_per_epoch()
        self.steps = limit if limit and (steps or limit) >= limit else steps
        self.one_pass = getattr(source, "one_pass", False)
        self.exhausted = False
        self._stream: Iterator[tuple] | None = None

    def batches(self) -> Iterator[tuple]:
        if self._stream is None or not self.steps:
            self._stream = self.source.epoch()
        done = 0
        while self.steps is None or done < self.steps:
            batch = next(self._stream, None)
            if batch is None and self.steps and not self.one_pass:
                self._stream = self.source.epoch()
                batch = next(self._stream, None)
            if batch is None:
                break
            done += 1
            yield batch
        if done == 0 and not self.exhausted:
            raise ValueError("expected at least one batch of data. Received: none")
        if self.one_pass and (not self.steps or done < self.steps):
            self.exhausted = True
            if self.steps:
                warnings.warn(
                    f"Your input ran out of data; interrupting. Make sure that your generator can yield at least "
                    f"`steps_per_epoch * epochs` batches. Received: {done} of {self.steps} in this epoch",
                    stacklevel=3,
                )


def _validation_batches(data: Any, batch_size: int | None) -> Batches:
    if isinstance(data, tuple | list):
        return make_batches(*unpack_batch(tuple(data)), batch_size=batch_size)
    return make_batches(data)


def _reader(logs: Any) -> Callable[[], dict[str, Any]]:
    return lambda: as_numbers(logs)


def as_numbers(logs: Any) -> dict[str, Any]:
    """Logs with Python numbers, sorted by name as Keras shows them; arrays stay arrays."""
    numbers = {}
    for name in sorted(logs):
        value = logs[name]
        array = value.numpy() if isinstance(value, Tensor) else value
        numbers[name] = float(array) if np.size(array) == 1 else array
    return numbers


def _like_input(y: Any, x: Any) -> Any:
    """An output as a plain array: on the host unless the input is an array of a GPU."""
    first = tree.flatten(x)[0]
    array = y.concrete() if isinstance(y, Tensor) else y
    return to_host(array) if type(first) is np.ndarray else array


def _join(parts: list[Any]) -> Any:
    """Batches of outputs as one array."""
    if len(parts) == 1:
        return parts[0]
    if type(parts[0]) is np.ndarray:
        return np.concatenate(parts)
    return concatenate(parts)
