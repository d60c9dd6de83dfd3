"""What type checkers are told about tensors' operators and methods is what `gpunet.ops` attaches."""

import ast
import inspect
from pathlib import Path

import pytest

import gpunet.ops
from gpunet.autograd import Tensor, tensor
from gpunet.symbolic import KerasTensor

STUB = Path(tensor.__file__).with_name("operator_types.pyi")


def declared(class_name):
    """The functions of a class in the stub, by name."""
    classes = {node.name: node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)}
    return {node.name: node for node in classes[class_name].body if isinstance(node, ast.FunctionDef)}


def attached(cls):
    """Names of the class that were set from a module of `gpunet.ops`."""
    return {name for name, value in vars(cls).items() if module_of(value).startswith("gpunet.ops")}


def module_of(value):
    function = value.fget if isinstance(value, property) else value
    return getattr(function, "__module__", None) or ""


def test_tensor_has_exactly_the_declared_names():
    assert attached(Tensor) == declared("OperatorTypes").keys() | declared("MethodTypes").keys()


def test_symbolic_tensor_has_exactly_the_declared_operators():
    assert attached(KerasTensor) == declared("OperatorTypes").keys()


@pytest.mark.parametrize(
    "name", ["sum", "mean", "max", "min", "prod", "any", "all", "argmax", "argmin", "var", "cumsum"]
)
def test_declared_arguments_are_those_of_the_op(name):
    parameters = list(inspect.signature(getattr(gpunet.ops, name)).parameters)[1:]
    assert [argument.arg for argument in declared("MethodTypes")[name].args.args[1:]] == parameters
