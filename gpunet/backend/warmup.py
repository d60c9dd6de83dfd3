"""Compiling every kernel before it is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gpunet.backend.cuda.launcher import Specialisation, all_specialisations
from gpunet.backend.cuda.runtime import runtime_for
from gpunet.backend.devices import Device, current_device, devices, gpu_backend
from gpunet.backend.report import describe


def warm_up() -> None:
    """Compile every kernel for every GPU, with a progress bar. The compiler keeps the results on disk.

    Raises:
        GPUNotAvailableError: if there is no GPU, with the reason: kernels are compiled for the GPU that is present.
    """
    gpu_backend()
    specialisations = all_specialisations()
    gpus = [device for device in devices() if device.kind == "gpu"]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    started = time.perf_counter()
    with Progress(*columns) as progress:
        for gpu in gpus:
            _compile_for(gpu, specialisations, progress)
    seconds = time.perf_counter() - started
    print(f"{len(specialisations)} sets of kernels for {', '.join(map(describe, gpus))} in {seconds:.1f} s")


def compiled(
    gpu: Device, specialisations: Sequence[Specialisation]
) -> Iterator[tuple[Specialisation, float, Exception | None]]:
    """Compile for a GPU, on all cores: each as it is done, with its seconds, and the error if it does not compile."""
    runtime = runtime_for(gpu_backend().array_type)

    def compile_one(specialisation: Specialisation) -> tuple[Specialisation, float, Exception | None]:
        started, failed = time.perf_counter(), None
        try:
            with current_device(gpu):
                runtime.compile(specialisation)
        except Exception as error:
            failed = error
        return specialisation, time.perf_counter() - started, failed

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from (done.result() for done in as_completed(pool.submit(compile_one, s) for s in specialisations))


def _compile_for(gpu: Device, specialisations: list[Specialisation], progress: Progress) -> None:
    width = max(len(s.file) for s in specialisations)  # macros would leave no room for the bar
    task = progress.add_task(gpu.name, total=len(specialisations))
    for specialisation, _, error in compiled(gpu, specialisations):
        if error is not None:
            raise error
        progress.update(task, description=f"{gpu.name}: {specialisation.file:<{width}}", advance=1)
    progress.update(task, description=f"{gpu.name}: {'ready':<{width}}")
