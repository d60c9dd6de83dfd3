"""Convolutions, forward and both gradients, and matrix products, in float32 without TF32, against cuDNN and cuBLAS.

The share of peak is of multiprocessors × FP32 lanes × 2 × clock; the peers are PyTorch's, the faster of both layouts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu.shapes import MATMULS, Conv, all_convs
from benchmarks.gpu.target import Gpu, torch_on_gpu
from gpunet import ops
from gpunet.backend.primitives import conv as prim
from gpunet.backend.primitives import matmul

_LANES = {(7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 9): 128, (9, 0): 128, (10, 0): 128, (12, 0): 128}
_BUDGET = 0.03
_TOLERANCE = 1e-5


def run(gpu: Gpu, findings: Any) -> None:
    """Three rows per convolution, one per product; results are checked at places of the first and the last image."""
    torch, peak = torch_on_gpu(gpu), _peak_flops(gpu)
    for shape in all_convs():
        shape = shape if gpu.real else shape.scaled()
        findings.attempt(shape.name, lambda shape=shape: _conv(gpu, findings, shape, torch, peak))
        gpu.release()
    for m, n, k in MATMULS if gpu.real else [(5, 7, 9)]:
        name = f"matmul {m}x{n}x{k}"
        findings.attempt(name, lambda s=(m, n, k), name=name: _product(gpu, findings, name, s, torch, peak))


def _conv(gpu: Gpu, findings: Any, shape: Conv, torch: Any, peak: float | None) -> None:
    x, w, g = _operands(gpu, shape)
    error = _forward_error(gpu, shape, x, w), _adjoint_error(shape, x, w, g)
    findings.check(max(error) <= _TOLERANCE, f"{shape.name}: forward is off by {error[0]:.1e}, adjoints {error[1]:.1e}")
    theirs: dict = {}
    if torch is not None:
        theirs = findings.attempt(f"{shape.name} in torch", lambda: _torch_conv_calls(torch, shape)) or {}
    for name, call in _conv_calls(shape, x, w, g).items():
        _row(gpu, findings, f"{shape.name} {name}", shape.flops, call, theirs.get(name, []), peak)


def _product(gpu: Gpu, findings: Any, name: str, shape: tuple, torch: Any, peak: float | None) -> None:
    m, n, k = shape
    a, b = gpu.random(m, k), gpu.random(k, n, seed=1)
    found, expected = gpu.host(matmul.matmul(a, b)[-1:]), gpu.host(a)[-1:].astype(float) @ gpu.host(b)
    error = float(np.abs(found - expected).max() / np.sqrt(k))
    findings.check(error <= _TOLERANCE, f"{name}: the last row is off by {error:.1e}")
    peers = [_torch_matmul(torch, m, n, k)] if torch is not None else []
    _row(gpu, findings, name, 2 * m * n * k, lambda: matmul.matmul(a, b), peers, peak)


def _row(gpu: Gpu, findings: Any, name: str, flops: int, call: Callable, peers: list, peak: float | None) -> None:
    seconds = findings.attempt(name, lambda: gpu.seconds(call, _BUDGET))
    if seconds is None:
        return
    row: dict[str, Any] = {"work": name, "GFLOP": flops / 1e9, "ms": seconds * 1e3, "TFLOP/s": flops / seconds / 1e12}
    if peak is not None:
        row["of peak"] = flops / seconds / peak
    best = findings.attempt(f"{name} in torch", lambda: min(gpu.seconds(p, _BUDGET) for p in peers)) if peers else None
    if best is not None:
        row |= {"peer, ms": best * 1e3, "ratio": seconds / best}
    findings.add(**row)


def _operands(gpu: Gpu, c: Conv) -> tuple[Any, Any, Any]:
    """Input, filter and a gradient of the result."""
    x = gpu.random(c.batch, c.side, c.side, c.channels)
    w = gpu.random(c.window, c.window, c.channels, c.filters, seed=1)
    return x, w, gpu.random(c.batch, c.out, c.out, c.filters, seed=2)


def _forward_error(gpu: Gpu, c: Conv, x: Any, w: Any) -> float:
    """The largest error at corners and middles of the first and the last image, of elements of size 1."""
    y, filters = _conv_calls(c, x, w, None)["forward"](), gpu.host(w).astype(float)
    worst = 0.0
    for image in (0, c.batch - 1):
        widths = ((c.padding, c.padding + c.stride),) * 2 + ((0, 0),)
        padded, found = np.pad(gpu.host(x[image]), widths).astype(float), gpu.host(y[image])
        for i, j in ((0, 0), (c.out // 2, c.out // 3), (c.out - 1, c.out - 1)):
            top, left = i * c.stride, j * c.stride
            expected = np.tensordot(padded[top : top + c.window, left : left + c.window], filters, 3)
            worst = max(worst, float(np.abs(found[i, j] - expected).max()))
    return worst / np.sqrt(filters[..., 0].size)


def _adjoint_error(c: Conv, x: Any, w: Any, g: Any) -> float:
    """How far ⟨conv(x, w), g⟩, ⟨x, its adjoint in x⟩ and ⟨w, its adjoint in w⟩ are from equal, of their size."""
    calls = _conv_calls(c, x, w, g)
    pairs = (calls["forward"](), g), (x, calls["input gradient"]()), (w, calls["weight gradient"]())
    values = [float(ops.sum(ops.multiply(ops.cast(a, "float64"), ops.cast(b, "float64")))) for a, b in pairs]
    y = ops.cast(pairs[0][0], "float64")
    size = float(ops.sqrt(ops.sum(ops.multiply(y, y)))) * np.sqrt(g.size)
    return (max(values) - min(values)) / size


def _conv_calls(c: Conv, x: Any, w: Any, g: Any) -> dict[str, Callable]:
    how = {"strides": (c.stride,) * 2, "padding": ((c.padding,) * 2,) * 2, "dilation": (1, 1)}
    return {
        "forward": lambda: prim.conv(x, w, None, **how),
        "input gradient": lambda: prim.conv_input_grad(g, w, spatial=(c.side,) * 2, **how),
        "weight gradient": lambda: prim.conv_weight_grad(x, g, window=(c.window,) * 2, **how),
    }


def _torch_conv_calls(torch: Any, c: Conv) -> dict[str, list[Callable]]:
    calls: dict[str, list[Callable]] = {"forward": [], "input gradient": [], "weight gradient": []}
    for layout in (torch.contiguous_format, torch.channels_last):

        def random(*shape: int, layout: Any = layout) -> Any:
            return torch.randn(shape, device="cuda").contiguous(memory_format=layout)

        x = random(c.batch, c.channels, c.side, c.side)
        w = random(c.filters, c.channels, c.window, c.window)
        g = random(c.batch, c.filters, c.out, c.out)
        for name, mask in (("input gradient", [True, False, False]), ("weight gradient", [False, True, False])):
            calls[name].append(_torch_backward(torch, g, x, w, c, mask))
        calls["forward"].append(lambda x=x, w=w: torch.nn.functional.conv2d(x, w, stride=c.stride, padding=c.padding))
    return calls


def _torch_backward(torch: Any, g: Any, x: Any, w: Any, c: Conv, mask: list[bool]) -> Callable:
    geometry = (None, [c.stride] * 2, [c.padding] * 2, [1, 1], False, [0, 0], 1)
    return lambda: torch.ops.aten.convolution_backward(g, x, w, *geometry, mask)


def _torch_matmul(torch: Any, m: int, n: int, k: int) -> Callable:
    a, b = torch.randn(m, k, device="cuda"), torch.randn(k, n, device="cuda")
    return lambda: a @ b


def _peak_flops(gpu: Gpu) -> float | None:
    if not gpu.real:
        return None
    found = gpu.xp.cuda.runtime.getDeviceProperties(0)
    lanes = _LANES.get((found["major"], found["minor"]))
    clock = found.get("clockRate") or 0  # kHz; CUDA 13 dropped it from the properties
    if not clock:
        attribute = (
            gpu.xp.cuda.runtime.cudaDevAttrClockRate if hasattr(gpu.xp.cuda.runtime, "cudaDevAttrClockRate") else 13
        )
        clock = gpu.xp.cuda.runtime.deviceGetAttribute(attribute, 0)
    return None if lanes is None else found["multiProcessorCount"] * lanes * 2.0 * clock * 1e3
