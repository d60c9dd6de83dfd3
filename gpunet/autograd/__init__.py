"""Tensors, variables, the tape, and functions that differentiate functions."""

from gpunet.autograd.custom import custom_gradient
from gpunet.autograd.gradient_tape import GradientTape
from gpunet.autograd.recomputing import remat
from gpunet.autograd.recording import function
from gpunet.autograd.tape import no_grad
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.transforms import grad, hessian, jvp, value_and_grad, vjp
from gpunet.autograd.variable import Variable

__all__ = [
    "GradientTape",
    "Tensor",
    "Variable",
    "custom_gradient",
    "function",
    "grad",
    "hessian",
    "jvp",
    "no_grad",
    "remat",
    "value_and_grad",
    "vjp",
]
