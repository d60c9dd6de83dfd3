"""Watching which primitives run: their implementations, operands and results, in order.

Every operand is the function's input, an earlier result (or a view of one), or else a constant: the storage of a
variable, which replays read as it is then, or an array that two traces in a row must make alike.
"""

from __future__ import annotations

import bisect
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gpunet.autograd.watching import state
from gpunet.backend.primitive import PRIMITIVES, Primitive, backend_of


class Input(NamedTuple):
    """The function's array number `number`."""

    number: int


class Result(NamedTuple):
    """Result number `part` of call number `call`; residuals follow the results proper."""

    call: int
    part: int


class View(NamedTuple):
    """Memory of an input or result, seen as another array that no primitive made."""

    base: Input | Result
    offset: int  # in bytes from the base's first byte
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype


class Group(NamedTuple):
    """Several operands in one list."""

    members: tuple[Any, ...]


class Constant:
    """An array from outside, or a Python number or None."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and alike(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]


class Spec(NamedTuple):
    """A result's layout, the operand whose memory it shares, or −1, and whether it shares the first result's."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype
    shares: int
    beside: bool = False


_NOTHING = Spec((), (), np.dtype(bool), -1)  # in the place of an absent result


class Call(NamedTuple):
    """One primitive that ran."""

    primitive: Primitive
    implementation: Callable
    operands: tuple[Any, ...]
    attributes: dict[str, Any]
    results: tuple[Spec, ...]

    def matches(self, other: Call) -> bool:
        """Whether both are the same step of the same computation."""
        return (
            self.primitive is other.primitive
            and self.implementation is other.implementation
            and self.operands == other.operands
            and self.results == other.results
            and alike(self.attributes, other.attributes)
        )


def is_array(x: Any) -> bool:
    """True for arrays, which have memory of their own; not for NumPy's scalars."""
    return hasattr(x, "strides") and not isinstance(x, np.generic)


def alike(a: Any, b: Any) -> bool:
    """Equal, in bits where they are arrays; the same memory is equal whatever is in it."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if is_array(a):
        if (a.shape, a.dtype, a.strides) != (b.shape, b.dtype, b.strides):
            return False
        return extent(a) == extent(b) or _bytes(a) == _bytes(b)
    return bool(a == b) or (a != a and b != b)


def _bytes(array: Any) -> bytes:
    return (array.get() if hasattr(array, "get") else array).tobytes()


def extent(array: Any) -> tuple[int, int]:
    """The addresses of an array's first byte and past its last."""
    if isinstance(array, np.ndarray):
        return np.lib.array_utils.byte_bounds(array)
    low = high = array.data.ptr
    for n, stride in zip(array.shape, array.strides):
        reach = (n - 1) * stride if n else 0
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high + array.itemsize


def is_made_anew(operands: Sequence[Any], again: Sequence[Any]) -> bool:
    """Whether an array with axes from outside, among a call's operands in two runs, is in other memory later."""
    for a, b in zip(operands, again):
        if isinstance(a, Group):
            if is_made_anew(a.members, b.members):
                return True
        elif isinstance(a, Constant) and is_array(a.value) and a.value.ndim and extent(a.value) != extent(b.value):
            return True
    return False


def touches(call: Call, array: Any) -> bool:
    """Whether an array from outside, among the call's operands, shares memory with `array`."""
    low, high = extent(array)
    for reference in call.operands:
        for member in reference.members if isinstance(reference, Group) else (reference,):
            if isinstance(member, Constant) and is_array(member.value) and member.value.size:
                start, stop = extent(member.value)
                if low < stop and start < high:
                    return True
    return False


