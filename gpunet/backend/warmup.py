"""Compiling every kernel before it is needed."""

from __future__ import annotations

import time

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
    runtime = runtime_for(gpu_backend().array_type)
    specialisations = all_specialisations()
    gpus = [device for device in devices() if device.kind == "gpu"]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    started = time.perf_counter()
    with Progress(*columns) as progress:
        for gpu in gpus:
            _compile_for(gpu, runtime, specialisations, progress)
    seconds = time.perf_counter() - started
    print(f"{len(specialisations)} sets of kernels for {', '.join(map(describe, gpus))} in {seconds:.1f} s")


def _compile_for(gpu: Device, runtime, specialisations: list[Specialisation], progress: Progress) -> None:
    width = max(len(s.file) for s in specialisations)  # macros would leave no room for the bar
    task = progress.add_task(gpu.name, total=len(specialisations))
    with current_device(gpu):
        for specialisation in specialisations:
            progress.update(task, description=f"{gpu.name}: {specialisation.file:<{width}}")
            runtime.compile(specialisation)
            progress.advance(task)
    progress.update(task, description=f"{gpu.name}: {'ready':<{width}}")
