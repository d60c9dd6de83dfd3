"""A trace as a program: storage planned by how long each result lives, and one straight line of calls."""

from __future__ import annotations

import functools
import math
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.autograd.recording.arena import Arena
from gpunet.autograd.recording.packings import Packings
from gpunet.autograd.recording.trace import Call, Constant, Group, Input, Result, Spec, View, is_array, touches
from gpunet.backend.bound import flat
from gpunet.backend.devices import current_device, device_of
from gpunet.backend.memory import lasting
from gpunet.backend.primitive import PRIMITIVES, backend_of
from gpunet.backend.primitives.update import assign
from gpunet.backend.rows import Rows

_ALIGNMENT = 256
_FOLDED_BYTES = 1 << 12  # of a result that is computed once and kept


class Program:
    """Replays a trace: `program(arrays)` copies the inputs in, runs the calls, and returns the outputs' storage.

    A result lives in a block of an arena from the call that makes it to the last that reads it. Results other than a
    call's first, and residuals, are made anew by the implementations each time, unless the call was made ready with
    arrays of its own for them. What comes of shapes and numbers alone is computed once.

    Args:
        calls: of a trace.
        inputs: arrays like those that replays will be given.
        outputs: references to what to return.
        arena: where results are; the caller holds its lock, here and for each replay.
    """

    def __init__(self, calls: Sequence[Call], inputs: Sequence[Any], outputs: Sequence[Any], arena: Arena):
        self._given = (calls, inputs, outputs, arena)
        self._device = device_of(inputs[0])
        self.calls = list(calls)
        self._backend = backend = backend_of(type(inputs[0]))
        self.xp = backend.xp
        launches = all(call.primitive.launches for call in calls)
        self.graph = backend.graph(inputs[0]) if backend.graph is not None and launches else None
        self._last = _last_uses(calls, outputs)
        self._outputs = outputs
        self._folded: set[int] = set()
        self._packings = Packings(self.calls)
        with current_device(self._device):
            self.inputs = [lasting(self.xp, x.shape, x.dtype) for x in inputs]
            self._arrays: dict[Any, Any] = {Input(i): x for i, x in enumerate(self.inputs)}
            self._fold()
            self._place_gathered()
            self._place_results(arena)
            self._placed = dict(self._arrays)
            self._home = threading.get_ident()
            self._run = self._compile(is_home=True)

    def __call__(self, arrays: Sequence[Any] | Rows) -> tuple:
        if isinstance(arrays, Rows):
            arrays.take_into(self.inputs)
        else:
            for place, array in zip(self.inputs, arrays):
                assign(place, array)
        if threading.get_ident() == self._home:
            run = self._run
            self._packings.renew()
        else:
            run = self._elsewhere
        return run() if self.graph is None else self.graph.run(run)

    @functools.cached_property
    def _elsewhere(self) -> Callable[[], tuple]:
        """The program for other threads, whose work space calls that were made ready do not use."""
        self._arrays = dict(self._placed)
        with current_device(self._device):
            return self._compile(is_home=False)

    def moved(self) -> Program:
        """The same program where the arena is now."""
        calls, _, outputs, arena = self._given
        return Program(calls, self.inputs, outputs, arena)

    def _fold(self) -> None:
        """Compute now what is the same in every replay, as it comes of shapes and numbers alone."""
        for i, call in enumerate(self.calls):
            if self._is_foldable(call):
                operands = [self._example(reference) for reference in call.operands]
                self._arrays[Result(i, 0)] = self.xp.asarray(call.implementation(*operands, **call.attributes))
                self._folded.add(i)

    def _is_foldable(self, call: Call) -> bool:
        """Whether the one result is small, and known without running anything that is not."""
        if len(call.results) != 1 or PRIMITIVES.get(call.primitive.name) is not call.primitive:
            return False
        if not (call.primitive.is_view or _is_placed(call)) or _nbytes(call.results[0]) > _FOLDED_BYTES:
            return False
        arrays = [x for x in call.operands if not isinstance(x, Constant) or is_array(x.value)]
        if call.primitive.of_shape:
            return all(isinstance(x, Result) for x in arrays)
        return bool(arrays) and all(isinstance(x, Result) and x in self._arrays for x in arrays)

    def _example(self, reference: Any) -> Any:
        """A folded result, a number, or an array of the shape that a result will have."""
        if isinstance(reference, Constant):
            return reference.value
        if reference in self._arrays:
            return self._arrays[reference]
        spec = self.calls[reference.call].results[reference.part]
        return _laid_out(self.xp.empty((math.prod(spec.shape),), spec.dtype), spec)

    def _place_gathered(self) -> None:
        """Let results that are only copied somewhere be made there."""
        for number, call in enumerate(self.calls):
            if call.primitive.gathers and not any(value is not None for value in call.attributes.values()):
                whole, places, values = call.operands
                pairs = [pair for pair in zip(places.members, values.members) if not self._moves(number, *pair)]
                rest = (Group(tuple(p for p, _ in pairs)), Group(tuple(v for _, v in pairs)))
                self.calls[number] = call._replace(operands=(whole, *rest))

    def _moves(self, number: int, place: Any, value: Any) -> bool:
        """Make the result `value` in `place`, unless call `number` is not all that happens to either until then."""
        if not isinstance(place, Constant) or not isinstance(value, Result) or value in self._arrays:
            return False
        maker, spec, there = self.calls[value.call], None, place.value
        if value.part == 0 and _is_placed(maker) and self._last[value.call] == number:
            spec = maker.results[0]
        if spec is None or (spec.shape, spec.strides, spec.dtype) != (there.shape, there.strides, there.dtype):
            return False
        if any(touches(call, there) for call in self.calls[value.call : number]):
            return False
        self._arrays[value] = there
        return True

    def _place_results(self, arena: Arena) -> None:
        """Give every first result that owns its memory a place in the arena."""
        owned = [i for i, call in enumerate(self.calls) if _is_placed(call) and Result(i, 0) not in self._arrays]
        sizes = {i: _nbytes(self.calls[i].results[0]) for i in owned}
        places, self.nbytes = plan({i: (i, self._last[i], sizes[i]) for i in owned})
        memory = arena.reserve(self.xp, self.inputs[0], self.nbytes)
        for i in owned:
            spec = self.calls[i].results[0]
            block = memory[places[i] : places[i] + math.prod(spec.shape) * spec.dtype.itemsize]
            self._arrays[Result(i, 0)] = _laid_out(block.view(spec.dtype), spec)

    def _static(self, reference: Any) -> Any:
        """The array behind a reference that is the same at every replay, or None."""
        if isinstance(reference, View):
            base = self._static(reference.base)
            return None if base is None else _seen_as(base, reference)
        return self._arrays.get(reference)

    def _name(self, value: Any) -> str:
        name = f"v{len(self._namespace)}"
        self._namespace[name] = value
        return name

    def _operand(self, reference: Any) -> tuple[bool, Any]:
        """(True, value) of what never changes, else (False, an expression)."""
        if isinstance(reference, Constant):
            return True, reference.value
        if isinstance(reference, Group):
            return self._group(list(map(self._operand, reference.members)))
        array = self._static(reference)
        if array is not None:
            return True, array
        if isinstance(reference, View):
            view = self._name(functools.partial(_seen_as, reference=reference))
            return False, f"{view}({self._operand(reference.base)[1]})"
        return False, f"r{reference.call}[{reference.part}]"

    def _group(self, members: list[tuple[bool, Any]]) -> tuple[bool, Any]:
        if all(static for static, _ in members):
            return True, [value for _, value in members]
        return False, f"[{', '.join(self._name(value) if static else value for static, value in members)}]"

    def _compile(self, is_home: bool) -> Callable[[], tuple]:
        self._namespace: dict[str, Any] = {}
        lines = [line for i, call in enumerate(self.calls) if (line := self._line(i, call, is_home))]
        returned = [self._operand(reference) for reference in self._outputs]
        values = [self._name(value) if static else value for static, value in returned]
        lines.append(f"return ({', '.join(values)}{',' if values else ''})")
        text = "def run():\n    " + "\n    ".join(_without_hoarding(lines))
        exec(compile(text, "<recorded step>", "exec"), self._namespace)
        return self._namespace.pop("run")

    def _line(self, i: int, call: Call, is_home: bool) -> str:
        """The Python line that does a call, or "" for a view of what never moves, which is taken now."""
        if i in self._folded or (call.primitive.gathers and call.operands[1] == Group(())):
            return ""
        operands = [self._operand(reference) for reference in call.operands]
        attributes = call.attributes
        shares = call.results[0].shares if call.results else -1
        settled = all(static for static, _ in operands)
        if call.primitive.is_view and shares >= 0 and settled:
            self._arrays[Result(i, 0)] = call.implementation(*(v for _, v in operands), **attributes)
            return ""
        if Result(i, 0) in self._arrays:
            attributes = attributes | {"out": self._arrays[Result(i, 0)]}
        step: Callable
        if settled:
            step = self._ready(i, call, [value for _, value in operands], attributes, is_home)
            expression = f"{self._name(step)}()"
        else:
            step = functools.partial(call.implementation, **attributes) if attributes else call.implementation
            values = [self._name(value) if static else value for static, value in operands]
            expression = f"{self._name(step)}({', '.join(values)})"
        return self._kept(i, call, expression)

    def _ready(self, i: int, call: Call, operands: list[Any], attributes: dict[str, Any], is_home: bool) -> Callable:
        general = functools.partial(call.implementation, *operands, **attributes)
        if not is_home or PRIMITIVES.get(call.primitive.name) is not call.primitive:  # or one of the user's own
            return general
        step = self._backend.ready(call.primitive, general, *operands, **attributes)
        self._arrays.update({Result(i, part): array for part, array in enumerate(getattr(step, "parts", ()))})
        return self._packings.without(call, step)

    def _kept(self, i: int, call: Call, expression: str) -> str:
        """The expression, its results kept where a later call reads one that is not in the arena."""
        if all(Result(i, part) in self._arrays for part in range(len(call.results))):
            return expression
        if call.primitive.has_residuals:
            return f"r{i} = {self._name(flat)}({expression})"
        return f"r{i} = {expression}" if len(call.results) > 1 else f"r{i} = ({expression},)"


