"""The tape: nodes that remember how tensors were computed, and the gradients of primitives.

A node is a list `[serial, gradient, parents, saved, versions]`:

- `serial` is its own and counts down, so a newer node is the smaller list and a heap yields nodes newest first;
- `gradient` is the `Gradient` of the primitive, an int for output i of a several-output node, None for a leaf;
- `parents` holds the inputs' nodes, None where an input is not tracked;
- `saved` is a tuple of raw arrays for local rules, else a `Record`;
- `versions` lists (variable, version) of saved variables, which must not change before backward; a variable's own
  node has the start of the tapes that took note of its use there.

Nothing here knows an op: `gpunet.ops` hands over addition and the sum that undoes broadcasting.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import Variable, scopes
from gpunet.backend.primitive import Primitive

if TYPE_CHECKING:
    from gpunet.autograd.gradient_tape import GradientTape

clock: Callable[[], int] = itertools.count(-1, -1).__next__


class _State(threading.local):
    """Per thread: the active tapes and `base`, the start of the outermost, or None while nothing records."""

    def __init__(self):
        self.tapes: list[GradientTape] = []
        self.base: int | None = None
        self.variables: dict[int, list] = {}  # leaves of the variables used since the outermost tape began


state = _State()


class _Arithmetic:
    """What the walk needs of arithmetic, set by gpunet.ops: raw arrays and Tensors alike."""

    add: Callable[[Any, Any], Any]
    unbroadcast: Callable[[Any, tuple[int, ...]], Any]
    zeros_like: Callable[[Any], Any]
    stack: Callable[[list, tuple[int, ...]], Any]  # stacked on a new first axis, then reshaped


arithmetic = _Arithmetic()


class Gradient(NamedTuple):
    """A primitive's gradient, in one of three forms.

    - `by`, one primitive per input: the cotangent of input i is `by[i](cotangent, value)`, where letter i of `saves`
      names the value: "x", "y" or "z" for an input, "o" for the output. None where there is no derivative.
    - `rules`, one function `(cotangent, *saved)` per input, with all that the letters in `saves` name.
    - `vjp(cotangent, record)`, the general form, which returns a cotangent or None for every input; there "i" keeps all
      inputs but the first, and `saves` may be a function of the attributes.

    The first two are for elementwise primitives: where operands were broadcast, their cotangents are summed.
    """

    rules: tuple[Callable | None, ...] | None = None
    saves: Any = ""
    vjp: Callable[[Any, Record], Sequence[Any]] | None = None
    by: tuple[Primitive | None, ...] | None = None

    def saved(self, arrays: Sequence[Any], nodes: Sequence[list | None], out: Any) -> tuple:
        """What the first two forms keep of operands, of which those with a node are tracked, and output."""
        values = [out if name == "o" else arrays[POSITIONS[name]] for name in self.saves]
        if self.by is None:
            return tuple(values)
        return tuple([value if node is not None else None for value, node in zip(values, nodes)])


POSITIONS = {"x": 0, "y": 1, "z": 2}


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


_IDENTITY = Gradient((lambda g: g,))


def note_use(operands: Sequence[Any], base: int) -> tuple:
    """(variable, version) of each variable among a node's operands, of which tapes that began at `base` take note."""
    used = []
    for x in operands:
        if type(x) is Variable:
            leaf = x._leaf
            if leaf[4] != base and x._trainable:
                leaf[4] = base  # noted once
                state.variables[leaf[0]] = leaf
            used.append((x, x._version))
    if scopes.changes is not None:
        scopes.changes.note(used)
    return tuple(used)


def alias(x: Tensor) -> Tensor:
    """The same tensor behind a node of its own, so that its gradient is told from that of other uses of x."""
    parent = x._node if is_tracked(x) else None
    return wrap(x.array, [clock(), _IDENTITY, (parent,), (), None])


@contextmanager
def no_grad():
    """Record nothing inside the block, on any tape."""
    base, state.base = state.base, None
    tapes, state.tapes = state.tapes, []
    try:
        yield
    finally:
        state.tapes, state.base = tapes, base
