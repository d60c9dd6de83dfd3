"""The operators and array methods of Tensor and KerasTensor, and NumPy functions called on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tape import arithmetic
from gpunet.autograd.tensor import Tensor
from gpunet.ops import creation, indexing, joining, products, reduction, views
from gpunet.ops import elementwise as el
from gpunet.symbolic.keras_tensor import KerasTensor

arithmetic.add = el.add
arithmetic.unbroadcast = reduction.unbroadcast
arithmetic.zeros_like = el.zeros_like
arithmetic.stack = lambda rows, shape: views.reshape(joining.stack(rows), shape)

_UNARY = {
    "__pos__": el.copy,
    "__neg__": el.negative,
    "__abs__": el.absolute,
    "__invert__": el.bitwise_not,
}
_BINARY = {
    "add": el.add,
    "sub": el.subtract,
    "mul": el.multiply,
    "truediv": el.divide,
    "floordiv": el.floor_divide,
    "mod": el.mod,
    "pow": el.power,
    "matmul": products.matmul,
    "and": el.bitwise_and,
    "or": el.bitwise_or,
    "xor": el.bitwise_xor,
    "lshift": el.left_shift,
    "rshift": el.right_shift,
}
_COMPARE = {
    "__eq__": el.equal,
    "__ne__": el.not_equal,
    "__lt__": el.less,
    "__le__": el.less_equal,
    "__gt__": el.greater,
    "__ge__": el.greater_equal,
}


def _reflected(function):
    return lambda self, other: function(other, self)


def _comparison(function, differs: bool):
    """`x == None` and `x == "text"` are plain answers; numbers and arrays compare elementwise."""

    def compare(self, other):
        if other is None or isinstance(other, str):
            return differs
        return function(self, other)

    return compare


def _attach(cls: type) -> None:
    for name, function in _UNARY.items():
        setattr(cls, name, function)
    for name, function in _BINARY.items():
        setattr(cls, f"__{name}__", function)
        setattr(cls, f"__r{name}__", _reflected(function))
    for name, function in _COMPARE.items():
        setattr(cls, name, _comparison(function, name == "__ne__"))
    for name, function in (("__getitem__", indexing.getitem), ("__hash__", object.__hash__)):
        setattr(cls, name, function)


_attach(Tensor)
_attach(KerasTensor)


def _method(function, name: str):
    def method(self, *args, **kwargs):
        return function(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


def _reshape(self: Tensor, *shape: Any) -> Any:
    return views.reshape(self, shape[0] if len(shape) == 1 else shape)


def _transpose(self: Tensor, *axes: Any) -> Any:
    return views.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)


_METHODS = {
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": _method(views.ravel, "ravel"),
    "ravel": _method(views.ravel, "ravel"),
    "squeeze": _method(views.squeeze, "squeeze"),
    "astype": _method(el.cast, "astype"),
    "T": property(lambda self: views.transpose(self)),
}
for _name in ("sum", "mean", "max", "min", "prod", "any", "all", "argmax", "argmin", "var", "std", "cumsum"):
    _METHODS[_name] = _method(getattr(reduction, _name), _name)

# NumPy functions on tensors are the ops of the same name, so that gradients flow through them.
_NAMESPACES = (el, reduction, views, products, indexing, joining, creation)
_ALIASES = {
    "amax": "max",
    "amin": "min",
    "conjugate": "copy",
    "fabs": "absolute",
    "invert": "bitwise_not",
    "positive": "copy",
    "remainder": "mod",
}
_NOT_TENSOR_FUNCTIONS = {"shape", "ndim", "size"}


def _op_named(name: str):
    name = _ALIASES.get(name, name)
    return next((getattr(space, name) for space in _NAMESPACES if hasattr(space, name)), None)


def _array_ufunc(self, ufunc, method, *inputs, **kwargs):
    op = _op_named(ufunc.__name__) if method == "__call__" and not kwargs else None
    if op is None:
        return NotImplemented
    return op(*inputs)


def _array_function(self, function, types, args, kwargs):
    op = _op_named(function.__name__)
    if op is None or function.__name__ in _NOT_TENSOR_FUNCTIONS or function.__module__ != "numpy":
        return function(*map(_to_host, args), **{k: _to_host(v) for k, v in kwargs.items()})
    kwargs = {k: v for k, v in kwargs.items() if v is not None}
    return op(*args, **kwargs)


def _to_host(x: Any) -> Any:
    if isinstance(x, Tensor):
        return np.asarray(x)
    return type(x)(map(_to_host, x)) if isinstance(x, list | tuple) else x


_METHODS["__array_ufunc__"] = _array_ufunc
_METHODS["__array_function__"] = _array_function
for _name, _attribute in _METHODS.items():
    setattr(Tensor, _name, _attribute)
