"""Convolutions, forward and both gradients, and matrix products, in float32 without TF32, against cuDNN and cuBLAS.

The share of peak is of multiprocessors × FP32 lanes × 2 × clock; the peers are PyTorch's, the faster of both layouts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu.shapes import MATMULS, Conv, all_convs
from benchmarks.gpu.target import Gpu, torch_on_gpu
from gpunet.backend.primitives import conv as prim
from gpunet.backend.primitives import matmul

_LANES = {(7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 9): 128, (9, 0): 128, (10, 0): 128, (12, 0): 128}
_BUDGET = 0.03


def run(gpu: Gpu, findings: Any) -> None:
    """Three rows per convolution, one per product; errors are against float64 on a part of the result."""
    torch, peak = torch_on_gpu(), _peak_flops(gpu)
    for shape in all_convs():
        shape = shape if gpu.real else shape.scaled()
        ours = findings.attempt(shape.name, lambda shape=shape: _conv_calls(gpu, shape))
        theirs = _torch_conv_calls(torch, shape) if torch is not None else {}
        for name, call in (ours or {}).items():
            _row(gpu, findings, f"{shape.name} {name}", shape.flops, call, theirs.get(name, []), peak)
    for m, n, k in MATMULS if gpu.real else [(5, 7, 9)]:
        a, b = gpu.random(m, k), gpu.random(k, n)
        peers = [_torch_matmul(torch, m, n, k)] if torch is not None else []
        _row(gpu, findings, f"matmul {m}x{n}x{k}", 2 * m * n * k, lambda a=a, b=b: matmul.matmul(a, b), peers, peak)


def _row(gpu: Gpu, findings: Any, name: str, flops: int, call: Callable, peers: list, peak: float | None) -> None:
    seconds = findings.attempt(name, lambda: gpu.seconds(call, _BUDGET))
    if seconds is None:
        return
    row: dict[str, Any] = {"work": name, "GFLOP": flops / 1e9, "ms": seconds * 1e3, "TFLOP/s": flops / seconds / 1e12}
    if peak is not None:
        row["of peak"] = flops / seconds / peak
    if peers:
        best = min(gpu.seconds(peer, _BUDGET) for peer in peers)
        row |= {"peer, ms": best * 1e3, "ratio": seconds / best}
    findings.add(**row)


def _conv_calls(gpu: Gpu, c: Conv) -> dict[str, Callable]:
    x = gpu.random(c.batch, c.side, c.side, c.channels)
    w = gpu.random(c.window, c.window, c.channels, c.filters, seed=1)
    g = gpu.random(c.batch, c.out, c.out, c.filters, seed=2)
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


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest error relative to the largest value."""
    return float(np.abs(found - expected).max() / max(1e-30, np.abs(expected).max()))
