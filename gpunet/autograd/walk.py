"""The walk over the tape's nodes, from the newest to the oldest, that turns them into gradients.

Where nothing records, the walk carries raw arrays and runs primitives on them; inside another tape it carries tensors,
and the ops that the rules are written with are recorded in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Broadcast, arithmetic, state
from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.memory import run_elementwise


def walk(
    seeds: Sequence[tuple[list, Any]],
    wanted: Sequence[list | None],
    contains: Callable[[int], bool] | None,
    complete: bool,
    release: bool,
) -> list:
    """Carry cotangents from `seeds` back through the nodes; return those of `wanted`.

    Args:
        seeds: (node, cotangent Tensor) pairs.
        wanted: nodes, or None for a source that was never watched.
        contains: whether the tape recorded the node with this serial; None where it did record all that is reached.
        complete: True if every watched node is wanted, which makes looking for dead ends unnecessary.
        release: drop saved arrays as soon as they have been used.
    """
    higher = state.base is not None
    keep = {node[0] for node in wanted if node is not None}
    needed = None if complete else _leading_to(keep, [node for node, _ in seeds], contains)
    cotangents: dict[int, Any] = {}
    heap: list[list] = []

    def send(node: list, g: Any) -> None:
        serial = node[0]
        if serial in cotangents:
            cotangents[serial] = arithmetic.add(cotangents[serial], g)
        else:
            cotangents[serial] = g
            if node[1] is not None and (contains is None or contains(serial)):
                heappush(heap, node)

    for node, seed in seeds:
        send(node, seed if higher else raw(seed))
    while heap:
        node = heappop(heap)
        serial, gradient, parents, saved, versions = node
        g = cotangents[serial] if serial in keep else cotangents.pop(serial)
        if type(gradient) is int:
            _send_part(node, g, cotangents, heap)
            continue
        if versions is not None or saved is None:
            _check_usable(saved, versions)
        if needed is not None:
            parents = [p if p is not None and p[0] in needed else None for p in parents]
        if gradient.rules is None and gradient.by is None:
            _send_general(node, parents, g, higher, send)
        elif higher or type(saved) is Broadcast:
            _send_local(node, parents, g, higher, send)
        elif gradient.by is not None:
            for parent, primitive, value in zip(parents, gradient.by, saved):
                if parent is not None and primitive is not None:
                    send(parent, run_elementwise(primitive, g, value))
        else:
            for parent, rule in zip(parents, gradient.rules):
                if parent is not None and rule is not None:
                    send(parent, rule(g, *saved))
        if release and serial not in keep:
            node[2], node[3], node[4] = (), None, None
    return [None if node is None else cotangents.get(node[0]) for node in wanted]


def contained_in(spans: Sequence[Sequence[int]]) -> Callable[[int], bool]:
    """A test whether a serial lies in one of the spans, (start, stop) pairs."""
    if len(spans) == 1:
        ((start, stop),) = spans
        return lambda serial: stop < serial < start
    return lambda serial: any(stop < serial < start for start, stop in spans)


def _send_part(node: list, g: Any, cotangents: dict, heap: list) -> None:
    """Add a cotangent of one output to the list that its several-output node collects."""
    whole = node[2][0]
    if whole[0] not in cotangents:
        cotangents[whole[0]] = [None] * node[3]
        heappush(heap, whole)
    cotangents[whole[0]][node[1]] = g


def _check_usable(saved: Any, versions: Any) -> None:
    """Raise RuntimeError if the node was released, or a variable it saved has been assigned since."""
    if saved is None:
        raise RuntimeError("This part of the tape was released by an earlier gradient(); use persistent=True.")
    for variable, version in versions or ():
        if variable._version != version:
            raise RuntimeError(
                f"The variable {variable.path!r} was assigned after the tape recorded its use, so the gradient would "
                f"be wrong: call gradient() before assigning, or compute with variable.value."
            )


def _send_general(node: list, parents: Sequence[list | None], g: Any, higher: bool, send: Callable) -> None:
    """Send each input of a node with a general gradient its cotangent."""
    record = node[3].lifted(node) if higher else node[3]
    record.needs = tuple([p is not None for p in parents])
    for parent, gp in zip(parents, node[1].vjp(g, record)):
        if parent is not None and gp is not None:
            send(parent, gp)


def _send_local(node: list, parents: Sequence[list | None], g: Any, higher: bool, send: Callable) -> None:
    """The same for local rules, with operands that were broadcast or derivatives that are differentiated in turn."""
    gradient, saved, shapes = node[1], node[3], None
    if type(saved) is Broadcast:
        saved, shapes = saved
    if higher:
        saved = _lifted(gradient.saves, saved, node)
    for i, parent in enumerate(parents):
        if parent is None:
            continue
        if gradient.by is not None:
            gp = None if gradient.by[i] is None else apply(gradient.by[i], g, saved[i])
        else:
            gp = None if gradient.rules[i] is None else gradient.rules[i](g, *saved)
        if gp is not None:
            send(parent, gp if shapes is None or shapes[i] is None else arithmetic.unbroadcast(gp, shapes[i]))


def _lifted(saves: str, saved: tuple, node: list) -> list:
    """The saved values as Tensors that are connected to the graph."""
    parents = node[2]
    return [
        x if not hasattr(x, "shape") else wrap(x, node if name == "o" else parents["xyz".index(name)])
        for name, x in zip(saves, saved)
    ]


def _leading_to(keep: set[int], starts: list[list], contains: Callable[[int], bool] | None) -> set[int]:
    """The serials of the nodes from which a node in `keep` can be reached, found without recursion."""
    found: dict[int, list] = {}
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node[0] in found:
            continue
        found[node[0]] = node
        if contains is None or contains(node[0]):
            stack.extend([p for p in node[2] if p is not None])
    leading = set(keep)
    for serial in sorted(found, reverse=True):  # oldest first: parents before children
        if contains is None or contains(serial):
            if any([p is not None and p[0] in leading for p in found[serial][2]]):
                leading.add(serial)
    return leading
