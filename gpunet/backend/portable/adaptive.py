"""The rules of the less common optimizers, block by block; their formulas are beside the primitives."""

from __future__ import annotations

import numpy as np

from gpunet.backend.portable import portable
from gpunet.backend.portable.update import _move, blocks, skips
from gpunet.backend.primitives import update as prim


@portable.implements(prim.adagrad)
def adagrad(xp, p, g, a, learning_rate, *, epsilon, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    for pb, gb, ab in blocks(p, g, a):
        xp.add(ab, gb * gb, out=ab)
        xp.subtract(pb, gb * rate / xp.sqrt(ab + epsilon), out=pb)


@portable.implements(prim.adadelta)
def adadelta(xp, p, g, a, d, learning_rate, *, rho, epsilon, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    for pb, gb, ab, db in blocks(p, g, a, d):
        _move(xp, ab, gb * gb, 1 - rho)
        step = gb * xp.sqrt(db + epsilon) / xp.sqrt(ab + epsilon)
        _move(xp, db, step * step, 1 - rho)
        xp.subtract(pb, step * rate, out=pb)


@portable.implements(prim.adamax)
def adamax(xp, p, g, m, u, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate) / (1 - beta_1 ** (int(iterations) + 1))
    for pb, gb, mb, ub in blocks(p, g, m, u):
        _move(xp, mb, gb.copy(), 1 - beta_1)
        xp.multiply(ub, beta_2, out=ub)
        xp.maximum(ub, xp.absolute(gb), out=ub)
        xp.subtract(pb, mb * rate / (ub + epsilon), out=pb)


def _nadam_momentum(beta_1, t):
    """μₜ = β₁·(1 − 0.96ᵗ/2) (Dozat, "Incorporating Nesterov momentum into Adam", 2016)."""
    return beta_1 * (1 - 0.5 * 0.96**t)


@portable.implements(prim.nadam)
def nadam(xp, p, g, m, v, learning_rate, iterations, product, *, beta_1, beta_2, epsilon, skip=None):
    if skips(skip):
        return
    t, rate = int(iterations) + 1, float(learning_rate)
    now, following = _nadam_momentum(beta_1, t), _nadam_momentum(beta_1, t + 1)
    done = float(product) * now
    share_m, share_g = rate * following / (1 - done * following), rate * (1 - now) / (1 - done)
    correction = 1 / (1 - beta_2**t)
    for pb, gb, mb, vb in blocks(p, g, m, v):
        _move(xp, mb, gb.copy(), 1 - beta_1)
        _move(xp, vb, gb * gb, 1 - beta_2)
        xp.subtract(pb, (mb * share_m + gb * share_g) / (xp.sqrt(vb * correction) + epsilon), out=pb)


@portable.implements(prim.nadam_product)
def nadam_product(xp, product, iterations, *, beta_1, skip=None):
    if not skips(skip):
        xp.multiply(product, _nadam_momentum(beta_1, int(iterations) + 1), out=product)


@portable.implements(prim.lion)
def lion(xp, p, g, m, learning_rate, *, beta_1, beta_2, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    for pb, gb, mb in blocks(p, g, m):
        xp.subtract(pb, xp.sign(mb * beta_1 + gb * (1 - beta_1)) * rate, out=pb)
        xp.multiply(mb, beta_2, out=mb)
        xp.add(mb, gb * (1 - beta_2), out=mb)


@portable.implements(prim.ftrl)
def ftrl(xp, p, g, a, z, learning_rate, *, power, l1, l2, shrinkage, beta, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)
    with np.errstate(divide="ignore", invalid="ignore"):  # without any regularisation, 0 / 0 where no gradient was
        inverse = 1 / np.float64(rate)
        for pb, gb, ab, zb in blocks(p, g, a, z):
            before = xp.power(ab, -power) * float(inverse)
            xp.add(ab, gb * gb, out=ab)
            quadratic = xp.power(ab, -power) * float(inverse)
            xp.add(zb, gb + pb * (2 * shrinkage) - (quadratic - before) * pb, out=zb)
            clipped = xp.minimum(xp.maximum(zb, -l1), l1)
            xp.divide(clipped - zb, quadratic + float(2 * l2 + beta * inverse), out=pb)


@portable.implements(prim.lamb_direction)
def lamb_direction(xp, g, m, v, iterations, *, beta_1, beta_2, epsilon, skip=None):
    if skips(skip):
        return
    t = int(iterations) + 1
    first, second = 1 / (1 - beta_1**t), 1 / (1 - beta_2**t)
    for gb, mb, vb in blocks(g, m, v):
        _move(xp, mb, gb.copy(), 1 - beta_1)
        _move(xp, vb, gb * gb, 1 - beta_2)
        xp.divide(mb * first, xp.sqrt(vb * second) + epsilon, out=gb)
