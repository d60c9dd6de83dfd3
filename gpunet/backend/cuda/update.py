"""In-place updates of variables and optimizer arenas; what changes from step to step is read on the device."""

from __future__ import annotations

import math

import numpy as np

from gpunet.backend.cuda.arrays import copy_into, flat_grid, implements, is_real, vector
from gpunet.backend.cuda.launcher import VECTOR_BYTES, Family, address
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import FLOAT32, FLOAT64
from gpunet.backend.primitive import backend_of
from gpunet.backend.primitives import update as prim

ASSIGN = Family("assign.cu", TYPE=("float", "double", "float16", "int", "long long"))
UPDATE = Family("update.cu", TYPE=("float", "double"))
_ASSIGNED = {np.dtype(name) for name in ("float32", "float64", "float16", "int32", "int64")}
_INT32 = np.dtype("int32")
_SOURCES = 8  # arrays that one launch of `gather` takes


def _in_place(array):
    """True for an array that a VECTOR parameter takes as it is."""
    return array.size > 0 and array.flags.c_contiguous and address(array) % VECTOR_BYTES == 0


def _grid(kernel, array):
    return flat_grid(array, array.size // 4, kernel.threads)


def _can_copy(target, value):
    if not hasattr(value, "shape"):
        return _can_add(target, value)
    return target.size > 0 and value.dtype == target.dtype and target.dtype.itemsize <= 8


@implements(prim.assign, where=_can_copy)
def assign(target, value):
    if hasattr(value, "shape"):
        copy_into(target, _spread(value, target))
    else:
        kernel = ASSIGN(TYPE=C_TYPES[target.dtype])["assign_number"]
        kernel(_grid(kernel, target), target, value, target.size)


def _spread(value, target):
    return value if value.shape == target.shape else backend_of(type(value)).xp.broadcast_to(value, target.shape)


def _can_add(target, value):
    fits = _in_place(target) and target.dtype in _ASSIGNED
    if hasattr(value, "shape"):
        return fits and value.dtype == target.dtype
    return fits and (target.dtype.kind == "f" or isinstance(value, int | np.integer))


def _combine(name, target, value):
    kernel = ASSIGN(TYPE=C_TYPES[target.dtype])[name]
    kernel(_grid(kernel, target), target, vector(_spread(value, target)), target.size)


def _add_number(target, number):
    kernel = ASSIGN(TYPE=C_TYPES[target.dtype])["add_number"]
    kernel(_grid(kernel, target), target, number, target.size)


@implements(prim.assign_add, where=_can_add)
def assign_add(target, value):
    _combine("assign_add", target, value) if hasattr(value, "shape") else _add_number(target, value)


@implements(prim.assign_sub, where=_can_add)
def assign_sub(target, value):
    _combine("assign_sub", target, value) if hasattr(value, "shape") else _add_number(target, -value)


def _can_update(p, *arrays, skip=None, **_):
    """Flat arrays of one real dtype, then the learning rate and perhaps the iterations."""
    flat = [a for a in arrays if a is not None and a.shape]
    scalars = [a for a in arrays if a is not None and not a.shape]
    return (
        is_real(p, *flat)
        and all(map(_in_place, (p, *flat)))
        and scalars[0].dtype in (FLOAT32, FLOAT64)
        and all(a.dtype == _INT32 for a in scalars[1:])
        and (skip is None or skip.dtype == _INT32)
    )


def _run(name, p, *arguments):
    kernel = UPDATE(TYPE=C_TYPES[p.dtype])[name]
    kernel(_grid(kernel, p), p, *arguments)


def _rate(learning_rate):
    """The learning rate as the kernels' two parameters: float, double, one of them null."""
    return (learning_rate, None) if learning_rate.dtype == FLOAT32 else (None, learning_rate)


@implements(prim.sgd, where=_can_update)
def sgd(p, g, learning_rate, *, skip=None):
    _run("sgd", p, g, *_rate(learning_rate), skip, p.size)


@implements(prim.momentum, where=_can_update)
def momentum(p, g, m, learning_rate, *, momentum, nesterov, skip=None):
    _run("momentum", p, g, m, *_rate(learning_rate), skip, p.size, momentum, int(nesterov))


@implements(prim.rmsprop, where=_can_update)
def rmsprop(p, g, v, learning_rate, *, rho, epsilon, skip=None):
    _run("rmsprop", p, g, v, None, None, *_rate(learning_rate), skip, p.size, 1 - rho, 0.0, epsilon)


@implements(prim.rmsprop_general, where=_can_update)
def rmsprop_general(p, g, v, a, m, learning_rate, *, rho, momentum, epsilon, skip=None):
    _run("rmsprop", p, g, v, a, m, *_rate(learning_rate), skip, p.size, 1 - rho, momentum, epsilon)


@implements(prim.adam, where=_can_update)
def adam(p, g, m, v, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    _adam(p, g, m, v, None, learning_rate, iterations, skip, beta_1, beta_2, epsilon)


@implements(prim.amsgrad, where=_can_update)
def amsgrad(p, g, m, v, w, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    _adam(p, g, m, v, w, learning_rate, iterations, skip, beta_1, beta_2, epsilon)


def _adam(p, g, m, v, w, learning_rate, iterations, skip, beta_1, beta_2, epsilon):
    state = (*_rate(learning_rate), iterations, skip)
    _run("adam", p, g, m, v, w, *state, p.size, 1 - beta_1, 1 - beta_2, _log(beta_1), _log(beta_2), epsilon)


def _log(beta):
    return math.log(beta) if beta else -math.inf


@implements(prim.adagrad, where=_can_update)
def adagrad(p, g, a, learning_rate, *, epsilon, skip=None):
    _run("adagrad", p, g, a, *_rate(learning_rate), skip, p.size, epsilon)


@implements(prim.adadelta, where=_can_update)
def adadelta(p, g, a, d, learning_rate, *, rho, epsilon, skip=None):
    _run("adadelta", p, g, a, d, *_rate(learning_rate), skip, p.size, 1 - rho, epsilon)


@implements(prim.adamax, where=_can_update)
def adamax(p, g, m, u, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    state = (*_rate(learning_rate), iterations, skip)
    _run("adamax", p, g, m, u, *state, p.size, 1 - beta_1, _log(beta_1), beta_2, epsilon)


def _can_nadam(p, g, m, v, learning_rate, iterations, product, *, skip=None, **_):
    return product.dtype == p.dtype and _can_update(p, g, m, v, learning_rate, iterations, skip=skip)


@implements(prim.nadam, where=_can_nadam)
def nadam(p, g, m, v, learning_rate, iterations, product, *, beta_1, beta_2, epsilon, skip=None):
    state = (*_rate(learning_rate), iterations, product, skip)
    _run("nadam", p, g, m, v, *state, p.size, beta_1, 1 - beta_1, 1 - beta_2, _log(beta_2), epsilon)


def _is_product(product, iterations, *, skip=None, **_):
    return is_real(product) and _is_step(iterations, skip=skip)


@implements(prim.nadam_product, where=_is_product)
def nadam_product(product, iterations, *, beta_1, skip=None):
    UPDATE(TYPE=C_TYPES[product.dtype])["nadam_product"](1, product, iterations, skip, beta_1)


@implements(prim.lion, where=_can_update)
def lion(p, g, m, learning_rate, *, beta_1, beta_2, skip=None):
    _run("lion", p, g, m, *_rate(learning_rate), skip, p.size, beta_1, beta_2)


@implements(prim.ftrl, where=_can_update)
def ftrl(p, g, a, z, learning_rate, *, power, l1, l2, shrinkage, beta, skip=None):
    _run("ftrl", p, g, a, z, *_rate(learning_rate), skip, p.size, power, l1, l2, shrinkage, beta)


def _can_direct(*arrays, skip=None, **_):
    *flat, iterations = arrays
    return is_real(*flat) and all(map(_in_place, flat)) and _is_step(iterations, skip=skip)


@implements(prim.lamb_direction, where=_can_direct)
def lamb_direction(g, m, v, iterations, *, beta_1, beta_2, epsilon, skip=None):
    betas = (1 - beta_1, 1 - beta_2, _log(beta_1), _log(beta_2))
    _run("lamb_direction", g, m, v, iterations, skip, g.size, *betas, epsilon)


@implements(prim.weight_decay, where=_can_update)
def weight_decay(p, learning_rate, *, rate, skip=None):
    _run("weight_decay", p, *_rate(learning_rate), skip, p.size, rate)


def _is_step(*arrays, skip=None, **_):
    return all(a.dtype == _INT32 for a in (*arrays, skip) if a is not None)


@implements(prim.count_step, where=_is_step)
def count_step(iterations, *, skip=None):
    UPDATE(TYPE="float")["add_one"](1, iterations, skip)


def _is_scale(scale, good_steps, nonfinite, **_):
    return scale.dtype == FLOAT32 and _is_step(good_steps, nonfinite)


@implements(prim.adjust_loss_scale, where=_is_scale)
def adjust_loss_scale(scale, good_steps, nonfinite, *, growth_steps):
    UPDATE(TYPE="float")["adjust_scale"](1, scale, good_steps, nonfinite, growth_steps)


def _can_gather(flat, targets, values, *, scale=None, nonfinite=None):
    return (
        bool(targets)
        and is_real(flat, *values)
        and all(_in_place(t) and (address(t) - address(flat)) % (4 * flat.itemsize) == 0 for t in (flat, *targets))
        and (scale is None or scale.dtype == FLOAT32)
        and (nonfinite is None or nonfinite.dtype == _INT32)
    )


@implements(prim.gather, where=_can_gather)
def gather(flat, targets, values, *, scale=None, nonfinite=None):
    kernel = UPDATE(TYPE=C_TYPES[flat.dtype])["gather"]
    for first in range(0, len(targets), _SOURCES):
        places, sources = targets[first : first + _SOURCES], values[first : first + _SOURCES]
        missing = _SOURCES - len(places)
        fours = [(address(place) - address(flat)) // (4 * flat.itemsize) for place in places]
        segments = {"fours": [*fours, *[0] * missing], "counts": [*(v.size for v in places), *[0] * missing]}
        longest = max(place.size for place in places)
        grid = flat_grid(flat, longest // 4, kernel.threads), len(places)
        kernel(grid, flat, *map(vector, sources), *[None] * missing, segments, scale, nonfinite)
