"""`gpunet.function`: a function that is recorded once it has shown that it repeats itself, and then replayed."""

from __future__ import annotations

import copy
import functools
import logging
import os
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from gpunet import config, tree
from gpunet.autograd.recording.arena import Arena
from gpunet.autograd.recording.program import Program
from gpunet.autograd.recording.trace import CannotRecordError, Trace, tracing
from gpunet.autograd.tape import state as taping
from gpunet.autograd.tensor import Tensor, raw, wrap
from gpunet.autograd.variable import Variable, scopes, structure
from gpunet.autograd.watching import state as watching
from gpunet.backend.rows import Rows

_log = logging.getLogger("gpunet")
_MOST = 8  # recordings of one function


def _begin_anew() -> None:
    """Forget all programs: they hold implementations, and these have changed."""
    structure.version += 1


for _setting in ("cpu_providers", "threads", "fusion"):
    config.observe(_setting, _begin_anew)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class _Outcome(NamedTuple):
    """What a traced run returned: the structure, and for each leaf a reference or a plain value."""

    structure: Any
    leaves: tuple
    kinds: tuple


class _Recording:
    """One signature on its way: seen once, traced once, then a program or a reason why there is none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen = 0
        self.calls: list | None = None
        self.outcome: _Outcome | None = None
        self.program: Program | None = None
        self.moves = 0
        self.touched: list[Variable] = []
        self.obstacle: str | None = None
        self.version = -1


class RecordedFunction:
    """A callable that runs eagerly twice, is traced twice, and from then on replays the trace.

    Each signature, the shapes and dtypes of array arguments and the values of others, has a recording of its own. What
    the function's Python code does besides computing with tensors happens only while it is traced. What cannot be
    recorded goes on eagerly, with one line in the log "gpunet" that says why.

    Args:
        function: of arrays, tensors and plain values, in nested structures; where it is given `Rows`, replays copy them
            to their place, and the function must take both them and tensors.
        must: log obstacles as warnings rather than as information.
        arena: storage to share with other functions that do not run at the same time.
    """

    def __init__(self, function: Callable, must: bool = True, arena: Arena | None = None):
        functools.update_wrapper(self, function)
        self.function = function
        self.must = must
        self._arena = Arena() if arena is None else arena
        self._recordings: OrderedDict[Any, _Recording] = OrderedDict()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if watching.trace is not None or taping.base is not None or scopes.abstract:
            return self.function(*args, **kwargs)  # part of something larger, which must see what happens
        arrays: list[Any] = []
        key = _signature(args, arrays) if not kwargs else (_signature(args, arrays), _signature(kwargs, arrays))
        recording = self._recordings.get(key)
        if recording is None:
            recording = self._recordings[key] = _Recording()
            if len(self._recordings) > _MOST:
                self._recordings.popitem(last=False)
        if recording.program is not None and recording.version == structure.version:
            with self._arena.lock:
                if not self._arena.running:
                    return self._run(recording, arrays)
            return self.function(*args, **kwargs)  # called by the code of an op that is being replayed
        if Rows in map(type, arrays):
            return self(*tree.map_structure(as_tensor, args), **tree.map_structure(as_tensor, kwargs))
        if recording.obstacle is None and arrays and recording.lock.acquire(blocking=False):
            try:
                return self._learn(recording, arrays, args, kwargs)
            finally:
                recording.lock.release()
        return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __deepcopy__(self, memo: Any) -> RecordedFunction:
        return RecordedFunction(copy.deepcopy(self.function, memo), self.must)

    def __reduce__(self) -> tuple:
        return RecordedFunction, (self.function, self.must)

    def obstacles(self) -> dict[Any, str]:
        """Why signatures that were called often enough are not recorded."""
        return {key: recording.obstacle for key, recording in self._recordings.items() if recording.obstacle}

    def _run(self, recording: _Recording, arrays: list[Any]) -> Any:
        arena = self._arena
        if recording.moves != arena.moves:
            recording.program, recording.moves = recording.program.moved(), arena.moves  # type: ignore[union-attr]
        arena.running = True
        try:
            return self._replay(recording, arrays)
        finally:
            arena.running = False

    def _replay(self, recording: _Recording, arrays: list[Any]) -> Any:
        found = iter(recording.program(arrays))  # type: ignore[misc]
        for variable in recording.touched:
            variable._version += 1  # as `touched` does where nothing is traced
        outcome: Any = recording.outcome
        if outcome.structure is None and not outcome.kinds[0]:
            return outcome.leaves[0]
        leaves = [
            (wrap(next(found).copy()) if kind == "tensor" else next(found).copy()) if kind else leaf
            for leaf, kind in zip(outcome.leaves, outcome.kinds)
        ]
        return tree.pack_like(outcome.structure, leaves)

    def _learn(self, recording: _Recording, arrays: list[Any], args: tuple, kwargs: dict) -> Any:
        if recording.version != structure.version:
            recording.seen, recording.calls, recording.program = 0, None, None
            recording.version = structure.version
        recording.seen += 1
        if len({type(a) for a in arrays}) > 1:
            self._give_up(recording, "its arrays are on different devices")
            return self.function(*args, **kwargs)
        if recording.seen == 1:
            result = self.function(*args, **kwargs)
            recording.version = structure.version  # the first run may build
            return result
        with tracing(arrays, type(arrays[0])) as trace:
            result = self.function(*args, **kwargs)
            outcome = _outcome(trace, result)
        obstacle = trace.obstacle or _difference(recording, trace, outcome)
        if obstacle is not None and (trace.obstacle or recording.calls is not None):
            self._give_up(recording, obstacle)
        elif recording.calls is None:
            recording.calls, recording.outcome = trace.calls, outcome
        else:
            self._finish(recording, trace, outcome, arrays)
        return result

    def _finish(self, recording: _Recording, trace: Trace, outcome: _Outcome, arrays: list[Any]) -> None:
        outputs = [leaf for leaf, kind in zip(outcome.leaves, outcome.kinds) if kind]
        try:
            with self._arena.lock:
                recording.program = Program(trace.calls, arrays, outputs, self._arena)
                recording.moves = self._arena.moves
        except CannotRecordError as error:
            self._give_up(recording, str(error))
            return
        recording.touched = trace.touched
        recording.calls, recording.outcome = None, outcome
        recording.version = structure.version

    def _give_up(self, recording: _Recording, why: str) -> None:
        recording.obstacle, recording.calls = why, None
        name = getattr(self.function, "__qualname__", repr(self.function))
        _log.log(logging.WARNING if self.must else logging.INFO, "%s is not recorded and runs eagerly: %s", name, why)


def _is_array(x: Any) -> bool:
    """True for what may differ from run to run; a variable is one object, read where it is."""
    return hasattr(x, "strides") or (isinstance(x, Tensor) and not isinstance(x, Variable))


def _signature(x: Any, arrays: list[Any]) -> Any:
    """What tells a structure from others, hashable; its arrays are appended in the order of `tree.flatten`."""
    kind = type(x)
    if kind is Tensor or _is_array(x):
        a = raw(x)
        arrays.append(a)
        return (kind, type(a), a.shape, a.dtype)
    if kind is Rows:
        arrays.append(x)
        return (Tensor, np.ndarray, x.shape, x.dtype)
    if isinstance(x, list | tuple):
        return (kind, *[_signature(item, arrays) for item in x])
    if isinstance(x, dict):
        return (kind, *[(key, _signature(x[key], arrays)) for key in tree.sorted_keys(x)])
    return (kind, x if isinstance(x, Hashable) and not isinstance(x, Variable) else id(x))


def as_tensor(x: Any) -> Any:
    """Rows as a tensor; anything else as it is."""
    return wrap(x.taken()) if type(x) is Rows else x


def _outcome(trace: Trace, result: Any) -> _Outcome:
    leaves, kinds = [], []
    for x in tree.flatten(result):
        if _is_array(x) and not isinstance(x, Variable):
            leaves.append(trace.refer(raw(x)))
            kinds.append("tensor" if isinstance(x, Tensor) else "array")
        else:
            leaves.append(x)
            kinds.append("")
    return _Outcome(tree.map_structure(lambda _: None, result), tuple(leaves), tuple(kinds))


def _difference(recording: _Recording, trace: Trace, outcome: _Outcome) -> str | None:
    """How a second trace differs from the first, or None."""
    if recording.calls is None:
        return None
    for i, (a, b) in enumerate(zip(recording.calls, trace.calls)):
        if not a.matches(b):
            return f"two runs in a row differ at call {i}, {a.primitive.name} and {b.primitive.name}"
    if len(recording.calls) != len(trace.calls):
        return f"two runs in a row make {len(recording.calls)} and {len(trace.calls)} calls"
    return None


def function(func: Callable | None = None) -> Any:
    """Decorator: record a function of tensors once it has repeated itself, and replay it from then on.

    A replay runs the same primitives on the same storage with none of the function's Python code, and gives the same
    bits. The first run of a signature (shapes, dtypes and plain values of the arguments) is eager, the second and the
    third are traced and must do the same; Python numbers in them are baked in. Variables may be read and assigned.

    Example:
        >>> @gpunet.function
        ... def step(x, y):
        ...     with gpunet.GradientTape() as tape:
        ...         loss = loss_function(y, model(x, training=True))
        ...     optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        ...     return loss
    """
    return function if func is None else RecordedFunction(func)
