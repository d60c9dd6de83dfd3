"""`Variable`: a Tensor with a name, whose storage is changed in place by `assign`."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor, raw
from gpunet.autograd.watching import cannot_record
from gpunet.autograd.watching import state as watching
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import Device, as_array, copied, default_device, device_of, to_device
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.backend.primitives import update
from gpunet.backend.primitives.elementwise import cast, copy

LEAVES = -(1 << 62)  # serials of variables begin below, newer than every tape: a trainable one is always tracked
_leaf_serial = itertools.count(LEAVES, -1).__next__
_names = itertools.count()
_NUMBERS = {"i": int, "u": int, "b": bool}  # by the kind of dtype; float for the others


class _Scopes(threading.local):
    def __init__(self):
        self.names: list[str] = []
        self.owners: list[Any] = []
        self.abstract = False
        self.stand_in: int | None = None  # what unknown sizes are while `abstract`
        self.stateless: Any = None  # the innermost `StatelessScope`
        self.changes: Any = None  # what takes note of changes of variables, and of uses that tapes record
        self.again = False  # whether a function runs for the second time, for its gradients
        self.compute_dtype: np.dtype | None = None


scopes = _Scopes()


_living: weakref.WeakValueDictionary[int, Variable] = weakref.WeakValueDictionary()  # by id


def storages() -> dict[int, Variable]:
    """The variables that there are, by the id of the array that holds their values."""
    living = [reference() for reference in _living.valuerefs()]
    return {id(variable.array): variable for variable in living if variable is not None}


class _Structure:
    """Counts changes of what belongs to which layer and what is trainable, so that lists of weights can be kept."""

    version = 0


structure = _Structure()


@contextmanager
def name_scope(name: str, caller: Any = None, deduplicate: bool = True, override_parent: str | None = None):
    """Prefix the path of variables made inside with `name/`.

    Args:
        caller: an object that the scope belongs to.
        deduplicate: enter the scope of a caller once, if it is entered again right inside.
        override_parent: a path that stands for those of the scopes around.
    """
    if deduplicate and caller is not None and scopes.owners and scopes.owners[-1] is caller:
        yield
        return
    before = scopes.names
    around = before if override_parent is None else [part for part in override_parent.split("/") if part]
    scopes.names = [*around, name]
    scopes.owners.append(caller)
    try:
        yield
    finally:
        scopes.names = before
        scopes.owners.pop()


@contextmanager
def abstract_scope(stand_in: int | None = None):
    """While active, nothing has data: assignments and random states leave variables as they are.

    Args:
        stand_in: the size that stands for unknown ones.
    """
    before = scopes.abstract, scopes.stand_in
    scopes.abstract, scopes.stand_in = True, stand_in
    try:
        yield
    finally:
        scopes.abstract, scopes.stand_in = before


@contextmanager
def autocast_scope(dtype: np.dtype | None):
    """While active, float variables enter ops as `dtype`, the compute dtype of a mixed-precision layer."""
    before, scopes.compute_dtype = scopes.compute_dtype, dtype
    try:
        yield
    finally:
        scopes.compute_dtype = before


class Variable(Tensor):
    """A tensor that is updated in place: `Variable(initializer, shape=None, dtype=None, trainable=True, ...)`.

    Args:
        initializer: an array-like, whose values are copied, a callable `(shape, dtype=) -> array`, or the name of one.
        shape: needed with a callable.
        dtype: `floatx()` for a callable or Python floats, else the array's own, where it is None.
        trainable: whether tapes watch it.
        autocast: whether a mixed-precision layer may compute with it in a narrower float.
        aggregation: how replicas combine their values ("none", "mean", "sum", "only_first_replica").
        synchronization: when they do ("none", "auto", "on_read", "on_write"); kept for programs that read it.
        name: "variable" where it is None.

    Raises:
        ValueError: if the initializer is callable and `shape` is None or unknown.
    """

    __slots__ = (
        "_arena",
        "_autocast",
        "_leaf",
        "_trainable",
        "_version",
        "aggregation",
        "constraint",
        "name",
        "overwrite_with_gradient",
        "path",
        "regularizer",
        "synchronization",
        "trainable_at_birth",
    )

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        device: Device | None = None,
    ):
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"Variable expected a name without '/'. Received: name={name!r}")
        self.array = _initial_array(initializer, shape, dtype, device or default_device())
        _living[id(self)] = self
        self.name = name or ("variable" if (n := next(_names)) == 0 else f"variable_{n}")
        self.path = "/".join([*scopes.names, self.name])
        self.aggregation = aggregation
        self.synchronization = synchronization
        self.constraint = None
        self.regularizer = None
        self.overwrite_with_gradient = False
        self._autocast = autocast
        self._version = 0
        self._arena: Any = None  # the optimizer arena that holds the storage
        self._leaf: list[Any] = [_leaf_serial(), None, (), None, None]
        self.trainable_at_birth = bool(trainable)
        self.trainable = trainable

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        structure.version += 1
        self._trainable = bool(value)
        self._node = self._leaf if self._trainable else None

    @property
    def value(self) -> Tensor:
        """The current value as a tensor of its own, which later assignments leave alone."""
        return self + 0 if self.array.dtype.kind != "b" else Tensor(copied(self.array))

    def read_value(self) -> Tensor:
        return self.value

    def detach(self) -> Tensor:
        """The current value as a constant of its own."""
        return Tensor(copy(self.array))

    def assign(self, value: Any) -> Variable:
        """Set every element to `value`, which must have this shape; the dtype is converted.

        Raises:
            ValueError: if the shapes differ.
        """
        self._update(update.assign, value)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add `value` in place; it may broadcast to this shape."""
        self._update(update.assign_add, value, broadcast=True)
        return self

    def assign_sub(self, value: Any) -> Variable:
        """Subtract `value` in place; it may broadcast to this shape."""
        self._update(update.assign_sub, value, broadcast=True)
        return self

    def _update(self, primitive, value: Any, broadcast: bool = False) -> None:
        self.about_to_change()
        if type(value) in (int, float, bool) and (broadcast or not self.shape):
            if not scopes.abstract:
                primitive(self.array, _NUMBERS.get(self.dtype.kind, float)(value))
                self.touched()
            return
        value = raw(as_operand(value))
        if not broadcast and tuple(value.shape) != self.shape:
            raise ValueError(
                f"assign: the shape of the variable and of the value must be equal. "
                f"Received: variable {self.path!r} of shape {self.shape}, value of shape {tuple(value.shape)}"
            )
        if scopes.abstract or type(value) is AbstractArray:
            return
        value = to_device(value, self.device)
        primitive(self.array, value if value.dtype == self.dtype else cast(value, dtype=self.dtype))
        self.touched()

    def __setitem__(self, index, value) -> None:
        cannot_record(f"part of the variable {self.path!r} is assigned by an index")
        self.about_to_change()
        self.array[index] = to_device(raw(as_operand(value)), self.device)
        self.touched()

    def move_to(self, storage: Any) -> Variable:
        """Adopt `storage`, an array of the same shape and dtype that already holds the values."""
        self.array = storage
        structure.version += 1
        return self

    def about_to_change(self) -> None:
        """Let the scopes around know that the storage is going to be changed in place."""
        if scopes.abstract:
            return
        if scopes.changes is not None:
            scopes.changes.hold(self)
        if scopes.stateless is not None:
            scopes.stateless.hold(self)

    def touched(self) -> None:
        """Note that the storage was changed in place; assignments do, other code that writes into `.array` has to."""
        self._version += 1
        if watching.trace is not None:
            watching.trace.touched.append(self)

    def __deepcopy__(self, memo) -> Variable:
        copy = Variable(
            copied(self.array),
            trainable=self.trainable,
            autocast=self._autocast,
            name=self.name,
            device=self.device,
        )
        copy.path, copy.aggregation, copy.constraint = self.path, self.aggregation, self.constraint
        copy.regularizer, copy.overwrite_with_gradient = self.regularizer, self.overwrite_with_gradient
        memo[id(self)] = copy
        return copy

    def __reduce__(self):
        return _rebuild, (
            self.numpy(),
            self.name,
            self.path,
            self.trainable,
            self._autocast,
            self.aggregation,
        )

    def __repr__(self) -> str:
        return (
            f"Variable(path={self.path!r}, shape={self.shape}, dtype={self.dtype.name}, "
            f"value={self._values() if self.size <= 100 else '...'})"
        )


