"""`Function`: the operations between symbolic tensors, without a model around them."""

from __future__ import annotations

from typing import Any

from gpunet import ops, tree
from gpunet.models.graph import nodes_between
from gpunet.models.plan import Plan
from gpunet.symbolic import KerasTensor, Operation


class Function(Operation):
    """What leads from some symbolic tensors to others, as an operation on tensors.

    Args:
        inputs, outputs: KerasTensors, or structures of them.

    Raises:
        ValueError: if there is anything else among them, or outputs do not depend on the inputs alone.

    Example:
        >>> a, b = KerasTensor((None, 2)), KerasTensor((None, 2))
        >>> add = Function([a, b], a + b)
        >>> add([np.ones((1, 2)), np.ones((1, 2))])
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None):
        super().__init__(name=name)
        flat_inputs, flat_outputs = tree.flatten(inputs), tree.flatten(outputs)
        for x in [*flat_inputs, *flat_outputs]:
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"All `inputs` and `outputs` values must be KerasTensors. Received: {x!r:.100} of type {type(x)}"
                )
        self._inputs_struct, self._outputs_struct = inputs, outputs
        nodes = nodes_between(flat_inputs, flat_outputs)
        self._plan = Plan(flat_inputs, flat_outputs, nodes)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs in a flat list."""
        return tree.flatten(self._inputs_struct)

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs in a flat list."""
        return tree.flatten(self._outputs_struct)

    def call(self, inputs: Any) -> Any:
        """The outputs, in their structure, for tensors in the structure of the inputs."""
        tree.assert_same_structure(
            tree.map_structure(lambda x: 0, self._inputs_struct), tree.map_structure(lambda x: 0, inputs)
        )
        found = self._plan.run(map(ops.convert_to_tensor, tree.flatten(inputs)))
        return tree.pack_like(self._outputs_struct, found)
