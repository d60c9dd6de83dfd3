"""What a launch costs: the host's time for small kernels, and for CuPy's own of the same work."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.target import Gpu
from gpunet import ops
from gpunet.backend.primitives import elementwise, matmul


def run(gpu: Gpu, findings: Any) -> None:
    """Many launches in a row: the host's clock over their number."""
    x, y, w = gpu.random(32, 32), gpu.random(32, 32, seed=1), gpu.random(32, 32, seed=2)
    cases = {
        "primitive add, 1024 elements": lambda: elementwise.BINARY["add"](x, y),
        "CuPy's add, 1024 elements": lambda: x + y,
        "ops.add on plain arrays": lambda: ops.add(x, y),
        "primitive matmul, 32x32": lambda: matmul.matmul(x, w),
    }
    count = 200 if gpu.real else 1
    for name, call in cases.items():

        def many(call=call) -> None:
            for _ in range(count):
                call()

        seconds = findings.attempt(name, lambda many=many: gpu.wall_seconds(many))
        if seconds is not None:
            findings.add(launch=name, **{"µs each": seconds / count * 1e6})
