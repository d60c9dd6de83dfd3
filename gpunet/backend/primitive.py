"""Primitives: named array functions with a shape rule and one implementation per provider.

A primitive is called with raw arrays and dispatches on the type of the array: `numpy.ndarray`,
`cupy.ndarray`, `AbstractArray` (its shape rule) or any type that an `ArrayBackend` is registered for.

An implementation is a plain function `f(*arrays, out=None, **attributes)`. A primitive that keeps something
for its own backward returns `(out, residuals)` and takes `residuals: bool`, which is False outside a tape. The
implementation of a provider that is `partial` returns NotImplemented for arguments that it leaves to the next one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.bound import settled

PRIMITIVES: dict[str, Primitive] = {}


class _Table(dict):
    """Array type → implementation, filled on first use from the providers of that type's backend."""

    def __init__(self, primitive: Primitive):
        super().__init__()
        self.primitive = primitive

    def __missing__(self, array_type: type) -> Callable:
        implementation = backend_of(array_type).implementation(self.primitive)
        self[array_type] = implementation
        return implementation


class Primitive:
    """An array function: `name`, the shape rule `infer(*arrays, **attributes)` and a table of implementations.

    `is_view` says that the result may share memory with the first operand, `allocates` that implementations make their
    results themselves and take no `out=`, `gathers` that without attributes a call only copies arrays to places: its
    operands are (whole, places, values), `of_shape` that only the shapes and dtypes of operands matter, `launches` that
    a call on a GPU does no more than launch kernels, as a CUDA graph can. `gradient` belongs to `gpunet.autograd`;
    nothing in the backend reads it.
    """

    __slots__ = (
        "allocates",
        "gathers",
        "gradient",
        "has_residuals",
        "infer",
        "is_view",
        "launches",
        "name",
        "of_shape",
        "table",
    )

    def __init__(self, name: str, infer: Callable, has_residuals: bool = False, is_view: bool = False):
        if name in PRIMITIVES:
            raise ValueError(f"a primitive named {name!r} exists already")
        self.name = name
        self.infer = infer
        self.has_residuals = has_residuals
        self.is_view = is_view
        self.allocates = False
        self.gathers = False
        self.of_shape = False
        self.launches = True
        self.gradient: Any = None
        self.table = _Table(self)
        PRIMITIVES[name] = self

    def __call__(self, array, *arrays, **attributes):
        """Run on raw arrays, all of the same array type; Python scalars may follow the first."""
        return self.table[type(array)](array, *arrays, **attributes)

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


class UnlistedPrimitive(Primitive):
    """A primitive outside of `PRIMITIVES`, whose table its maker fills: one step of a recording, whatever it does.

    It makes its results itself.
    """

    __slots__ = ()

    def __init__(self, name: str):
        self.name = name
        self.infer = lambda *_, **__: None
        self.has_residuals = self.is_view = self.gathers = self.of_shape = False
        self.allocates = self.launches = True
        self.gradient = None


class Provider:
    """A set of implementations, such as "numpy" or "cuda".

    Args:
        binds_namespace: its implementations take the array module first.
        partial: its implementations may return NotImplemented, before they have changed anything.
        available: asked when an implementation is first looked for; where it is False the provider has none.
    """

    def __init__(
        self,
        name: str,
        binds_namespace: bool = False,
        partial: bool = False,
        available: Callable[[], bool] | None = None,
    ):
        self.name = name
        self.binds_namespace = binds_namespace
        self.partial = partial
        self.available = available
        self.implementations: dict[str, Callable] = {}
        self.binders: dict[str, Callable] = {}

    def serves(self, primitive: Primitive) -> bool:
        """Whether there is an implementation that can be used now."""
        return primitive.name in self.implementations and (self.available is None or self.available())

    def binder(self, primitive: Primitive) -> Callable | None:
        """What makes calls of `primitive` ready, if it can be used now; there need be no implementation beside it."""
        found = self.binders.get(primitive.name)
        return found if found is None or self.available is None or self.available() else None

    def implements(self, primitive: Primitive) -> Callable[[Any], Any]:
        """Decorator: register a function as this provider's implementation of `primitive`."""

        def register(function: Callable) -> Callable:
            self.implementations[primitive.name] = function
            return function

        return register

    def binds(self, primitive: Primitive) -> Callable[[Any], Any]:
        """Decorator: register what makes a call of `primitive` on these very arrays ready, to be made many times.

        The function takes what an implementation takes, `out=` included, and returns a function without arguments that
        does exactly what the implementation would, in the thread that asked; NotImplemented if the implementation would
        always return that, or None where the call cannot be made ready. `backend/bound.py` has marks for the function.
        """

        def register(function: Callable) -> Callable:
            self.binders[primitive.name] = function
            return function

        return register

    def bind(self, primitive: Primitive, xp: ModuleType) -> Callable | None:
        """The implementation for arrays of the namespace `xp`, or None."""
        if not self.serves(primitive):
            return None
        function = self.implementations[primitive.name]
        if not self.binds_namespace:
            return function
        if isinstance(function, UfuncName):
            return getattr(xp, function)
        return functools.partial(function, xp)

    def signature(self, primitive: Primitive) -> inspect.Signature | None:
        """The implementation's signature without a leading namespace; None for a ufunc or where there is none."""
        function = self.implementations.get(primitive.name)
        if function is None or isinstance(function, UfuncName):
            return None
        signature = inspect.signature(function)
        if self.binds_namespace:
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        return signature


