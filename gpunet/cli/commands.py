"""Commands on model files: train, evaluate, predict, summary, bench."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from gpunet import callbacks, optimizers, tree
from gpunet.backend.devices import default_device, device
from gpunet.backend.report import describe
from gpunet.callbacks.progbar import format_time
from gpunet.cli.data import load
from gpunet.models import load_model
from gpunet.random import set_random_seed


def _on(options: argparse.Namespace) -> AbstractContextManager:
    return nullcontext() if options.device is None else device(options.device)


def train(options: argparse.Namespace) -> int:
    """`gpunet train`: fit a model and save it, also where Ctrl-C ends the training."""
    output = Path(options.output or f"{options.model.removesuffix('.keras')}-trained.keras")
    if output.suffix != ".keras":
        raise ValueError(f"--output must end in .keras. Received: {output}")
    if options.seed is not None:
        set_random_seed(options.seed)
    with _on(options):
        model = _compiled(load_model(options.model), options)
        x, y = _labelled(model, options)
        interrupted = False
        try:
            model.fit(
                x,
                y,
                batch_size=options.batch_size,
                epochs=options.epochs,
                validation_split=options.validation_split,
                callbacks=_callbacks(options),
                verbose=options.verbose,
            )
        except KeyboardInterrupt:
            interrupted = True
        model.save(output)
    print(f"{'interrupted: ' if interrupted else ''}saved {output}", file=sys.stderr if interrupted else sys.stdout)
    return 130 if interrupted else 0


def _compiled(model: Any, options: argparse.Namespace) -> Any:
    """The model, compiled as it was saved or as the options say."""
    if options.loss is not None:
        model.compile(optimizers.get(options.optimizer or "rmsprop"), options.loss, metrics=options.metrics or None)
    elif not model.compiled:
        raise ValueError(f"{options.model} is not compiled: choose a loss with --loss, and perhaps an --optimizer")
    elif options.optimizer is not None or options.metrics:
        raise ValueError("--optimizer and --metrics compile the model anew, and need --loss")
    if options.learning_rate is not None:
        model.optimizer.learning_rate = options.learning_rate
    return model


def _callbacks(options: argparse.Namespace) -> list[Any]:
    found: list[Any] = []
    if options.tensorboard:
        found.append(callbacks.TensorBoard(options.tensorboard))
    if options.csv:
        found.append(callbacks.CSVLogger(options.csv))
    if options.backup:
        found.append(callbacks.BackupAndRestore(options.backup))
    if options.patience is not None:
        monitor = "val_loss" if options.validation_split else "loss"
        found.append(callbacks.EarlyStopping(monitor, patience=options.patience))
    return found


def _labelled(model: Any, options: argparse.Namespace) -> tuple[Any, Any]:
    x, y = load(options, model)
    if y is None:
        raise ValueError(f"there are no targets in {', '.join(options.data)}")
    return x, y


def evaluate(options: argparse.Namespace) -> int:
    """`gpunet evaluate`: print losses and metrics."""
    with _on(options):
        model = load_model(options.model)
        if not model.compiled:
            raise ValueError(f"{options.model} is not compiled: it has no loss or metrics")
        x, y = _labelled(model, options)
        found = model.evaluate(x, y, batch_size=options.batch_size, verbose=options.verbose, return_dict=True)
    for name, value in found.items():
        print(f"{name}: {value:.6g}" if np.ndim(value) == 0 else f"{name}: {value}")
    return 0


def predict(options: argparse.Namespace) -> int:
    """`gpunet predict`: write or print outputs."""
    if options.output and not options.output.endswith((".npy", ".csv")):
        raise ValueError(f"--output must end in .npy or .csv. Received: {options.output}")
    with _on(options):
        model = load_model(options.model)
        x, _ = load(options, model)
        found = model.predict(x, batch_size=options.batch_size, verbose=options.verbose if options.output else 0)
    if tree.is_nested(found):
        raise ValueError(f"{options.model} has several outputs, which cannot be written to one file")
    found = found.argmax(axis=-1) if options.classes else found
    if options.output and options.output.endswith(".npy"):
        np.save(options.output, found)
    else:
        rows = found.reshape(len(found), -1)
        form = "%d" if rows.dtype.kind in "iu" else "%.6g"
        np.savetxt(options.output or sys.stdout, rows, fmt=form, delimiter=",")
    return 0


def summary(options: argparse.Namespace) -> int:
    """`gpunet summary`: print the layers."""
    load_model(options.model, compile=False).summary(expand_nested=options.nested)
    return 0


def bench(options: argparse.Namespace) -> int:
    """`gpunet bench`: time steps on random inputs."""
    target = default_device() if options.device is None else device(options.device)
    with target:
        model = load_model(options.model)
        draw = np.random.default_rng(0)
        sizes = [(options.batch_size, *(n or 32 for n in x.shape[1:])) for x in model.inputs]
        arrays = [draw.normal(size=size).astype(x.dtype) for size, x in zip(sizes, model.inputs)]
        x = arrays[0] if len(arrays) == 1 else dict(zip(model.input_names, arrays))
        print(f"{options.model} on {describe(target)}, batch size {options.batch_size}")
        _report("inference", options, lambda: model.predict_on_batch(x))
        if model.compiled:
            y = tree.map_structure(np.zeros_like, model.predict_on_batch(x))
            y = y[..., :1].astype("int32") if "sparse" in str(model.get_compile_config().get("loss")).lower() else y
            _report("training", options, lambda: model.train_on_batch(x, y))
    return 0


def _report(what: str, options: argparse.Namespace, step: Callable[[], Any]) -> None:
    for _ in range(4):  # the first steps build and record
        step()
    times = []
    for _ in range(options.steps):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    median = statistics.median(times)
    print(f"{what}: {format_time(median)} per step, {options.batch_size / median:.0f} samples/s")


COMMANDS = {"train": train, "evaluate": evaluate, "predict": predict, "summary": summary, "bench": bench}
