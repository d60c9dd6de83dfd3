"""The tape: nodes that remember how tensors were computed, and the walk that turns them into gradients.

A node is a list `[serial, gradient, parents, saved, versions]`:

- `serial` counts down, so a newer node is the smaller list and a heap yields nodes newest first;
- `gradient` is the `Gradient` of the primitive, an int for output i of a several-output node, None for a leaf;
- `parents` holds the inputs' nodes, None where an input is not tracked;
- `saved` is a tuple of raw arrays for local rules, else a `Record`;
- `versions` lists (variable, version) of saved variables, which must not change before backward.

Nothing here knows an op: `gpunet.ops` hands over addition and the sum that undoes broadcasting.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, NamedTuple

from gpunet import tree
from gpunet.autograd.tensor import Tensor, raw, wrap
from gpunet.autograd.variable import LEAF_SERIAL

clock: Callable[[], int] = itertools.count(-1, -1).__next__


class _State(threading.local):
    """Per thread: the active tapes and `base`, the start of the outermost, or None while nothing records."""

    def __init__(self):
        self.tapes: list[GradientTape] = []
        self.base: float | None = None
        self.variables: dict[int, list] = {}  # leaves of the variables used since the outermost tape began


state = _State()


class _Arithmetic:
    """What the walk needs of arithmetic, set by gpunet.ops: raw arrays and Tensors alike."""

    add: Callable[[Any, Any], Any]
    unbroadcast: Callable[[Any, tuple[int, ...]], Any]
    ones_like: Callable[[Any], Any]
    zeros_like: Callable[[Any], Any]
    stack: Callable[[list, tuple[int, ...]], Any]  # stacked on a new first axis, then reshaped


arithmetic = _Arithmetic()


class Gradient(NamedTuple):
    """A primitive's gradient.

    `rules` are local: one function `(cotangent, *saved)` per input, None where there is no derivative, with `saves`
    naming what is kept: letters of "xyz" for the inputs in order and "o" for the output. `vjp(cotangent, record)` is
    the general form and returns a cotangent or None for every input; there "i" keeps all inputs but the first, and
    `saves` may be a function of the attributes.
    """

    rules: tuple[Callable | None, ...] | None = None
    saves: Any = ""
    vjp: Callable[[Any, Record], Sequence[Any]] | None = None


class Record:
    """What a general gradient may look at: inputs, output, attributes, residuals and which inputs need one.

    `shapes` has the shape of every input, None for one without; `dtype` is that of the first array.
    """

    __slots__ = ("attributes", "dtype", "inputs", "needs", "out", "residuals", "shapes")

    def __init__(self, inputs, out, attributes, residuals, shapes, dtype):
        self.inputs = inputs
        self.out = out
        self.attributes = attributes
        self.residuals = residuals
        self.shapes = shapes
        self.dtype = dtype
        self.needs: tuple[bool, ...] = ()

    def lifted(self, node: list) -> Record:
        """The same with Tensors that are connected to the graph, for derivatives of the gradient."""
        inputs = tuple(_connect(x, parent) for x, parent in zip(self.inputs, node[2]))
        out = self.out if self.out is None or isinstance(self.out, tuple) else wrap(self.out, node)
        return Record(inputs, out, self.attributes, self.residuals, self.shapes, self.dtype)


class Broadcast(NamedTuple):
    """Saved values of a local rule whose inputs were broadcast, with the shapes to sum back to."""

    saved: tuple
    shapes: tuple


def _connect(x: Any, parent: list | None) -> Any:
    return wrap(x, parent) if hasattr(x, "shape") else x


def is_tracked(tensor: Tensor) -> bool:
    """True if an op on the tensor would be recorded now."""
    base = state.base
    return base is not None and tensor._node is not None and tensor._node[0] < base


class GradientTape:
    """Records ops on watched tensors, for differentiation.

    Trainable variables are watched when they are used. Tapes nest: differentiate inside an outer tape and the
    outer one can differentiate the result.

    Args:
        persistent: keep the record, so that `gradient` may be called more than once.
        watch_accessed_variables: False to watch only what `watch` is called with.

    Example:
        >>> x = gpunet.Variable(3.0)
        >>> with gpunet.GradientTape() as tape:
        ...     y = x * x
        >>> float(tape.gradient(y, x))
        6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._watched: dict[int, Any] = {}
        self._spans: list[list[float]] = []
        self._variables: dict[int, list] = {}
        self._nested = False
        self._used = False

    def __enter__(self) -> GradientTape:
        self._start()
        return self

    def __exit__(self, *exc) -> None:
        if self in state.tapes:
            self._stop()

    def _start(self) -> None:
        if self in state.tapes:
            raise ValueError("This GradientTape is already recording.")
        self._spans.append([clock(), -float("inf")])
        if not state.tapes:
            state.variables = {}
        state.tapes.append(self)
        for tape in state.tapes if len(state.tapes) > 1 else ():
            tape._nested = True
        _update_base()

    def _stop(self) -> None:
        state.tapes.remove(self)
        self._spans[-1][1] = clock()
        self._variables |= state.variables
        _update_base()

    def watch(self, tensor: Any) -> None:
        """Record ops on these tensors: a Tensor, a Variable or a structure of them.

        Raises:
            TypeError: if it is a plain array: make it a `gpunet.Tensor` first.
            ValueError: if its dtype is not a float.
        """
        for x in tree.flatten(tensor):
            if not isinstance(x, Tensor):
                raise TypeError(f"watch expected a Tensor or Variable. Received: {type(x).__name__}")
            if x.dtype.kind in "iub":
                raise ValueError(f"watch expected a float tensor. Received: dtype={x.dtype.name}")
            if not is_tracked(x):
                x._node = [clock(), None, (), x._node, None]
            self._watched[id(x._node)] = x._node

    @contextmanager
    def stop_recording(self):
        """Pause this tape inside the block."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forget everything recorded so far."""
        self._spans = [[clock(), -float("inf")]]
        self._watched.clear()
        _update_base()

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """Differentiate `target`, or the sum of several, with respect to `sources`.

        Args:
            target: a Tensor or structure of Tensors; one that is not a scalar counts as its sum.
            sources: a Tensor, Variable or structure of them.
            output_gradients: cotangents in the structure of `target`, ones where None.
            unconnected_gradients: "none" or "zero", what a source gets that `target` does not depend on.

        Returns:
            Tensors in the structure of `sources`, None where unconnected.

        Raises:
            RuntimeError: on a second call without `persistent=True`, or if a variable that the computation used
                has been assigned since.
            ValueError: if a shape of `output_gradients` differs from its target's.
        """
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(f"unconnected_gradients must be 'none' or 'zero'. Received: {unconnected_gradients!r}")
        self._use_once()
        if self in state.tapes and not self._persistent:
            self._stop()
        flat_sources = sources if _is_flat(sources) else tree.flatten(sources)
        wanted = [self._node_of(x) for x in flat_sources]
        seeds = self._seeds(target, output_gradients)
        release = not (self._persistent or self._nested)
        found = walk(seeds, wanted, self._spans, self._complete(wanted), release)
        zero = unconnected_gradients == "zero"
        results = [
            arithmetic.zeros_like(x) if g is None and zero else _as_tensor(g) for x, g in zip(flat_sources, found)
        ]
        return results if sources is flat_sources else tree.pack_like(sources, results)

    def jacobian(self, target: Tensor, sources: Any, unconnected_gradients: str = "none") -> Any:
        """Differentiate every element of `target`: shapes are target.shape + source.shape.

        Needs `persistent=True`.
        """
        from gpunet.autograd.transforms import jacobian_rows

        if not self._persistent:
            raise RuntimeError("jacobian needs a tape made with persistent=True")
        return jacobian_rows(self, target, sources, unconnected_gradients)

    def _use_once(self) -> None:
        if self._used and not self._persistent:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients. "
                "Make it with persistent=True to call gradient() again."
            )
        self._used = True

    def _contains(self, node: list) -> bool:
        return _containing(self._spans)(node[0])

    def _node_of(self, x: Any) -> list | None:
        """The node under which gradients of `x` are collected, or None where it was not watched."""
        if not isinstance(x, Tensor):
            raise TypeError(f"sources must be Tensors or Variables. Received: {type(x).__name__}")
        node = x._node
        if node is None:
            return None
        if node[0] == LEAF_SERIAL:
            return node if self._watch_accessed or id(node) in self._watched else None
        return self._original(node)

    def _original(self, node: list) -> list:
        """Skip the leaves that later tapes put over a tensor that this one computed or watched."""
        while node[1] is None and not self._contains(node) and type(node[3]) is list:
            node = node[3]
        return node

    def _seeds(self, target: Any, output_gradients: Any) -> list[tuple[list, Any]]:
        targets = tree.flatten(target)
        given = [None] * len(targets) if output_gradients is None else tree.flatten(output_gradients)
        if isinstance(target, Tensor) and not (len(given) == 1 and hasattr(given[0], "shape")):
            given = [output_gradients]  # numbers in a list are one array
        if len(given) != len(targets):
            raise ValueError(
                f"output_gradients must have one entry per target. Received: {len(given)} for {len(targets)}"
            )
        seeds = []
        for t, g in zip(targets, given):
            if not isinstance(t, Tensor):
                raise TypeError(f"target must be a Tensor computed inside the tape. Received: {type(t).__name__}")
            seed = _cotangent(t, g)
            if t._node is not None and t.dtype.kind not in "iub":
                seeds.append((self._original(t._node), seed))
        return seeds

    def _complete(self, wanted: Sequence[list | None]) -> bool:
        """True if all that was watched is wanted, so that no node leads nowhere."""
        ids = {id(node) for node in wanted}
        return not (self._nested or self in state.tapes) and ids.issuperset(self._watched | self._variables)


