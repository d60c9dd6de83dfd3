"""`gpunet.function`: a function that is recorded once it has shown that it repeats itself, and then replayed."""

from __future__ import annotations

import copy
import functools
import logging
import os
import threading
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from gpunet import config, tree
from gpunet.autograd.recording.arena import Arena
from gpunet.autograd.recording.program import Program
from gpunet.autograd.recording.trace import Call, Trace, alike, is_array, is_made_anew, tracing
from gpunet.autograd.tape import state as taping
from gpunet.autograd.tensor import Tensor, raw, wrap
from gpunet.autograd.variable import Variable, scopes, structure
from gpunet.autograd.watching import state as watching
from gpunet.backend.devices import copied
from gpunet.backend.rows import Rows, Table

_log = logging.getLogger("gpunet")
_MOST = 8  # recordings of one function


def _begin_anew() -> None:
    """Forget all programs: they hold implementations, and these have changed."""
    structure.version += 1


for _setting in ("cpu_providers", "threads", "fusion", "floatx", "epsilon", "image_data_format"):
    config.observe(_setting, _begin_anew)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


surroundings: list[Callable[[], Hashable]] = [lambda: scopes.compute_dtype]
"""What code may read of where it is called, beside its arguments; modules above this one add to it."""


class _Outcome(NamedTuple):
    """What a traced run returned: the structure, and for each leaf a reference or a plain value."""

    structure: Any
    leaves: tuple
    kinds: tuple


class _Ready:
    """A program and what goes with it, for as long as the structure has this version."""

    def __init__(self, program: Program, outcome: _Outcome, touched: list[Variable], moves: int):
        self.program = program
        self.outcome = outcome
        self.touched = touched
        self.moves = moves
        self.version = structure.version


