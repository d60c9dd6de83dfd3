"""`GradientTape`: what is watched, what is asked for, and the gradients of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from gpunet import tree
from gpunet.autograd.tape import arithmetic, clock, is_tracked, state
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import LEAVES
from gpunet.autograd.walk import contained_in, walk
from gpunet.backend.primitives.elementwise import ones_like


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
        self._spans: list[list[int]] = []
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
        self._spans.append([clock(), LEAVES])
        if not state.tapes:
            state.variables = {}
        state.tapes.append(self)
        if len(state.tapes) > 1:
            for tape in state.tapes:
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
            node = x._node
            if node is None or not is_tracked(x):
                node = x._node = [clock(), None, (), node, None]
            self._watched[node[0]] = node

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
        self._spans = [[clock(), LEAVES]]
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
        flat_sources = _flat(sources)
        wanted = [self._node_of(x) for x in flat_sources]
        seeds = self._seeds(target, output_gradients)
        release = not (self._persistent or self._nested)
        found = walk(seeds, wanted, self._limits(seeds), self._complete(wanted), release)
        if unconnected_gradients == "zero":
            found = [arithmetic.zeros_like(x) if g is None else g for x, g in zip(flat_sources, found)]
        results = [_as_tensor(g) for g in found]
        if sources is flat_sources:
            return results
        return results[0] if isinstance(sources, Tensor) else tree.pack_like(sources, results)

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
        return contained_in(self._spans)(node[0])

    def _node_of(self, x: Any) -> list | None:
        """The node under which gradients of `x` are collected, or None where it was not watched."""
        if not isinstance(x, Tensor):
            raise TypeError(f"sources must be Tensors or Variables. Received: {type(x).__name__}")
        node = x._node
        if node is None:
            return None
        if node[0] <= LEAVES:
            return node if self._watch_accessed or node[0] in self._watched else None
        return self._original(node)

    def _original(self, node: list) -> list:
        """Skip the leaves that later tapes put over a tensor that this one computed or watched."""
        while node[1] is None and not self._contains(node) and type(node[3]) is list:
            node = node[3]
        return node

    def _seeds(self, target: Any, output_gradients: Any) -> list[tuple[list, Any]]:
        if type(target) is Tensor and output_gradients is None:
            return self._seed(target, None)
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
            seeds += self._seed(t, g)
        return seeds

    def _seed(self, target: Tensor, given: Any) -> list[tuple[list, Any]]:
        """The target's node and cotangent, in a list; an empty list for a constant."""
        cotangent = _cotangent(target, given)
        if target._node is None or target.dtype.kind in "iub":
            return []
        return [(self._original(target._node), cotangent)]

    def _limits(self, seeds: list[tuple[list, Any]]) -> Callable[[int], bool] | None:
        """A test for the nodes of this tape; None where all that is reached from the seeds is its own."""
        contains = contained_in(self._spans)
        if self._nested or len(self._spans) > 1:
            return contains
        for node, _ in seeds:
            if not contains(node[0]):
                return contains
        return None

    def _complete(self, wanted: Sequence[list | None]) -> bool:
        """True if all that was watched is wanted, so that no node leads nowhere."""
        if self._nested or self in state.tapes:
            return False
        serials = {node[0] for node in wanted if node is not None}
        return serials.issuperset(self._variables) and serials.issuperset(self._watched)


def _flat(structure: Any) -> list:
    """The leaves; a plain list of tensors, such as `model.trainable_weights`, is its own."""
    if isinstance(structure, Tensor):
        return [structure]
    if type(structure) is list and all(isinstance(x, Tensor) for x in structure):
        return structure
    return tree.flatten(structure)


def _cotangent(target: Tensor, given: Any) -> Any:
    if given is None:
        return wrap(ones_like(target.array))
    given = given if isinstance(given, Tensor) else Tensor(given, dtype=target.dtype)
    if given.shape != target.shape:
        raise ValueError(f"output_gradients must have the target's shape {target.shape}. Received: shape={given.shape}")
    return given


def _as_tensor(g: Any) -> Tensor | None:
    return g if g is None or isinstance(g, Tensor) else wrap(g)


def _update_base() -> None:
    """The start of the tape that began first, also where it has paused since: its earlier nodes are still its own."""
    tapes = state.tapes
    state.base = max([tape._spans[0][0] for tape in tapes]) if tapes else None
