"""Symbolic tensors and the graph of operations that functional models are made of."""

from gpunet.symbolic.infer import infer_output
from gpunet.symbolic.keras_tensor import KerasTensor, any_symbolic, is_keras_tensor
from gpunet.symbolic.operation import Node, Operation, auto_name
from gpunet.symbolic.ops import OpCall, symbolic_op

__all__ = [
    "KerasTensor",
    "Node",
    "OpCall",
    "Operation",
    "any_symbolic",
    "auto_name",
    "infer_output",
    "is_keras_tensor",
    "symbolic_op",
]