def address(array: Any) -> int:
    """The address of an array's first element."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


class _Range(NamedTuple):
    """Memory of an input or result, from `low` up to `high`, while `owner()` lives."""

    low: int
    high: int
    owner: Callable
    reference: Input | Result


def _owner(array: Any) -> Any:
    """The array at the bottom, which lives as long as any view of its memory."""
    while is_array(array.base):
        array = array.base
    return array


class Trace:
    """The calls of one run of a function, and what its arrays are."""

    def __init__(self, inputs: Sequence[Any]):
        self.calls: list[Call] = []
        self.touched: list[Any] = []  # variables, as often as they were changed
        self.obstacle: str | None = None
        self._known: dict[int, tuple[Callable, Input | Result]] = {}
        self._ranges: list[_Range] = []
        for i, array in enumerate(inputs):
            self._remember(array, Input(i), owns=True)

    def _remember(self, array: Any, reference: Input | Result, owns: bool) -> None:
        """Know the array by its identity, and its memory by its place, while they live: a trace keeps nothing alive."""
        self._known[id(array)] = (weakref.ref(array), reference)
        if owns and array.size:
            low, high = extent(array)
            first = bisect.bisect_left(self._ranges, low, key=lambda r: r.high - 1)
            last = bisect.bisect_left(self._ranges, high, key=lambda r: r.low)
            self._ranges[first:last] = [_Range(low, high, weakref.ref(_owner(array)), reference)]

    def refer(self, array: Any) -> Any:
        """What an array is, or a list of them."""
        if isinstance(array, list | tuple):
            return Group(tuple(map(self.refer, array)))
        if not is_array(array):
            return Constant(array)
        known = self._known.get(id(array))
        if known is not None and known[0]() is array:
            return known[1]
        holder = self._holder(array)
        if holder is None:
            return Constant(array)
        return View(holder.reference, address(array) - holder.low, array.shape, array.strides, array.dtype)

    def _holder(self, array: Any) -> _Range | None:
        """The memory of an input or result in which the array is."""
        if not array.size:
            return None
        low, high = extent(array)
        place = bisect.bisect_right(self._ranges, low, key=lambda r: r.low) - 1
        found = self._ranges[place] if place >= 0 else None
        return found if found is not None and high <= found.high and found.owner() is not None else None

    def note(self, primitive: Primitive, implementation: Callable, arrays: tuple, attributes: dict, found: Any) -> None:
        """A primitive ran on `arrays` and gave `found`."""
        operands = tuple(map(self.refer, arrays))
        for name, value in attributes.items():
            if is_array(value) and not isinstance(self.refer(value), Constant):
                self.obstacle = f"{primitive.name} takes a computed array as its attribute {name}"
        parts = _parts(primitive, attributes, found)
        specs = []
        for i, part in enumerate(parts):
            if part is None:
                specs.append(_NOTHING)
                continue
            shares = _shared(part, arrays)
            beside = i > 0 and _shared(part, parts[:1]) == 0
            specs.append(Spec(part.shape, part.strides, part.dtype, shares, beside))
            known = self._known.get(id(part))
            if known is None or known[0]() is not part:
                self._remember(part, Result(len(self.calls), i), owns=shares < 0)
        self.calls.append(Call(primitive, implementation, operands, attributes, tuple(specs)))


def _parts(primitive: Primitive, attributes: dict, found: Any) -> list[Any]:
    """Results and residuals in a flat list."""
    if found is None:
        return []
    if primitive.has_residuals:
        found, residuals = found
        return [*(found if type(found) is tuple else (found,)), *residuals]
    return list(found) if type(found) is tuple else [found]


def _shared(result: Any, arrays: Sequence[Any]) -> int:
    """The first operand whose memory the result shares, or −1."""
    if not result.size:
        return -1
    low, high = extent(result)
    for i, a in enumerate(arrays):
        if is_array(a) and a.size:
            start, stop = extent(a)
            if low < stop and start < high:
                return i
    return -1


_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):  # a child would find the table watched, and wait for a thread that it has not
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


@contextmanager
def tracing(inputs: Sequence[Any], kind: type) -> Iterator[Trace]:
    """Watch the primitives that this thread runs on arrays of type `kind`."""
    with _LOCK:
        trace = Trace(inputs)
        plain = {p: p.table[kind] for p in PRIMITIVES.values() if backend_of(kind).provider_of(p) is not None}
        for primitive, implementation in plain.items():
            primitive.table[kind] = watched(primitive, implementation)
        before, state.trace = state.trace, trace
        try:
            yield trace
        finally:
            state.trace = before
            for primitive, implementation in plain.items():
                primitive.table[kind] = implementation


def watched(primitive: Primitive, implementation: Callable) -> Callable:
    """The implementation, with a note of each call; not of those that other implementations make."""

    def run(*arrays, out=None, **attributes):
        trace = state.trace
        given = {} if out is None else {"out": out}
        if trace is None:
            return implementation(*arrays, **given, **attributes)
        state.trace = None
        try:
            found = implementation(*arrays, **given, **attributes)
        finally:
            state.trace = trace
        if type(found) is not tuple and isinstance(found, np.generic):
            found = np.asarray(found)
        trace.note(primitive, implementation, arrays, attributes, found)
        return found

    return run
