"""Calls of a functional model that are computed together, in fewer passes over memory.

Batch normalisation, an addition and a ReLU; a convolution or a dense layer and a ReLU; and a ReLU before a max pooling,
which commute: the ReLU then has the smaller array, and so has its derivative.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from gpunet import activations, config, ops, tree
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import scopes, structure
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.layers.activations.activation import Activation, ReLU
from gpunet.layers.building import is_default
from gpunet.layers.calling import call_state, get_mask
from gpunet.layers.layer import Layer
from gpunet.layers.merging.merging import Add
from gpunet.layers.pooling.base_pooling import BasePooling, MaxPooling
from gpunet.symbolic import KerasTensor, Node, OpCall


class Together:
    """Layers that are computed together while they have one dtype and are no more than their classes say."""

    def __init__(self, layers: list[Layer]):
        self.layers = layers
        self._version = -1  # of the structure for which `_holds` is known
        self._holds = False
        self._dtype: Any = None

    def holds(self) -> bool:
        """Whether the layers as they are now, with their activations, dtypes, penalties, can be computed together."""
        if self._version != structure.version:
            self._holds = config.is_fusion_enabled() and self._can_be()
            self._version = structure.version
        return self._holds

    def _can_be(self) -> bool:
        """Whether they can; a subclass asks for more."""
        kinds = {kind for layer in self.layers for kind in (layer.compute_dtype, layer.variable_dtype)}
        if len(kinds) != 1 or not is_float(as_dtype(*kinds)) or not all(map(_is_plain, self.layers)):
            return False
        self._dtype = as_dtype(kinds.pop())
        return True

    def _fits(self, x: Any) -> bool:
        """Whether x is a tensor of the layers' dtype, without a mask."""
        return type(x) is Tensor and x.dtype == self._dtype and get_mask(x) is None


class Fusion(Together):
    """Some nodes between which nothing else is read: a layer (or none), an addition, a ReLU, a max pooling.

    Args:
        nodes: in the order of the graph; only the last one's output is read elsewhere.
        inputs: the tensor that comes in, and the one to add if there is an addition.
        head: the node of the layer whose `call_fused` starts; None if the first node is the ReLU.
        relu: the node of the ReLU; None if the head ends in one.
        pool: the node of the pooling, or None.
    """

    def __init__(
        self, nodes: list[Node], inputs: list[KerasTensor], head: Node | None, relu: Node | None, pool: Node | None
    ):
        super().__init__([node.operation for node in nodes if isinstance(node.operation, Layer)])
        self.nodes = nodes
        self.inputs = inputs
        self.head: Any = None if head is None else head.operation
        self.relu: Any = None if relu is None else relu.operation
        self.pool: Any = None if pool is None else pool.operation

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the layers and ops."""
        return tuple(node.operation.name for node in self.nodes)

    def _can_be(self) -> bool:
        if not super()._can_be() or (self.relu is not None and not _is_relu(self.relu)):
            return False
        return self.head is None or self.head.fused_activation == ("relu" if self.relu is None else "linear")

    def applies(self, inputs: list[Any]) -> bool:
        """Whether these tensors have no masks, equal shapes and the layers' dtype."""
        if scopes.compute_dtype is not None or not self.holds():
            return False
        first = inputs[0]
        return all(self._fits(x) and x.shape == first.shape for x in inputs)

    def compute(self, x: Any, addend: Any = None) -> Any:
        """The last node's output."""
        if self.head is not None:
            self.head._check_inputs(x)
            x = self.head.call_fused(x, call_state.training, self.pool is None, addend)
        if self.pool is None:
            return x
        self.pool._check_inputs(x)
        return ops.relu(self.pool.call(x))


def choose_fusions(nodes: list[Node], outputs: list[KerasTensor]) -> list[Fusion]:
    """Fusions of disjoint nodes, those before poolings first."""
    graph = _Graph(nodes, outputs)
    taken: set[int] = set()
    chosen = []
    for find in (graph.before_pooling, graph.after_layer):
        for node in nodes:
            for fusion in find(node):
                numbers = {id(n) for n in fusion.nodes}
                if not numbers & taken and fusion.holds():
                    taken |= numbers
                    chosen.append(fusion)
    return chosen


