"""Kernels that memory bounds: bytes they must move per second, as a share of what a copy of the same size reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.target import Gpu
from gpunet.backend.primitives import elementwise, nn, pooling, reduction, update
from gpunet.backend.primitives import random as draws


def run(gpu: Gpu, findings: Any) -> None:
    """The copy first, then each kernel."""
    rows = 2**19 if gpu.real else 8
    x = gpu.random(rows, 256)
    out = gpu.xp.empty(x.shape, x.dtype)

    def copy() -> None:
        out[...] = x

    ceiling = 2 * x.nbytes / gpu.seconds(copy)
    findings.add(kernel="copy", **{"MB moved": 2 * x.nbytes / 1e6, "GB/s": ceiling / 1e9, "of the copy": 1.0})
    for name, moved, call in _cases(gpu, x):
        seconds = findings.attempt(name, lambda call=call: gpu.seconds(call))
        if seconds is not None:
            rate = moved / seconds
            row = {"MB moved": moved / 1e6, "GB/s": rate / 1e9, "of the copy": rate / ceiling}
            findings.add(kernel=name, **row)


def _cases(gpu: Gpu, x: Any) -> Iterator[tuple[str, int, Any]]:
    """Name, the bytes that must be moved, and the call."""
    n, c = x.nbytes, x.shape[-1]
    y, row = gpu.random(*x.shape, seed=1), gpu.random(c)
    yield "relu", 2 * n, lambda: elementwise.UNARY["relu"](x)
    yield "relu_grad", 3 * n, lambda: elementwise.relu_grad(x, y)
    yield "add", 3 * n, lambda: elementwise.BINARY["add"](x, y)
    yield "add a row", 2 * n, lambda: elementwise.BINARY["add"](x, row)
    yield "cast to float16", n + n // 2, lambda: elementwise.cast(x, dtype=np.dtype("float16"))
    yield "sum of all", n, lambda: reduction.sum(x, axis=None, keepdims=False)
    yield "sum over rows", n, lambda: reduction.sum(x, axis=(0,), keepdims=False)
    yield "sum over columns", n, lambda: reduction.sum(x, axis=(1,), keepdims=False)
    yield "softmax", 2 * n, lambda: nn.softmax(x, axis=-1)
    labels = gpu.array(np.random.default_rng(0).integers(0, c, len(x)).astype("int32"))
    yield "cross-entropy", n, lambda: nn.sparse_softmax_crossentropy(x, labels, residuals=False)
    yield from _batch_norm(x, y, row)
    yield from _pooling(gpu, x)
    yield from _updates(gpu, x)


def _batch_norm(x: Any, y: Any, row: Any) -> Iterator[tuple[str, int, Any]]:
    n = x.nbytes
    _, residuals = nn.batch_norm(x, row, row, epsilon=1e-3, residuals=True)
    yield "batch_norm, training", 3 * n, lambda: nn.batch_norm(x, row, row, epsilon=1e-3, residuals=True)
    yield "batch_norm backward", 5 * n, lambda: nn.batch_norm_grad(y, x, row, *residuals, epsilon=1e-3)
    yield "scale_shift", 2 * n, lambda: nn.scale_shift(x, row, row)


def _pooling(gpu: Gpu, x: Any) -> Iterator[tuple[str, int, Any]]:
    side = 64 if gpu.real else 4
    images = x.reshape(-1, side, side, 64) if gpu.real else gpu.random(2, side, side, 8)
    window = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
    n = images.nbytes
    yield "max_pool 2x2", n + n // 4, lambda: pooling.max_pool(images, residuals=False, **window)
    yield "avg_pool 2x2", n + n // 4, lambda: pooling.avg_pool(images, **window)


def _updates(gpu: Gpu, x: Any) -> Iterator[tuple[str, int, Any]]:
    p, g, m = (gpu.random(x.size // 4, seed=i) for i in range(3))
    v = m * m
    rate, steps = gpu.array(np.array(1e-6, "float32")), gpu.array(np.array(3, "int32"))
    n = p.nbytes
    yield "sgd", 3 * n, lambda: update.sgd(p, g, rate)
    yield "momentum", 5 * n, lambda: update.momentum(p, g, m, rate, momentum=0.9, nesterov=False)
    yield "rmsprop", 5 * n, lambda: update.rmsprop(p, g, v, rate, rho=0.9, epsilon=1e-7)
    betas = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    yield "adam", 7 * n, lambda: update.adam(p, g, m, v, rate, steps, **betas)
    state = gpu.array(np.array([7, 1], "uint32"))
    yield "random_uniform", n, lambda: draws.random_uniform(state, shape=p.shape, dtype=p.dtype)
    yield "random_normal", n, lambda: draws.random_normal(state, shape=p.shape, dtype=p.dtype)
    yield "dropout", 2 * n, lambda: draws.dropout(p, state, rate=0.5, residuals=True)
