"""In-place updates. Optimizers go through their flat arrays in blocks that stay in cache on a CPU."""

from __future__ import annotations

import math

from gpunet.backend.portable import portable
from gpunet.backend.primitives import update as prim

# Items per block. On a GPU one block is the whole array, since every operation is a launch.
BLOCK = 1 << 16


def blocks(*arrays):
    """The arrays cut into blocks of equal ranges; None stays None."""
    size = arrays[0].size
    step = BLOCK if arrays[0].nbytes and hasattr(arrays[0], "ctypes") else max(1, size)
    for start in range(0, size, step):
        yield tuple(None if a is None else a[start : start + step] for a in arrays)


@portable.implements(prim.assign)
def assign(xp, target, value):
    target[...] = value


@portable.implements(prim.assign_add)
def assign_add(xp, target, value):
    xp.add(target, value, out=target)


@portable.implements(prim.assign_sub)
def assign_sub(xp, target, value):
    xp.subtract(target, value, out=target)


@portable.implements(prim.gather)
def gather(xp, flat, targets, values, *, scale=None, nonfinite=None):
    for target, value in zip(targets, values):
        target[...] = value
        if scale is not None:
            xp.divide(target, scale, out=target)
        if nonfinite is not None and not xp.isfinite(target).all():
            nonfinite[...] = 1


def skips(skip):
    """True if an update is to do nothing."""
    return skip is not None and int(skip) != 0


@portable.implements(prim.count_step)
def count_step(xp, iterations, *, skip=None):
    if not skips(skip):
        xp.add(iterations, 1, out=iterations)


@portable.implements(prim.adjust_loss_scale)
def adjust_loss_scale(xp, scale, good_steps, nonfinite, *, growth_steps):
    if int(nonfinite):
        factor, count = 0.5, 0
    else:
        factor, count = 1.0, int(good_steps) + 1
    if count >= growth_steps:
        factor, count = 2.0, 0
    xp.multiply(scale, factor, out=scale)
    good_steps[...] = count
    nonfinite[...] = 0


@portable.implements(prim.sgd)
def sgd(xp, p, g, learning_rate, *, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    for pb, gb in blocks(p, g):
        xp.subtract(pb, gb * rate, out=pb)


@portable.implements(prim.momentum)
def momentum(xp, p, g, m, learning_rate, *, momentum, nesterov, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    for pb, gb, mb in blocks(p, g, m):
        step = gb * rate
        xp.multiply(mb, momentum, out=mb)
        xp.subtract(mb, step, out=mb)
        if nesterov:
            xp.subtract(mb * momentum, step, out=step)
            xp.add(pb, step, out=pb)
        else:
            xp.add(pb, mb, out=pb)


def _move(xp, average, value, rate):
    """average += (value − average)·rate; overwrites `value`."""
    xp.subtract(value, average, out=value)
    xp.multiply(value, rate, out=value)
    xp.add(average, value, out=average)


@portable.implements(prim.rmsprop)
def rmsprop(xp, p, g, v, learning_rate, *, rho, epsilon, skip=None):
    rmsprop_general(xp, p, g, v, None, None, learning_rate, rho=rho, momentum=0.0, epsilon=epsilon, skip=skip)


@portable.implements(prim.rmsprop_general)
def rmsprop_general(xp, p, g, v, a, m, learning_rate, *, rho, momentum, epsilon, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    for pb, gb, vb, ab, mb in blocks(p, g, v, a, m):
        _move(xp, vb, gb * gb, 1 - rho)
        spread = vb
        if ab is not None:
            _move(xp, ab, gb.copy(), 1 - rho)
            spread = vb - ab * ab
        step = spread + epsilon
        xp.sqrt(step, out=step)
        xp.divide(gb, step, out=step)
        xp.multiply(step, rate, out=step)
        if mb is not None:
            xp.multiply(mb, momentum, out=mb)
            xp.add(mb, step, out=mb)
            step = mb
        xp.subtract(pb, step, out=pb)


def adam_rate(learning_rate, iterations, beta_1, beta_2):
    """α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ)."""
    t = int(iterations) + 1
    return float(learning_rate) * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)


@portable.implements(prim.adam)
def adam(xp, p, g, m, v, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    options = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "skip": skip}
    amsgrad(xp, p, g, m, v, None, learning_rate, iterations, **options)


@portable.implements(prim.amsgrad)
def amsgrad(xp, p, g, m, v, w, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    if skips(skip):
        return
    rate = adam_rate(learning_rate, iterations, beta_1, beta_2)
    for pb, gb, mb, vb, wb in blocks(p, g, m, v, w):
        work = gb.copy()
        _move(xp, mb, work, 1 - beta_1)
        xp.multiply(gb, gb, out=work)
        _move(xp, vb, work, 1 - beta_2)
        if wb is not None:
            xp.maximum(wb, vb, out=wb)
        xp.sqrt(vb if wb is None else wb, out=work)
        xp.add(work, epsilon, out=work)
        xp.divide(mb, work, out=work)
        xp.multiply(work, rate, out=work)
        xp.subtract(pb, work, out=pb)


@portable.implements(prim.weight_decay)
def weight_decay(xp, p, learning_rate, *, rate, skip=None):
    if not skips(skip):
        xp.multiply(p, 1 - rate * float(learning_rate), out=p)