def _is_flat(structure: Any) -> bool:
    """True for a plain list of tensors, such as `model.trainable_weights`."""
    return type(structure) is list and all(isinstance(x, Tensor) for x in structure)


_IDENTITY = Gradient((lambda g: g,))


def alias(x: Tensor) -> Tensor:
    """The same tensor behind a node of its own, so that its gradient is told from that of other uses of x."""
    parent = x._node if is_tracked(x) else None
    return wrap(x.array, [clock(), _IDENTITY, (parent,), (), None])


def _cotangent(target: Tensor, given: Any) -> Any:
    if given is None:
        return arithmetic.ones_like(target)
    given = given if isinstance(given, Tensor) else Tensor(given, dtype=target.dtype)
    if given.shape != target.shape:
        raise ValueError(f"output_gradients must have the target's shape {target.shape}. Received: shape={given.shape}")
    return given


def _as_tensor(g: Any) -> Tensor | None:
    return g if g is None or isinstance(g, Tensor) else wrap(g)


def _update_base() -> None:
    """The start of the tape that began first, also where it has paused since: its earlier nodes are still its own."""
    state.base = max((tape._spans[0][0] for tape in state.tapes), default=None)


@contextmanager
def no_grad():
    """Record nothing inside the block, on any tape."""
    base, state.base = state.base, None
    tapes, state.tapes = state.tapes, []
    try:
        yield
    finally:
        state.tapes, state.base = tapes, base


