"""CUDA graphs: a recorded step as one launch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger("gpunet")


class CupyGraph:
    """Runs a function that launches the same kernels on the same memory every time.

    The first run is an ordinary one, on a stream and in a memory pool of its own: it compiles what is missing and
    leaves in the pool what the function allocates. The second is captured, in the same pool, so that nothing is
    allocated meanwhile and nobody else gets the memory. From then on a run is one launch of the graph on the current
    stream. What cannot be captured is logged once and goes on being run as a function.
    """

    def __init__(self, cupy: Any, array: Any):
        self.cupy = cupy
        self.device = cupy.cuda.Device(array.device.id)
        with self.device:
            self.pool = cupy.cuda.MemoryPool()
            self.stream = cupy.cuda.Stream(non_blocking=True)
        self.graph: Any = None
        self.results: Any = None
        self.runs = 0
        self.obstacle: str | None = None

    def run(self, function: Callable[[], Any]) -> Any:
        """The function's results; the arrays are the same ones each time once there is a graph."""
        self.runs += 1
        with self.device:
            if self.runs == 2:
                self._capture(function)
            if self.graph is None:
                return self._run_here(function)
            self.graph.launch(self.cupy.cuda.get_current_stream())
        return self.results

    def _run_here(self, function: Callable[[], Any]) -> Any:
        current = self.cupy.cuda.get_current_stream()
        self.stream.wait_event(current.record())
        with self._inside():
            results = function()
        current.wait_event(self.stream.record())
        return results

    def _capture(self, function: Callable[[], Any]) -> None:
        with self._inside():
            self.stream.begin_capture()
            try:
                results = function()
                graph = self.stream.end_capture()
                graph.upload(self.stream)
                self.stream.synchronize()
            except Exception as error:
                self.obstacle = f"{type(error).__name__}: {error}"
                self._end_failed_capture()
                _log.warning("a recorded step is launched kernel by kernel, not as a CUDA graph: %s", self.obstacle)
                return
        self.graph, self.results = graph, results

    def _end_failed_capture(self) -> None:
        """End what is left of a capture: nothing runs on the stream before. CuPy raises where it is invalid."""
        try:
            if not self.stream.is_capturing():
                return
        except RuntimeError as error:
            _log.debug("the failed capture: %s", error)
        try:
            self.stream.end_capture()
        except self.cupy.cuda.runtime.CUDARuntimeError as error:
            _log.debug("the failed capture ended with: %s", error)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        with self.stream, self.cupy.cuda.using_allocator(self.pool.malloc):
            yield