class _Recording:
    """One signature on its way: seen once, traced once, then ready or a reason why not.

    Other threads may replay what is `ready` while one begins anew: they keep hold of what they have found.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen = 0
        self.calls: list[Call] | None = None
        self.outcome: _Outcome | None = None
        self.ready: _Ready | None = None
        self.obstacle: str | None = None
        self.version = -1

    @property
    def program(self) -> Program | None:
        """What replays run, once there is one."""
        return None if self.ready is None else self.ready.program


class _Latest(NamedTuple):
    """A table whose rows a function was given, in which surroundings, and the recording that they have."""

    table: Callable[[], Table | None]
    around: tuple
    recording: _Recording


def _no_table() -> None:
    """What `_Latest.table` is at first."""


class RecordedFunction:
    """A callable that runs eagerly twice, is traced twice, and from then on replays the trace.

    Each signature, the shapes and dtypes of array arguments and the values of others, has a recording of its own. What
    the function's Python code does besides computing with tensors happens only while it is traced. What cannot be
    recorded goes on eagerly, with one line in the log "gpunet" that says why.

    Args:
        function: of arrays, tensors and plain values, in nested structures. One that is given `Rows` alone, which
            replays copy to their place, must take both them and tensors.
        must: log obstacles as warnings rather than as information.
        arena: storage to share with other functions that do not run at the same time.
    """

    def __init__(self, function: Callable, must: bool = True, arena: Arena | None = None):
        functools.update_wrapper(self, function)
        self.function = function
        self.must = must
        self._arena = Arena() if arena is None else arena
        self._recordings: OrderedDict[Any, _Recording] = OrderedDict()
        self._latest = _Latest(_no_table, (), _Recording())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if watching.trace is not None or taping.base is not None or scopes.abstract:
            return self.function(*args, **kwargs)  # part of something larger, which must see what happens
        around = tuple([read() for read in surroundings])
        if len(args) == 1 and type(args[0]) is Rows and not kwargs:
            return self._of_rows(around, args[0])
        arrays: list[Any] = []
        recording = self._recording(around, args, kwargs, arrays)
        ready = recording.ready
        if ready is not None and ready.version == structure.version:
            with self._arena.lock:
                if not self._arena.running:
                    return self._run(ready, arrays)
            return self.function(*args, **kwargs)  # called by the code of an op that is being replayed
        if recording.obstacle is None and arrays and recording.lock.acquire(blocking=False):
            try:
                return self._learn(recording, arrays, args, kwargs)
            finally:
                recording.lock.release()
        return self.function(*args, **kwargs)

    def _recording(self, around: tuple, args: tuple, kwargs: dict, arrays: list[Any]) -> _Recording:
        """That of a signature; the arrays among the arguments are appended to `arrays`."""
        key = (around, _signature(args, arrays), _signature(kwargs, arrays) if kwargs else None)
        recording = self._recordings.get(key)
        if recording is None:
            recording = self._recordings[key] = _Recording()
            if len(self._recordings) > _MOST:
                self._recordings.popitem(last=False)
        return recording

    def _of_rows(self, around: tuple, rows: Rows) -> Any:
        """The function of a batch, whose signature need not be read if it is that of the batch before."""
        latest = self._latest
        if latest.table() is rows.table and latest.around == around:
            ready = latest.recording.ready
            if ready is not None and ready.version == structure.version:
                with self._arena.lock:
                    if not self._arena.running:
                        return self._run(ready, rows)
        args = (as_tensors(rows),)
        self._latest = _Latest(weakref.ref(rows.table), around, self._recording(around, args, {}, []))
        return self(*args)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __deepcopy__(self, memo: Any) -> RecordedFunction:
        return RecordedFunction(copy.deepcopy(self.function, memo), self.must)

    def __reduce__(self) -> tuple:
        return RecordedFunction, (self.function, self.must)

    def obstacles(self) -> dict[Any, str]:
        """Why signatures that were called often enough are not recorded."""
        return {key: recording.obstacle for key, recording in self._recordings.items() if recording.obstacle}

    def _run(self, ready: _Ready, arrays: list[Any] | Rows) -> Any:
        arena = self._arena
        if ready.moves != arena.moves:
            ready.program, ready.moves = ready.program.moved(), arena.moves
        arena.running = True
        try:
            return self._replay(ready, arrays)
        finally:
            arena.running = False

    def _replay(self, ready: _Ready, arrays: list[Any] | Rows) -> Any:
        try:
            found = iter(ready.program(arrays))
        finally:  # a replay that is interrupted may have changed them
            for variable in ready.touched:
                variable._version += 1  # as `touched` does where nothing is traced
        outcome = ready.outcome
        if outcome.structure is None and not outcome.kinds[0]:
            return outcome.leaves[0]
        leaves = [
            (wrap(copied(next(found))) if kind == "tensor" else copied(next(found))) if kind else leaf
            for leaf, kind in zip(outcome.leaves, outcome.kinds)
        ]
        return tree.pack_like(outcome.structure, leaves)

    def _learn(self, recording: _Recording, arrays: list[Any], args: tuple, kwargs: dict) -> Any:
        if recording.version != structure.version:
            recording.seen, recording.calls, recording.ready = 0, None, None
            recording.version = structure.version
        recording.seen += 1
        obstacle = _obstacle(arrays, args, kwargs)
        if obstacle is not None:
            self._give_up(recording, obstacle)
            return self.function(*args, **kwargs)
        if recording.seen == 1:
            result = self.function(*args, **kwargs)
            recording.version = structure.version  # the first run may build
            return result
        return self._traced(recording, _apart(args), _apart(kwargs))

    def _traced(self, recording: _Recording, args: tuple, kwargs: dict) -> Any:
        """Run the function on arrays that share memory with nothing else, and learn what it does."""
        arrays: list[Any] = []
        _signature(args, arrays)
        _signature(kwargs, arrays)
        with tracing(arrays, type(arrays[0])) as trace:
            result = self.function(*args, **kwargs)
            outcome = _outcome(trace, result)
        obstacle = trace.obstacle or _difference(recording, trace, outcome)
        if obstacle is None and any(not isinstance(x, Tensor) and _is_array(x) for x in tree.flatten((args, kwargs))):
            obstacle = _computed_unseen(recording, trace)
        if obstacle is not None:
            self._give_up(recording, obstacle)
        elif recording.calls is None:
            recording.calls, recording.outcome = trace.calls, outcome
        else:
            self._finish(recording, trace, outcome, arrays)
        return result

    def _finish(self, recording: _Recording, trace: Trace, outcome: _Outcome, arrays: list[Any]) -> None:
        outputs = [leaf for leaf, kind in zip(outcome.leaves, outcome.kinds) if kind]
        with self._arena.lock:
            program = Program(trace.calls, arrays, outputs, self._arena)
            recording.ready = _Ready(program, outcome, trace.touched, self._arena.moves)
        recording.calls = recording.outcome = None
        recording.version = structure.version

    def _give_up(self, recording: _Recording, why: str) -> None:
        recording.obstacle, recording.calls = why, None
        name = getattr(self.function, "__qualname__", repr(self.function))
        _log.log(logging.WARNING if self.must else logging.INFO, "%s is not recorded and runs eagerly: %s", name, why)


def _is_array(x: Any) -> bool:
    """True for what may differ from run to run; a variable is one object, read where it is."""
    if isinstance(x, Tensor):
        return not isinstance(x, Variable)
    return is_array(x)


def _signature(x: Any, arrays: list[Any]) -> Any:
    """What tells a structure from others, hashable; its arrays are appended in the order of `tree.flatten`."""
    kind = type(x)
    if kind is Tensor or _is_array(x):
        a = raw(x)
        arrays.append(a)
        mask = getattr(x, "_keras_mask", None)
        return (kind, type(a), a.shape, a.dtype, None if mask is None else _signature(mask, arrays))
    if isinstance(x, list | tuple):
        return (kind, *[_signature(item, arrays) for item in x])
    if isinstance(x, dict):
        return (kind, *[(key, _signature(x[key], arrays)) for key in tree.sorted_keys(x)])
    if isinstance(x, float):
        return (kind, repr(x))  # −0.0 equals 0.0, and NaN not itself
    if kind is slice:
        return (slice, *[_signature(part, arrays) for part in (x.start, x.stop, x.step)])
    if isinstance(x, Variable):
        return (kind, id(x))
    return (kind, x if _is_hashable(x) else None)


def _is_hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


def _obstacle(arrays: list[Any], args: tuple, kwargs: dict) -> str | None:
    """What about the arguments cannot be recorded, or None."""
    if len({type(a) for a in arrays}) > 1:
        return "its arrays are on different devices"
    for x in tree.flatten((args, kwargs)):
        if not (_is_array(x) or isinstance(x, Variable | slice) or _is_hashable(x)):
            return f"an argument of type {type(x).__name__} may change unnoticed"
    return None


def _apart(x: Any) -> Any:
    """The arguments with contiguous copies of arrays, which other arrays and variables cannot overlap with.

    A trace knows an array by its memory, and replays have contiguous storage of their own for each.
    """
    if isinstance(x, list | tuple | dict):
        return tree.map_structure(_apart, x)
    if not _is_array(x):
        return x
    if not isinstance(x, Tensor):
        return copied(x)
    apart: Any = wrap(copied(x.array))
    mask = getattr(x, "_keras_mask", None)
    if mask is not None:
        apart._keras_mask = _apart(mask)
    return apart


def as_tensors(x: Any) -> Any:
    """A batch of rows as tensors in its structure; anything else as it is."""
    return tree.map_structure(lambda a: None if a is None else wrap(a), x.taken()) if type(x) is Rows else x


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
    if recording.outcome is None or not alike(recording.outcome, outcome):
        return "two runs in a row return different things that are not computed with tensors"
    return None


def _computed_unseen(recording: _Recording, trace: Trace) -> str | None:
    """Which call takes an array that is made anew in every run, perhaps by NumPy of a plain array; or None."""
    for i, (a, b) in enumerate(zip(recording.calls or (), trace.calls)):
        if is_made_anew(a.operands, b.operands):
            return (
                f"{a.primitive.name}, call {i}, takes an array that gpunet did not compute; give tensors to record it"
            )
    return None


def function(func: Callable | None = None) -> Any:
    """Decorator: record a function of tensors once it has repeated itself, and replay it from then on.

    A replay runs the same primitives on the same storage with none of the function's Python code, and gives the same
    bits. The first run of a signature (shapes, dtypes and plain values of the arguments) is eager, the second and the
    third are traced and must do the same; Python numbers in them are baked in. Variables may be read and assigned.
    Numbers that Python reads from a tensor are noticed, from a plain array not: give tensors where code branches.

    Example:
        >>> @gpunet.function
        ... def step(x, y):
        ...     with gpunet.GradientTape() as tape:
        ...         loss = loss_function(y, model(x, training=True))
        ...     optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        ...     return loss
    """
    return function if func is None else RecordedFunction(func)