class UfuncName(str):
    """Names the namespace's own ufunc as the implementation, called without a wrapper."""

    __slots__ = ()


class ArrayBackend:
    """One kind of array: its type, its namespace and the providers to ask, first to last.

    `graph(array)`, where there is one, makes an object whose `run(function)` repeats a function of launches as one.
    `large`, where there is one, is the number of items from which on a parameter is updated by a call of its own: each
    thread then updates those rows of it that it had in products. Where None, few calls are better.
    """

    def __init__(
        self,
        array_type: type,
        xp: ModuleType | Any,
        providers: Iterable[Provider],
        graph: Callable[[Any], Any] | None = None,
        large: int | None = None,
    ):
        self.array_type = array_type
        self.xp = xp
        self.graph = graph
        self.large = large
        self.providers = list(providers)

    def implementation(self, primitive: Primitive) -> Callable:
        """The function for `primitive`: the first provider's, followed by the next ones' if it is partial."""
        functions: list[Callable] = []
        for provider in self.providers:
            function = provider.bind(primitive, self.xp)
            if function is None:
                continue
            functions.append(function)
            if not provider.partial:
                return functools.reduce(lambda rest, first: _either(first, rest), reversed(functions))
        names = ", ".join(p.name for p in self.providers)
        raise NotImplementedError(f"{primitive.name} has no implementation for {self.array_type} in: {names}")

    def ready(self, primitive: Primitive, general: Callable[[], Any], *arrays: Any, **attributes: Any) -> Callable:
        """`general`, a call of `primitive` on these very arrays, as a function that does the same more quickly.

        What it returns is for this thread, whose work space it uses.
        """
        for provider in self.providers:
            binder = provider.binder(primitive)
            if binder is None and not provider.serves(primitive):
                continue
            bound = None if binder is None else binder(*arrays, **attributes)
            if bound is None:
                break
            if bound is not NotImplemented:
                return settled(bound, general, primitive.has_residuals)
        return general

    def provider_of(self, primitive: Primitive) -> str | None:
        """The name of the provider that is asked first for `primitive`, or None."""
        return next((p.name for p in self.providers if p.serves(primitive)), None)

    def rebind(self) -> None:
        """Look for implementations anew at the next calls: providers have changed."""
        for primitive in PRIMITIVES.values():
            primitive.table.pop(self.array_type, None)


def _either(first: Callable, rest: Callable) -> Callable:
    def run(*arrays, **attributes):
        result = first(*arrays, **attributes)
        return rest(*arrays, **attributes) if result is NotImplemented else result

    return run


class _AbstractBackend(ArrayBackend):
    def implementation(self, primitive: Primitive) -> Callable:
        infer = primitive.infer

        def run(*arrays, out=None, residuals=False, **attributes):
            result = infer(*arrays, **attributes)
            return (result, ()) if primitive.has_residuals else result

        return run


_backends: dict[type, ArrayBackend] = {}
_late_registrations: dict[str, Callable[[], Any]] = {}


def register_late(module: str, register: Callable[[], Any]) -> None:
    """Call `register` when an array type of the package `module` is first seen."""
    _late_registrations[module] = register


def register_backend(backend: ArrayBackend) -> None:
    """Make arrays of the backend's type usable in every primitive, replacing an earlier registration."""
    unregister_backend(backend.array_type)
    _backends[backend.array_type] = backend


def unregister_backend(array_type: type) -> None:
    """Forget a backend and every implementation that was bound for it."""
    backend = _backends.pop(array_type, None)
    if backend is not None:
        backend.rebind()


def is_array_type(array_type: type) -> bool:
    """True for types that primitives accept."""
    if array_type in _backends:
        return True
    register = _late_registrations.get(array_type.__module__.partition(".")[0])
    if register is None or array_type.__name__ != "ndarray":
        return False
    register()
    return array_type in _backends


def backend_of(array_type: type) -> ArrayBackend:
    """The backend registered for an array type."""
    if not is_array_type(array_type):
        raise TypeError(f"expected a NumPy or CuPy array. Received: {array_type}")
    return _backends[array_type]


register_backend(_AbstractBackend(AbstractArray, None, ()))