def _rebuild(array, name, path, trainable, autocast, aggregation) -> Variable:
    variable = Variable(array, trainable=trainable, autocast=autocast, aggregation=aggregation, name=name)
    variable.path = path
    return variable


def as_operand(value: Any) -> Any:
    """A Tensor, or a raw array made of anything else."""
    return value if isinstance(value, Tensor) else as_array(value)


# By name, a function (shape, dtype=) -> array; `gpunet.initializers` puts its own here.
initializer_named: list[Callable[[str], Callable]] = []


def _initial_array(initializer: Any, shape: Any, dtype: Any, device: Device) -> Any:
    if isinstance(initializer, str):
        initializer = initializer_named[0](initializer)
    if not callable(initializer):
        array = raw(as_operand(initializer))
        dtype = as_dtype(dtype) if dtype is not None else array.dtype
        if shape is not None and tuple(shape) != tuple(array.shape):
            raise ValueError(f"Variable expected a value of shape {tuple(shape)}. Received: shape={array.shape}")
        moved = to_device(array, device)
        return copied(moved, dtype) if moved is array or moved.dtype != dtype else moved
    if shape is None or None in tuple(shape):
        raise ValueError(f"Variable needs the full shape when the initializer is callable. Received: shape={shape}")
    shape, dtype = tuple(int(n) for n in shape), as_dtype(dtype)
    array = to_device(raw(as_operand(initializer(shape, dtype=dtype))), device)
    if tuple(array.shape) != shape:
        raise ValueError(f"the initializer returned shape {tuple(array.shape)}, expected {shape}")
    return copied(array, dtype)


def compute_dtype_of(variable: Variable) -> np.dtype | None:
    """The dtype in which an active autocast scope wants the variable, or None where it is right as it is."""
    wanted = scopes.compute_dtype
    if wanted is None or not variable._autocast or variable.dtype == wanted or not is_float(variable.dtype):
        return None
    return wanted


__all__ = ["Variable", "abstract_scope", "autocast_scope", "device_of", "name_scope"]
