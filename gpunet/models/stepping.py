"""How a model's steps run: recorded and replayed where that is wished and safe, else eagerly."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from gpunet import tree
from gpunet.autograd.recording import Arena, RecordedFunction, as_tensors
from gpunet.callbacks import LazyLogs


class Steps:
    """Runs `train_step`, `test_step` and `predict_step` of one model.

    Args:
        jit_compile: True to record every step, False for none, "auto" for those whose code is all gpunet's own: a
            recording does not repeat what other Python code does besides computing with tensors.
    """

    def __init__(self, jit_compile: bool | str = "auto"):
        if jit_compile not in (True, False, "auto"):
            raise ValueError(f'jit_compile must be True, False or "auto". Received: jit_compile={jit_compile!r}')
        self.jit_compile = jit_compile
        self._functions: dict[str, Callable] = {}
        self._arena = Arena()

    def __deepcopy__(self, memo: Any) -> Steps:
        return Steps(self.jit_compile)

    def __reduce__(self) -> tuple:
        return Steps, (self.jit_compile,)

    def run(self, model: Any, name: str, data: Any) -> Any:
        """The step's logs or outputs for a batch."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._function(model, name)
        found = function(data)
        return LazyLogs(model.get_metrics_result) if found is _THE_METRICS else found

    def _function(self, model: Any, name: str) -> Callable:
        step = getattr(model, name)
        if name == "train_step" and not getattr(model.optimizer, "steps_are_alike", True):
            if self.jit_compile is True:
                raise ValueError(
                    "jit_compile=True cannot record steps that differ: the optimizer has use_ema or "
                    'gradient_accumulation_steps. Use "auto", which runs them eagerly.'
                )
            return lambda data: step(as_tensors(data))
        if not self.jit_compile or (self.jit_compile == "auto" and not is_library_code(model, name)):
            return lambda data: step(as_tensors(data))

        def recordable(data: Any) -> Any:
            found = step(as_tensors(data))
            return _THE_METRICS if isinstance(found, LazyLogs) else found

        recordable.__qualname__ = f"{type(model).__name__}.{name}"
        return RecordedFunction(recordable, self.jit_compile is True, self._arena)


class _Metrics:
    """Stands for the model's metrics in a step's logs."""


_THE_METRICS = _Metrics()


def is_library_code(model: Any, name: str) -> bool:
    """True if no Python code of the user's runs in a step of the model."""
    methods = [getattr(type(model), m) for m in (name, "compute_loss", "compute_metrics")]
    return all(_is_ours(x) for x in [*methods, *_parts(model)])


def _parts(model: Any) -> Iterator[Any]:
    """Everything that takes part in a step and may be the user's."""
    for layer in model._flatten_layers():
        yield from (layer, type(layer).call, *_functions_in(layer))
        for operation in getattr(layer, "operations", ()):
            yield getattr(operation, "function", operation)
    for variable in model.weights:
        yield from (x for x in (variable.regularizer, variable.constraint) if x is not None)
    compiled = [model._compile_loss and model._compile_loss.user_loss]
    if model._compile_metrics is not None:
        compiled += [model._compile_metrics.given, model._compile_metrics.weighted]
    optimizers = [model.optimizer, getattr(model.optimizer, "inner_optimizer", None)]
    schedules = [getattr(optimizer, "_schedule", None) for optimizer in optimizers]
    for part in [*tree.flatten(compiled), *optimizers, *schedules, *model.metrics]:
        if part is not None and not isinstance(part, str):
            yield part
            yield from _functions_in(part)


_FUNCTIONS = types.FunctionType | types.MethodType


def _functions_in(owner: Any) -> list[Any]:
    """Functions, and objects that are called like one, among an object's attributes."""
    values = [v.func if isinstance(v, functools.partial) else v for v in getattr(owner, "__dict__", {}).values()]
    return [v for v in values if isinstance(v, _FUNCTIONS) or (callable(v) and not isinstance(v, type))]


def _is_ours(x: Any) -> bool:
    module = x.__module__ if isinstance(x, _FUNCTIONS) else type(x).__module__
    return str(module).split(".")[0] in ("gpunet", "numpy", "builtins")
