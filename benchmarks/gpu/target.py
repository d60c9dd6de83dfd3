"""The GPU that is measured: the first real one, or the emulated one when this program is tested."""

from __future__ import annotations

import functools
import importlib
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import gpunet
from benchmarks.networks import NETWORKS, SMALL, Network
from gpunet.backend import devices
from gpunet.backend.cupy_gate import probe

_DRAWN = 1_000_003  # a prime, so that the numbers lie differently in every row


class Gpu:
    """A GPU to run on: `xp` is its array library, `real` says whether figures mean anything."""

    def __init__(self, name: str, xp: Any, real: bool):
        self.name = name
        self.xp = xp
        self.real = real

    def array(self, values: np.ndarray) -> Any:
        """A copy of a NumPy array on the GPU."""
        return devices.to_device(values, gpunet.device("gpu:0"))

    def host(self, values: Any) -> np.ndarray:
        """A copy of an array on the host."""
        return devices.to_host(getattr(values, "array", values))

    def random(self, *shape: int, dtype: str = "float32", seed: int = 0) -> Any:
        """Normal numbers on the GPU, which repeat after a million or so: drawing more takes longer than measuring."""
        count = math.prod(shape)
        numbers = np.random.default_rng(seed).standard_normal(min(count, _DRAWN), "float32").astype(dtype, copy=False)
        return self.array(np.resize(numbers, shape))

    def release(self) -> None:
        """Give back memory that no array uses, so that other libraries find it free; PyTorch likewise."""
        if self.real:
            self.xp.get_default_memory_pool().free_all_blocks()
            torch = sys.modules.get("torch")
            if torch is not None and torch.cuda.is_available():
                torch.cuda.empty_cache()

    def seconds(self, function: Callable[[], Any], budget: float = 0.1) -> float:
        """The median time of a call on the GPU, of batches of calls that fill `budget` seconds."""
        if not self.real:
            return _wall_seconds(function, 0.0)
        return _event_seconds(function, budget, self.xp.cuda)

    def wall_seconds(self, function: Callable[[], Any], budget: float = 0.2) -> float:
        """The median time of a call on the host's clock, its work on the GPU included."""
        if not self.real:
            return _wall_seconds(function, 0.0)
        stream = self.xp.cuda.get_current_stream()

        def finished():
            function()
            stream.synchronize()

        return _wall_seconds(finished, budget)


def _event_seconds(function: Callable, budget: float, cuda: Any) -> float:
    stream = cuda.get_current_stream()

    def batch(count: int) -> float:
        start, stop = cuda.Event(), cuda.Event()
        start.record(stream)
        for _ in range(count):
            function()
        stop.record(stream)
        stop.synchronize()
        return cuda.get_elapsed_time(start, stop) * 1e-3 / count

    for _ in range(3):
        function()
    once = max(batch(2), 1e-6)
    count = max(1, int(budget / 7 / once))
    return statistics.median(batch(count) for _ in range(7))


def _wall_seconds(function: Callable, budget: float) -> float:
    for _ in range(3 if budget else 0):
        function()
    times = []
    until = time.perf_counter() + budget
    while not times or time.perf_counter() < until:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def networks(gpu: Gpu) -> dict[str, tuple[Network, int]]:
    """The networks to train, each with its batch: on the stand-in two small ones, two samples at a time."""
    if not gpu.real:
        return {name: (SMALL[name], 2) for name in ("mlp", "lenet5")}
    return {name: (network, network.batch) for name, network in SMALL.items()} | {
        "resnet50": (NETWORKS["resnet50"], 32)
    }


def torch_on_gpu(gpu: Gpu) -> Any:
    """PyTorch set up for a fair comparison in float32 without TF32, or None where it cannot be used."""
    if why_no_torch(gpu):
        return None
    torch = importlib.import_module("torch")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return torch


@functools.cache
def why_no_torch(gpu: Gpu) -> str:
    """Why PyTorch is not compared with, "" if it is: it may be missing, or made for another CUDA or no GPU at all."""
    if not gpu.real:
        return "the stand-in has no PyTorch"
    try:
        torch = importlib.import_module("torch")
        torch.zeros(1, device="cuda").item()
    except Exception as error:  # ImportError, OSError of a library, AssertionError of a build without CUDA, …
        return f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]
    return ""


@contextmanager
def find_gpu(standin: bool) -> Iterator[Gpu]:
    """The GPU as the default device.

    Raises:
        GPUNotAvailableError: if there is none and `standin` is False.
    """
    if standin:
        from gpunet.testing import emulated_gpu

        with emulated_gpu():
            yield Gpu("stand-in", devices.gpu_backend().xp, False)
        return
    with gpunet.device("gpu:0"):
        cupy = probe().cupy
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        yield Gpu(name, cupy, True)