def walk(seeds, wanted, spans, complete: bool, release: bool) -> list:
    """Carry cotangents from `seeds` back through the nodes recorded within `spans`; return those of `wanted`.

    Args:
        seeds: (node, cotangent Tensor) pairs.
        wanted: nodes, or None for a source that was never watched.
        spans: (start, stop) serials between which the tape recorded.
        complete: True if every watched node is wanted, which makes looking for dead ends unnecessary.
        release: drop saved arrays as soon as they have been used.
    """
    higher = state.base is not None
    keep = {id(node) for node in wanted if node is not None}
    contains = _containing(spans)
    needed = None if complete else _leading_to(keep, [node for node, _ in seeds], contains)
    cotangents: dict[int, Any] = {}
    heap: list[list] = []

    def send(node, g):
        key = id(node)
        if key in cotangents:
            cotangents[key] = arithmetic.add(cotangents[key], g)
        else:
            cotangents[key] = g
            if node[1] is not None and contains(node[0]):
                heappush(heap, node)

    for node, seed in seeds:
        send(node, seed if higher else raw(seed))
    while heap:
        node = heappop(heap)
        key = id(node)
        g = cotangents[key] if key in keep else cotangents.pop(key)
        if type(node[1]) is int:
            _send_part(node, g, cotangents, heap)
            continue
        if node[3] is None or node[4] is not None:
            _check_usable(node)
        _differentiate(node, g, higher, needed, send)
        if release and key not in keep:
            node[2], node[3], node[4] = (), None, None
    return [None if node is None else cotangents.get(id(node)) for node in wanted]


