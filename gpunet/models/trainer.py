"""The one trainer under all models: the loops of fit, evaluate and predict over batches."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from gpunet import config, tree
from gpunet.autograd.tape import no_grad
from gpunet.autograd.tensor import Tensor
from gpunet.backend.devices import to_host
from gpunet.backend.rows import Rows
from gpunet.callbacks import CallbackList, History, LazyLogs, ProgbarLogger
from gpunet.callbacks.callback_list import as_list, nothing
from gpunet.data import make_batches, split_validation
from gpunet.data.adapter import one_batch
from gpunet.models.epochs import Epochs, Resume, placed, validation_batches
from gpunet.models.learner import Learner
from gpunet.ops import concatenate


class Trainer(Learner):
    """A layer with training, evaluation and prediction."""

    history: Any = None
    _resume: Resume | None = None

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
            validation = validation_batches(validation_data, validation_batch_size or batch_size)
        callbacks = as_list(callbacks)
        # After the user's callbacks, so that it records what they put into the logs.
        history = next((c for c in callbacks if isinstance(c, History)), None) or History()
        object.__setattr__(self, "history", history)  # a plain assignment would begin recordings anew
        callbacks = callbacks if self.history in callbacks else [*callbacks, self.history]
        steps = steps_per_epoch or batches.num_batches
        hooks, progress = self._hooks(callbacks, verbose, steps, epochs)
        object.__setattr__(self, "stop_training", False)
        source = Epochs(batches, steps_per_epoch)
        try:
            hooks.on_train_begin({})
            resume = self._resume
            object.__setattr__(self, "_resume", None)
            initial_epoch = initial_epoch if resume is None else resume.epoch
            for epoch in range(initial_epoch, epochs):
                logs = self._train_epoch(epoch, source, hooks, resume)
                resume = None
                if validation is not None and (epoch + 1) % validation_freq == 0:
                    found = self._run_test(Epochs(validation, validation_steps, epoch > initial_epoch), hooks)
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
        object.__setattr__(self, "_resume", Resume(epoch, batch, restore))

    def _train_epoch(
        self, epoch: int, source: Epochs, hooks: CallbackList, resume: Resume | None = None
    ) -> dict[str, Any]:
        """One epoch of training; its logs as numbers."""
        self.reset_metrics()
        hooks.on_epoch_begin(epoch, {})
        logs = self._run_batches("train_step", source, hooks.on_train_batch_begin, hooks.on_train_batch_end, resume)
        return self._final_logs(logs)

    def _remaining(self, steps: Iterator[tuple[int, tuple]], resume: Resume) -> Iterator[tuple[int, tuple]]:
        """The steps that an interrupted epoch has left."""
        done = [batch for _, batch in islice(steps, resume.batch)][-1:]
        if done:
            self._build_metrics(placed(done[0], self._home()))
            resume.restore()
        yield from steps

    def _run_batches(
        self, name: str, source: Epochs, begin: Callable, end: Callable, resume: Resume | None = None
    ) -> Any:
        """A step for each batch, the hooks around every `steps_per_execution` of them; the last logs."""
        logs: Any = {} if resume is None else LazyLogs(self.get_metrics_result)
        step, every = -1, self._steps_per_execution
        steps = enumerate(source.batches())
        for step, batch in steps if resume is None else self._remaining(steps, resume):
            if step % every == 0:
                begin(step, {})
            logs = self._run_step(name, placed(batch, self._home(), may_wait=True))
            if (step + 1) % every == 0:
                if end is not nothing:
                    _report(end, step, logs)
                if name == "train_step" and self.stop_training:
                    break
        if (step + 1) % every:
            _report(end, step, logs)
        return logs

    def _final_logs(self, logs: Any) -> dict[str, Any]:
        """The metrics at the end of an epoch, or the last logs of a train step that reports others."""
        if isinstance(logs, LazyLogs):
            return as_numbers(logs)
        results = self.get_metrics_result()
        return as_numbers(results if logs and set(logs) == set(results) else logs)

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
            logs = self._run_test(Epochs(batches, steps), hooks)
        finally:
            progress.close()
        return logs if return_dict else self._ordered(logs)

    def _run_test(self, source: Epochs, hooks: CallbackList) -> dict[str, Any]:
        self.reset_metrics()
        hooks.on_test_begin()
        logs = self._run_batches("test_step", source, hooks.on_test_batch_begin, hooks.on_test_batch_end)
        logs = self._final_logs(logs)
        hooks.on_test_end(logs)
        return logs

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
            for step, batch in enumerate(Epochs(batches, steps).batches()):
                hooks.on_predict_batch_begin(step, {})
                with no_grad():
                    structure = self._run_step("predict_step", placed(batch, self._home(), may_wait=True))
                inputs = batch.table.arrays if type(batch) is Rows else batch[0]
                outputs.append([_like_input(y, inputs) for y in tree.flatten(structure)])
                hooks.on_predict_batch_end(step, {"outputs": tree.pack_like(structure, outputs[-1])})
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
        """One update from one batch; returns its loss and metrics, as `evaluate` does."""
        self._check_compiled("train_on_batch")
        self.reset_metrics()
        logs = self._run_step("train_step", self._one_batch(x, y, sample_weight, class_weight))
        logs = as_numbers(logs)
        return logs if return_dict else self._ordered(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch."""
        self._check_compiled("test_on_batch")
        self.reset_metrics()
        logs = as_numbers(self._run_step("test_step", self._one_batch(x, y, sample_weight, None)))
        return logs if return_dict else self._ordered(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, in the kind of array that `x` is."""
        batch = one_batch(x)
        with no_grad():
            outputs = self._run_step("predict_step", placed(batch, self._home()))
        return tree.map_structure(lambda y: _like_input(y, batch[0]), outputs)

    def _one_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Any:
        return placed(one_batch(x, y, sample_weight, class_weight, self._output_names()), self._home())


def _report(end: Callable, step: int, logs: Any) -> None:
    """Call the hook at the end of a step; logs that a callback keeps are read before they change."""
    given = LazyLogs(functools.partial(as_numbers, logs))
    end(step, given)
    if sys.getrefcount(given) > 2:  # this name and the argument
        given.copy()


def _like_input(y: Any, x: Any) -> Any:
    """An output as a plain array of its own: on the host unless the input is an array of a GPU."""
    given = tree.flatten(x)
    array = y.concrete() if isinstance(y, Tensor) else y
    if type(given[0]) is not np.ndarray:
        return array
    array = to_host(array)
    return array.copy() if any(type(a) is np.ndarray and np.may_share_memory(a, array) for a in given) else array


def _join(parts: list[Any]) -> Any:
    """Batches of outputs as one array."""
    if len(parts) == 1:
        return parts[0]
    if type(parts[0]) is np.ndarray:
        return np.concatenate(parts)
    return concatenate(parts)


def as_numbers(logs: Any) -> dict[str, Any]:
    """Logs with Python numbers, sorted by name as Keras shows them; arrays stay arrays."""
    numbers = {}
    for name in sorted(logs):
        value = logs[name]
        array = value.numpy() if isinstance(value, Tensor) else value
        numbers[name] = float(np.asarray(array).item()) if np.size(array) == 1 else array
    return numbers
