"""`remat`: computing a function again in the backward pass, in place of keeping what it computed in between."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from gpunet import tree
from gpunet.autograd.gradient_tape import GradientTape
from gpunet.autograd.tape import Gradient, Record, clock, state
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import LEAVES, Variable, autocast_scope, scopes
from gpunet.autograd.walk import walk
from gpunet.backend.primitives.elementwise import copy

# Each returns, while a function runs, what makes a scope with the same surroundings when it runs again.
surroundings: list[Callable[[], Callable[[], AbstractContextManager]]] = [
    lambda: functools.partial(autocast_scope, scopes.compute_dtype)
]


def remat(f: Callable, if_worth: Callable[[Any], bool] | None = None) -> Callable:
    """The same function, of which tapes keep only the arguments: backward computes it again (gradient checkpointing).

    It costs a second forward computation and saves the memory of all that lies between the function's arguments and
    its results. Dropout masks are equal in both runs; variables that the function assigns change once.

    Args:
        f: a function of tensors and whatever else it takes, or a layer.
        if_worth: told the results, whether to compute them again; always where None.

    Example:
        >>> block = gpunet.remat(lambda x: ops.tanh(ops.matmul(ops.tanh(ops.matmul(x, a)), b)))

    Source: Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
    """

    @functools.wraps(f, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if state.base is None:
            return f(*args, **kwargs)
        start = clock()
        with _Changes() as changes:
            results = f(*args, **kwargs)
        if if_worth is None or if_worth(results):
            made = [y for y in tree.flatten(results) if isinstance(y, Tensor) and _is_within(y._node, start)]
            if made:
                _forget(made, start, _Again(f, args, kwargs, results, made, changes))
        return results

    return wrapped


def _is_within(node: list | None, start: int) -> bool:
    """Whether a node is newer than `start`, and no variable's."""
    return node is not None and LEAVES < node[0] < start


def _forget(made: list[Tensor], start: int, again: _Again) -> None:
    """Let the results' nodes lead straight to the tensors from outside of the function that they depend on."""
    again.parents = tuple(_reached([y._node for y in made], start))
    record = Record((), None, {}, (), (), made[0].dtype)
    node = [clock(), Gradient(vjp=again.gradients), again.parents, record, again.changes.uses()]
    for i, y in enumerate(made):
        y._node = [clock(), i, (node,), len(made), None]


def _reached(nodes: Sequence[Any], start: int) -> list[list]:
    """The nodes from before `start`, and those of variables, that newer ones lead to."""
    found: dict[int, list] = {}
    seen: set[int] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if not _is_within(node, start):
            found[node[0]] = node
        elif node[0] not in seen:
            seen.add(node[0])
            stack.extend([parent for parent in node[2] if parent is not None])
    return list(found.values())


class _Changes:
    """Notes, in a block, which variables are used, and what those that change were before."""

    def __init__(self) -> None:
        self.before: dict[int, tuple[Variable, Any]] = {}
        self._uses: dict[int, tuple[Variable, int]] = {}

    def __enter__(self) -> _Changes:
        self._around, scopes.changes = scopes.changes, self
        return self

    def __exit__(self, *exc: Any) -> None:
        scopes.changes = self._around

    def hold(self, variable: Variable) -> None:
        """The variable is about to change."""
        if id(variable) not in self.before:
            self.before[id(variable)] = (variable, copy(variable.array))
        if self._around is not None:
            self._around.hold(variable)

    def note(self, uses: Sequence[tuple[Variable, int]]) -> None:
        """(variable, version) pairs that the gradient of an operation depends on."""
        for pair in uses:
            self._uses.setdefault(id(pair[0]), pair)
        if self._around is not None:
            self._around.note(uses)

    def uses(self) -> list[tuple[Variable, int]]:
        """Those of the variables that must not have changed when the function runs again."""
        return [pair for key, pair in self._uses.items() if key not in self.before]

    @contextmanager
    def undone(self) -> Iterator[None]:
        """A block in which the variables are what they were then; after it what they are now."""
        now = [(variable, variable.array, variable._version) for variable, _ in self.before.values()]
        around, scopes.changes = scopes.changes, None
        try:
            for variable, array in self.before.values():
                variable.array = copy(array)
            yield
        finally:
            scopes.changes = around
            for variable, array, version in now:
                variable.array, variable._version = array, version


def _given_values() -> list[tuple[Variable, Any, Any]]:
    """The variables that have other values in a `StatelessScope`, with those and their nodes."""
    scope, found = scopes.stateless, []
    while scope is not None:
        found += [(variable, variable.array, variable._node) for variable in scope.variables()]
        scope = scope.around
    return found


@contextmanager
def _with_values(given: list[tuple[Variable, Any, Any]]) -> Iterator[None]:
    """A block in which variables have these values and nodes."""
    own = [(variable, variable.array, variable._node) for variable, _, _ in given]
    try:
        for variable, array, node in given:
            variable.array, variable._node = array, node
        yield
    finally:
        for variable, array, node in own:
            variable.array, variable._node = array, node


def _kept(x: Any) -> Any:
    """A tensor behind the node that it has now, whoever watches it later; anything else as it is."""
    if type(x) is not Tensor:
        return x
    same: Any = wrap(x.array, x._node)
    if (mask := getattr(x, "_keras_mask", None)) is not None:
        same._keras_mask = mask
    return same


class _Again:
    """The second run of a function, and its gradients."""

    parents: tuple[list, ...]

    def __init__(self, f: Callable, args: tuple, kwargs: dict, results: Any, made: list[Tensor], changes: _Changes):
        args, kwargs = tree.map_structure(_kept, (args, kwargs))
        self.call = functools.partial(f, *args, **kwargs)
        ids = {id(y) for y in made}
        self.places = [i for i, y in enumerate(tree.flatten(results)) if id(y) in ids]
        self.changes = changes
        self.base: Any = state.base
        self.given = _given_values()
        self.surroundings = [take() for take in surroundings]

    def gradients(self, cotangents: list, record: Record) -> list:
        """The cotangents of the tensors from outside."""
        wanted = [parent if need else None for parent, need in zip(self.parents, record.needs)]
        with _with_values(self.given), self.changes.undone():
            start = clock()
            with self._recording():
                results = tree.flatten(self.call())
            stop = clock()
            pairs = [(results[i], g) for i, g in zip(self.places, cotangents) if g is not None]
            seeds = [(y._node, g if isinstance(g, Tensor) else wrap(g)) for y, g in pairs]
            return walk(seeds, wanted, lambda serial: stop < serial < start, False, state.base is None)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """As in the first run; also for the tapes that differentiate this one."""
        tape = GradientTape()
        tape._spans = [[self.base, LEAVES]]
        before = state.tapes, state.base, scopes.again
        state.tapes = [tape, *state.tapes]
        state.base = self.base if state.base is None else max(self.base, state.base)
        scopes.again = True
        try:
            with ExitStack() as stack:
                for surrounding in self.surroundings:
                    stack.enter_context(surrounding())
                yield
        finally:
            state.tapes, state.base, scopes.again = before
