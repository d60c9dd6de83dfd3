"""What a functional model runs: its calls as steps over numbered slots, which free each tensor after its last use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from gpunet import tree
from gpunet.layers.calling import call_state
from gpunet.layers.layer import Layer
from gpunet.models.fusion import Fusion, choose_fusions
from gpunet.models.normalised import NormalisedConvolution, can_be_normalised
from gpunet.symbolic import KerasTensor, Node


class Step:
    """A node as the model runs it: which slots it reads and writes, and which it is the last to read."""

    def __init__(self, node: Node, slot: dict[int, int]):
        self.call = node.operation
        self.outputs = [slot[id(y)] for y in tree.flatten(node.outputs)]
        self.arguments = (node.args, node.kwargs)
        self.places = [slot[id(x)] if isinstance(x, KerasTensor) else None for x in tree.flatten(self.arguments)]
        self.inputs = [i for i in self.places if i is not None]
        sole = len(node.args) == 1 and isinstance(node.args[0], KerasTensor) and not node.kwargs
        self.sole = slot[id(node.args[0])] if sole else None
        self.says_training = "training" in node.kwargs and isinstance(node.operation, Layer)
        self.last: list[int] = []  # slots to empty afterwards

    def run(self, values: list[Any], training: bool | None) -> None:
        """Call the operation on what is in its slots; `training`, if not None, stands in for its own."""
        if self.sole is not None:
            result = self.call(values[self.sole])
        else:
            given = tree.flatten(self.arguments)
            leaves = [x if i is None else values[i] for i, x in zip(self.places, given)]
            args, kwargs = tree.pack_like(self.arguments, leaves)
            if self.says_training and training is not None:
                kwargs["training"] = training
            result = self.call(*args, **kwargs)
        if len(self.outputs) == 1 and not tree.is_nested(result):
            values[self.outputs[0]] = result
        else:
            for i, y in zip(self.outputs, tree.flatten(result)):
                values[i] = y
        for i in self.last:
            values[i] = None


class FusedStep:
    """Several nodes as one step; one by one where they cannot be computed together for the tensors at hand."""

    def __init__(self, fusion: Fusion, slot: dict[int, int]):
        self.fusion = fusion
        self.single = [Step(node, slot) for node in fusion.nodes]
        self.inputs = [slot[id(x)] for x in fusion.inputs]
        self.sole = self.inputs[0]  # that of the first node
        self.outputs = self.single[-1].outputs
        self.between = [i for step in self.single[:-1] for i in step.outputs]
        self.last: list[int] = []

    def run(self, values: list[Any], training: bool | None) -> None:
        """Compute the last node's output from the inputs of all."""
        inputs = [values[i] for i in self.inputs]
        if self.fusion.applies(inputs):
            values[self.outputs[0]] = self.fusion.compute(*inputs)
        else:
            for step in self.single:
                step.run(values, training)
            for i in self.between:
                values[i] = None
        for i in self.last:
            values[i] = None


class ConvolutionStep:
    """A convolution and the step of the batch normalisation behind it; one by one where that is as good."""

    def __init__(self, convolution: Step, rest: Step | FusedStep, together: NormalisedConvolution):
        self.convolution = convolution
        self.rest = rest
        self.together = together
        self.sole = convolution.sole
        self.addends = rest.inputs[1:]
        self.inputs = [*convolution.inputs, *self.addends]
        self.outputs = rest.outputs
        self.last: list[int] = []

    def run(self, values: list[Any], training: bool | None) -> None:
        """Compute the output of the rest from the convolution's input."""
        inputs = [values[i] for i in self.inputs]
        if self.together.applies(*inputs):
            values[self.outputs[0]] = self.together.compute(*inputs)
        else:
            self.convolution.run(values, training)
            self.rest.run(values, training)
            values[self.convolution.outputs[0]] = None
        for i in self.last:
            values[i] = None


def _joined(first: Step, rest: Any) -> ConvolutionStep | None:
    """The step of a convolution and what follows it, if that begins with batch normalisation."""
    fused = isinstance(rest, FusedStep)
    convolution: Any = first.call
    normalisation = rest.fusion.head if fused else rest.call
    if first.sole is None or not can_be_normalised(convolution, normalisation):
        return None
    addend = rest.fusion.inputs[1] if fused and len(rest.inputs) > 1 else None
    together = NormalisedConvolution(convolution, normalisation, fused, addend)
    return ConvolutionStep(first, rest, together) if together.holds() else None


class Plan:
    """The steps from a model's inputs to its outputs.

    Which calls are computed together is decided here, when the model is built: eager and recorded steps do the same.
    """

    def __init__(self, inputs: list[KerasTensor], outputs: list[KerasTensor], nodes: list[Node]):
        tensors = [*inputs, *(y for node in nodes for y in tree.flatten(node.outputs))]
        slot = {id(x): i for i, x in enumerate(tensors)}
        self.size = len(tensors)
        self.outputs = [slot[id(y)] for y in outputs]
        self.fusions = choose_fusions(nodes, outputs)
        ending = {id(fusion.nodes[-1]): FusedStep(fusion, slot) for fusion in self.fusions}
        inside = {id(node) for fusion in self.fusions for node in fusion.nodes[:-1]}
        self.steps: list[Step | FusedStep | ConvolutionStep] = [
            ending.get(id(node)) or Step(node, slot) for node in nodes if id(node) not in inside
        ]
        self._join_convolutions()
        self._free()

    def _join_convolutions(self) -> None:
        """Make one step of a convolution and of the batch normalisation that alone reads it."""
        readers = Counter([i for step in self.steps for i in step.inputs] + self.outputs)
        makers = {i: step for step in self.steps for i in step.outputs if type(step) is Step and readers[i] == 1}
        inside = set()
        for place, step in enumerate(self.steps):
            first = None if step.sole is None else makers.get(step.sole)
            pair = None if first is None else _joined(first, step)
            if pair is not None:
                inside.add(id(first))
                self.steps[place] = pair
        self.steps = [step for step in self.steps if id(step) not in inside]

    def _free(self) -> None:
        """Let each step empty the slots that nobody needs any more."""
        seen: set[int] = set(self.outputs)
        for step in reversed(self.steps):
            reads = {*step.inputs, *step.outputs}
            step.last = [i for i in reads if i not in seen]
            seen |= reads

    def run(self, inputs: Iterable[Any], training: bool | None = None) -> list[Any]:
        """The outputs for some inputs. `training`, if not None, is that of all layers, whatever they were called with
        when the graph was made.
        """
        values = [*inputs]
        values += [None] * (self.size - len(values))
        before = call_state.training
        if training is not None:
            call_state.training = training
        try:
            for step in self.steps:
                step.run(values, training)
        finally:
            call_state.training = before
        return [values[i] for i in self.outputs]