def _containing(spans: Sequence[Sequence[float]]) -> Callable[[float], bool]:
    """A test whether a serial lies in one of the spans."""
    if len(spans) == 1:
        ((start, stop),) = spans
        return lambda serial: stop < serial < start
    return lambda serial: any(stop < serial < start for start, stop in spans)


def _send_part(node: list, g: Any, cotangents: dict, heap: list) -> None:
    """Add a cotangent of one output to the list that its several-output node collects."""
    whole = node[2][0]
    key = id(whole)
    if key not in cotangents:
        cotangents[key] = [None] * node[3]
        heappush(heap, whole)
    cotangents[key][node[1]] = g


def _check_usable(node: list) -> None:
    """Raise RuntimeError if the node was released, or a variable it saved has been assigned since."""
    if node[3] is None:
        raise RuntimeError("This part of the tape was released by an earlier gradient(); use persistent=True.")
    for variable, version in node[4] or ():
        if variable._version != version:
            raise RuntimeError(
                f"The variable {variable.path!r} was assigned after the tape recorded its use, so the gradient would "
                f"be wrong: call gradient() before assigning, or compute with variable.value."
            )


def _differentiate(node: list, g: Any, higher: bool, needed: set[int] | None, send: Callable) -> None:
    """Send each tracked input of a node its cotangent."""
    _, gradient, parents, saved, _ = node
    if gradient.rules is None:
        record = saved.lifted(node) if higher else saved
        record.needs = tuple([p is not None and (needed is None or id(p) in needed) for p in parents])
        for parent, need, gp in zip(parents, record.needs, gradient.vjp(g, record)):
            if need and gp is not None:
                send(parent, gp)
        return
    shapes = None
    if type(saved) is Broadcast:
        saved, shapes = saved
    if higher:
        saved = _lift_saved(gradient.saves, saved, node)
    for i, parent in enumerate(parents):
        rule = gradient.rules[i]
        if parent is None or rule is None or (needed is not None and id(parent) not in needed):
            continue
        gp = rule(g, *saved)
        send(parent, gp if shapes is None or shapes[i] is None else arithmetic.unbroadcast(gp, shapes[i]))


def _lift_saved(saves: str, saved: tuple, node: list) -> list:
    parents = node[2]
    return [wrap(x, node) if name == "o" else _connect(x, parents["xyz".index(name)]) for name, x in zip(saves, saved)]


def _leading_to(keep: set[int], starts: list[list], contains) -> set[int]:
    """The ids of the nodes from which a node in `keep` can be reached, found without recursion."""
    order: list[list] = []
    seen: set[int] = set()
    stack = list(starts)
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        order.append(node)
        if contains(node[0]):
            stack.extend(p for p in node[2] if p is not None)
    order.sort(key=lambda node: node[0], reverse=True)  # oldest first: parents before children
    leading = set(keep)
    for node in order:
        if contains(node[0]) and any(id(p) in leading for p in node[2] if p is not None):
            leading.add(id(node))
    return leading