class _Graph:
    """Who makes and who reads each tensor of a model."""

    def __init__(self, nodes: list[Node], outputs: list[KerasTensor]):
        self.makers = {id(y): node for node in nodes for y in tree.flatten(node.outputs)}
        self.reads = Counter(id(x) for node in nodes for x in node.inputs)
        self.reads.update(map(id, outputs))
        self.calls = Counter(id(node.operation) for node in nodes)

    def sole(self, x: KerasTensor) -> Node | None:
        """The node that makes x and nothing else, if x is read only once."""
        node = self.makers.get(id(x))
        return node if node is not None and node.outputs is x and self.reads[id(x)] == 1 else None

    def head(self, x: KerasTensor) -> Node | None:
        """The node that makes x for its one reader, if it can be computed with what follows.

        It is then run when that is: a layer that is called twice would see the two calls in another order.
        """
        node = self.sole(x)
        if node is None or _argument(node) is None or self.calls[id(node.operation)] > 1:
            return None
        return node if getattr(node.operation, "fused_activation", None) else None

    def before_pooling(self, node: Node) -> Iterator[Fusion]:
        """Fusions that end in a max pooling."""
        x = _argument(node)
        if x is None or not _is_shrinking(node.operation):
            return
        previous = self.sole(x)
        if previous is None:
            return
        inner = _argument(previous)
        if inner is not None and _is_relu(previous.operation):
            yield Fusion([previous, node], [inner], None, previous, node)
        elif self.head(x) is previous:
            yield Fusion([previous, node], [inner], previous, None, node)

    def after_layer(self, node: Node) -> Iterator[Fusion]:
        """Fusions that end in a ReLU."""
        x = _argument(node)
        if x is None or not _is_relu(node.operation):
            return
        head = self.head(x)
        if head is not None:
            yield Fusion([head, node], [_argument(head)], head, node, None)
        addition = self.sole(x)
        if addition is None:
            return
        for y, addend in _additions(addition):
            head = self.head(y)
            if head is not None and getattr(head.operation, "fuses_addend", False):
                yield Fusion([head, addition, node], [_argument(head), addend], head, node, None)


def _argument(node: Node) -> Any:
    """The tensor that is all the node's arguments, or None."""
    sole = len(node.args) == 1 and isinstance(node.args[0], KerasTensor) and not node.kwargs
    return node.args[0] if sole else None


def _additions(node: Node) -> list[tuple[KerasTensor, KerasTensor]]:
    """(summand, other summand) both ways round, of an addition of two tensors of one shape and dtype."""
    operation: Any = node.operation
    terms: Any = []
    if isinstance(operation, OpCall):
        if operation.function is ops.add and not (node.kwargs or operation.fixed):
            terms = node.args
    elif type(operation).call is Add.call and type(operation).merge is Add.merge:
        terms = node.args[0]
    if len(terms) != 2 or not all(isinstance(x, KerasTensor) for x in terms):
        return []
    a, b = terms
    return [(b, a), (a, b)] if a.shape == b.shape and a.dtype == b.dtype else []


def _is_relu(operation: Any) -> bool:
    """Whether it is max(x, 0)."""
    if isinstance(operation, OpCall):
        return operation.function is ops.relu and not operation.fixed
    if type(operation).call is Activation.call:
        return operation.activation is activations.relu
    limits = ("max_value", "negative_slope", "threshold")
    return type(operation).call is ReLU.call and [getattr(operation, k) for k in limits] == [None, 0, 0]


def _is_shrinking(operation: Any) -> bool:
    """Whether it is a max pooling with fewer outputs than inputs."""
    is_pool = isinstance(operation, MaxPooling) and type(operation).call is BasePooling.call
    return is_pool and type(operation).pool is ops.max_pool and math.prod(operation.strides) > 1


def _is_plain(layer: Layer) -> bool:
    """Whether calling the layer is nothing but its class's `call`, which `call_fused` repeats where there is one."""
    kind = type(layer)
    if kind.__call__ is not Layer.__call__ or {"call", "compute_mask"} & vars(layer).keys():
        return False
    if layer.activity_regularizer is not None or layer._remat_scope is not None:
        return False
    if layer.fused_activation is not None and _owner(kind, "call") is not _owner(kind, "call_fused"):
        return False
    return is_default(layer.compute_mask) or kind.compute_mask is Add.compute_mask


def _owner(kind: type, method: str) -> type:
    return next(base for base in kind.__mro__ if method in base.__dict__)
