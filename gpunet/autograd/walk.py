"""The walk over the tape's nodes, from the newest to the oldest, that turns them into gradients.

Where nothing records, the walk carries raw arrays and runs primitives on them; inside another tape it carries tensors,
and the ops that the rules are written with are recorded in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Broadcast, arithmetic, state
from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.memory import POOLED_BYTES, empty_like
from gpunet.backend.primitives.elementwise import BINARY

_add_up = BINARY["add"].table


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
        before = cotangents.get(serial)
        if before is None:
            cotangents[serial] = g
            if node[1] is not None and (contains is None or contains(serial)):
                heappush(heap, node)
        else:
            cotangents[serial] = arithmetic.add(before, g)

    for node, seed in seeds:
        send(node, seed if higher else raw(seed))
    while heap:
        node = heappop(heap)
        serial, gradient, parents, saved, versions = node
        g = cotangents[serial] if serial in keep else cotangents.pop(serial)
        if type(gradient) is int:
            _send_part(node, g, cotangents, heap)
            continue
        if saved is None:
            raise RuntimeError("This part of the tape was released by an earlier gradient(); use persistent=True.")
        if versions is not None:
            for variable, version in versions:
                if variable._version != version:
                    raise RuntimeError(_ASSIGNED.format(variable.path))
        if needed is not None:
            parents = [p if p is not None and p[0] in needed else None for p in parents]
        by = gradient.by
        if higher or type(saved) is not tuple:
            (_send_local if gradient.vjp is None else _send_general)(node, parents, g, higher, send)
        elif by is None:
            for parent, rule in zip(parents, gradient.rules):
                if parent is not None and rule is not None:
                    send(parent, rule(g, *saved))
        else:  # the most frequent case, without a call that can be spared
            kind, small = type(g), g.nbytes < POOLED_BYTES
            for parent, primitive, value in zip(parents, by, saved):
                if parent is None or primitive is None:
                    continue
                run = primitive.table[kind]
                part = run(g, value) if small else run(g, value, out=empty_like(g))
                if type(part) is not kind:
                    part = np.asarray(part)
                number = parent[0]
                if number in cotangents:
                    total = (
                        _add_up[kind](cotangents[number], part) if small else arithmetic.add(cotangents[number], part)
                    )
                    cotangents[number] = total if type(total) is kind else np.asarray(total)
                else:
                    cotangents[number] = part
                    if parent[1] is not None and (contains is None or contains(number)):
                        heappush(heap, parent)
        if release and serial not in keep:
            node[2], node[3], node[4] = (), None, None
    return [None if node is None else cotangents.get(node[0]) for node in wanted]


_ASSIGNED = (
    "The variable {!r} was assigned after the tape recorded its use, so the gradient would be wrong: "
    "call gradient() before assigning, or compute with variable.value."
)


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
        if (contains is None or contains(serial)) and any(p is not None and p[0] in leading for p in found[serial][2]):
            leading.add(serial)
    return leading
