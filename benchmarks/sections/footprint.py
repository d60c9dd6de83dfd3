"""What a library costs before it computes: import, disk, the first step with cold and warm caches, and memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.installed_size import closure
from benchmarks.networks import LENET5, MLP
from benchmarks.peers import VARIANTS
from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, Worker, WorkerError

_IMPORTS = ("numpy", "gpunet", "torch", "jax", "keras", "tinygrad")
_FIRST = ("gpunet", "gpunet-numpy", "torch", "torch-compile", "jax", "keras")
_IMPORT, _INSTALLED = "import, CPU seconds", "installed, with dependencies"
_STEPS = 10  # of the epoch that follows the first step, whose peak of memory is noted
_SIZED = {"keras": "keras, without a backend"}
# Where libraries keep compiled code from one process to the next.
_CACHES = ("GPUNET_HOME", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR", "CACHEDB")


def run(budget: Budget, findings: Findings) -> None:
    """Rows of imports in CPU seconds, of packages in bytes, and of first steps, cold and warm, in seconds."""
    if findings.wants(_IMPORT):
        _imports(budget, findings)
    if findings.wants(_INSTALLED):
        _sizes(findings)
    keys = findings.ready([*_FIRST, *(["tinygrad"] if budget.full else [])])
    for name, network in (("mlp", MLP), ("lenet5", LENET5)):
        arguments = {"network": {"name": name}, "batch": network.batch, "fit_steps": _STEPS}
        case = Case(f"{network.name} training, batch {network.batch}", "training", arguments)
        for key in keys if findings.wants(case.name) else ():
            if key == "torch-compile" and not (budget.full or network is MLP):
                continue  # it compiles for longer than all others take
            _first_step(case, key, budget, findings)


def _sizes(findings: Findings) -> None:
    for name in ("gpunet", "gpunet[cpu]", "torch", "jax", "keras", "tinygrad"):
        size, packages = closure(name)
        if size:
            row = {"case": _INSTALLED, "variant": _SIZED.get(name, name), "group": "size", "unit": "B"}
            findings.rows.append({**row, "values": [size], "packages": packages})


def _imports(budget: Budget, findings: Findings) -> None:
    statements = {name: f"import numpy, {name}" for name in _IMPORTS}
    values: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(budget.rounds):
        start = _cpu_seconds("pass")
        for name in list(values):
            seconds = _cpu_seconds(statements[name])
            if seconds is None or start is None:
                findings.missing[f"import {name}"] = "cannot be imported"
                del values[name]
            else:
                values[name].append(seconds - start)
    for name, found in values.items():
        row = {"case": _IMPORT, "variant": name, "group": "import", "unit": "s"}
        findings.rows.append({**row, "values": found})


def _cpu_seconds(statement: str) -> float | None:
    """User and system seconds of a fresh interpreter, or None where the statement fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(VARIANTS["keras"].environment)
    command = ["env", *(f"{k}={v}" for k, v in environment.items()), sys.executable, "-c", statement]
    if subprocess.run(command, capture_output=True).returncode:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _first_step(case: Case, key: str, budget: Budget, findings: Findings) -> None:
    """From existing data to the end of the first call, the network's construction included."""
    name = VARIANTS[key].name
    with tempfile.TemporaryDirectory() as folder:
        environment = {variable: f"{folder}/{variable.lower()}" for variable in _CACHES}
        for state in ("cold", "warm"):
            try:
                worker = Worker(VARIANTS[key], case, budget, environment)
            except WorkerError as error:
                findings.failures[f"{case.name}, {state} caches: {name}"] = str(error)
                return
            worker.close()
            found: dict[str, Any] = {"case": f"{case.name}, {state} caches", "variant": key, "group": "first step"}
            findings.rows.append(found | {"unit": "s", "values": [worker.started["first_s"]], **worker.started})