def _without_hoarding(lines: list[str]) -> list[str]:
    """The lines, each local variable deleted behind the last that reads it: what it holds may be large."""
    last = {name: i for i, line in enumerate(lines[:-1]) for name in re.findall(r"\br\d+\b", line)}
    dead: dict[int, list[str]] = {}
    for name in last.keys() - set(re.findall(r"\br\d+\b", lines[-1])):
        dead.setdefault(last[name], []).append(name)
    return [f"{line}; del {', '.join(sorted(dead[i]))}" if i in dead else line for i, line in enumerate(lines)]


def _is_placed(call: Call) -> bool:
    made_anew = call.primitive.is_view or call.primitive.allocates
    return bool(call.results) and call.results[0].shares < 0 and not made_anew


def _laid_out(flat: Any, spec: Spec) -> Any:
    """A flat array in the spec's shape, its axes in memory in the order in which they were when it was traced.

    The order of memory decides the order of sums over it, and so their last bits.
    """
    order = sorted(range(len(spec.shape)), key=lambda axis: -abs(spec.strides[axis]))
    back = [order.index(axis) for axis in range(len(order))]
    return flat.reshape([spec.shape[axis] for axis in order]).transpose(back)


def _nbytes(spec: Spec) -> int:
    nbytes = math.prod(spec.shape) * spec.dtype.itemsize
    return max(1, -(-nbytes // _ALIGNMENT)) * _ALIGNMENT


def _seen_as(base: Any, reference: View) -> Any:
    """A view of `base`'s memory."""
    if isinstance(base, np.ndarray):
        flat = np.ndarray(base.nbytes, np.uint8, buffer=base.view(np.ndarray)) if base.flags.c_contiguous else base
        seen = np.ndarray(reference.shape, reference.dtype, flat, reference.offset, reference.strides)
        return seen.view(type(base))
    memory = base.data + reference.offset
    return type(base)(reference.shape, reference.dtype, memory, strides=reference.strides)


def _last_uses(calls: Sequence[Call], outputs: Sequence[Any]) -> list[int]:
    """For each call, the number of the last call that reads its first result, also through views of it."""
    last = list(range(len(calls)))
    owners: dict[Result, set[int]] = {}
    for i, call in enumerate(calls):
        read = set().union(*(_owners(reference, owners) for reference in call.operands)) if call.operands else set()
        for owner in read:
            last[owner] = i
        for part, spec in enumerate(call.results):
            shared = set() if spec.shares < 0 else _owners(call.operands[spec.shares], owners)
            owners[Result(i, part)] = shared | ({i} if part == 0 or spec.beside else set())
    for reference in outputs:
        for owner in _owners(reference, owners):
            last[owner] = len(calls)
    return last


def _owners(reference: Any, owners: dict[Result, set[int]]) -> set[int]:
    """The calls in the memory of whose first results a reference is."""
    if isinstance(reference, View):
        return _owners(reference.base, owners)
    if isinstance(reference, Group):
        return set().union(*(_owners(member, owners) for member in reference.members))
    return owners[reference] if isinstance(reference, Result) else set()


def plan(lives: dict[int, tuple[int, int, int]]) -> tuple[dict[int, int], int]:
    """Offsets for blocks that live from one call to another, none overlapping while both live; and the total.

    Args:
        lives: number → (first, last, bytes), both ends included. The largest are placed first, each at the lowest
            offset where it fits (greedy by size: Pisarchyk and Lee, arXiv:2001.03288).
    """
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last
    offsets: dict[int, int] = {}
    for number, (first, last, size) in sorted(lives.items(), key=lambda item: -item[1][2]):
        offset = 0
        for start, end, other_first, other_last in sorted(placed):
            if other_first > last or other_last < first:
                continue
            if offset + size <= start:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, first, last))
        offsets[number] = offset
    return offsets, max((p[1] for p in placed), default=0)
