"""Single ops by pytest-benchmark: `benchmarks/test_ops.py`, run for every library in turn."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.peers import VARIANTS
from benchmarks.peers.task import OPS
from benchmarks.results import Findings
from benchmarks.turns import Budget

_SUITE = Path(__file__).resolve().parents[1] / "test_ops.py"
_VARIANTS = ["gpunet-eager", "gpunet-numpy-eager", "torch-malloc", "jax"]


def run(budget: Budget, findings: Findings) -> None:
    """A row per op and library."""
    if importlib.util.find_spec("pytest_benchmark") is None:
        findings.missing["pytest-benchmark"] = "not installed (pip install '.[bench]')"
        return
    names = [name for name in OPS if findings.wants(name)]
    keys = findings.ready([*_VARIANTS, *(["torch"] if budget.full else [])]) if names else []
    found: dict[tuple[str, str], list[float]] = {}
    for number in range(budget.rounds):
        for key in [key for key in (keys[::-1] if number % 2 else keys) if key not in findings.stuck]:
            for name, seconds in _run_suite(key, names, budget, findings).items():
                found.setdefault((name, key), []).append(seconds)
    for (name, key), values in sorted(found.items()):
        findings.rows.append({"case": name, "variant": key, "unit": "s", "values": values})


def _run_suite(key: str, names: list[str], budget: Budget, findings: Findings) -> dict[str, float]:
    """Median seconds by op."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            *(f"{_SUITE}::test_op[{name}]" for name in names),
            f"--benchmark-json={report}",
        ]
        command += ["-o", "filterwarnings=default", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += [f"--benchmark-max-time={budget.turn / 3}", "--benchmark-min-rounds=3"]
        environment = {**machine.environment(), **dict(VARIANTS[key].environment), "GPUNET_BENCH_VARIANT": key}
        how: Any = {"capture_output": True, "text": True, "env": environment, "cwd": _SUITE.parents[1]}
        try:
            done = subprocess.run(command, timeout=budget.patience, **how)
        except subprocess.TimeoutExpired:
            findings.failures[VARIANTS[key].name] = f"no answer in {budget.patience:g} s"
            findings.stuck.add(key)
            return {}
        if done.returncode:
            findings.failures[VARIANTS[key].name] = done.stdout.strip()[-300:] or done.stderr.strip()[-300:]
        if not report.exists() or not report.stat().st_size:
            return {}
        benchmarks: list[dict[str, Any]] = json.loads(report.read_text())["benchmarks"]
        return {entry["param"]: entry["stats"]["median"] for entry in benchmarks}
