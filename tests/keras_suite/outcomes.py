"""Runs Keras's tests in a process of their own, and compares the outcomes with those of Keras."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.keras_suite.names import suite_folder

FOLDERS = [
    "activations",
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "regularizers",
]
KERAS = "3.15.1"  # whose tests the list names
REFERENCE = Path(__file__).with_name("passed_by_keras.txt")


def run(library: str, folders: list[str], workers: int = 0, only: str | None = None) -> dict[str, str]:
    """The outcome of every test in folders below `keras/src`: "passed", "failed" or "skipped".

    Args:
        library: "gpunet" or "keras".
        workers: how many processes share the work; 0 for one.
        only: an expression as pytest's `-k` takes it.
    """
    folder = suite_folder()
    if folder is None:
        raise RuntimeError("Keras is not installed: its tests are read from there")
    with tempfile.TemporaryDirectory() as home:
        result = Path(home, "outcomes.json")
        settings = {"KERAS_SUITE_LIBRARY": library, "KERAS_SUITE_RESULT": str(result), "KERAS_HOME": home}
        command = [sys.executable, "-m", "pytest", "--rootdir", str(folder), "--config-file", os.devnull]
        command += ["--confcutdir", home, "-p", "tests.keras_suite.collect", "-p", "no:cacheprovider"]
        command += ["-o", "python_files=*_test.py", "--quiet", "--tb=short", "--no-header"]
        command += ["-n", str(workers)] if workers else []
        command += ["-k", only] if only else []
        command += [str(folder / name) for name in folders]
        root = Path(__file__).parents[2]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment = {"KERAS_BACKEND": "torch", **inherited, **settings, "PYTHONPATH": str(root)}
        log = Path(os.environ.get("KERAS_SUITE_LOG") or Path(home, "log.txt"))
        with log.open("w") as output:
            subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
        if not result.exists():
            raise RuntimeError(f"pytest ended without outcomes:\n{log.read_text()[-3000:]}")
        return json.loads(result.read_text())


def write_reference(outcomes: dict[str, str], folders: list[str]) -> None:
    """Write anew the list of the tests in folders that passed: a line per class, `file::class: names`."""
    others = read_reference() - {*wanted(folders)} if REFERENCE.exists() else set()
    classes: dict[str, list[str]] = {}
    for test in sorted(others | {test for test, outcome in outcomes.items() if outcome == "passed"}):
        home, _, name = test.rpartition("::")
        classes.setdefault(home, []).append(name)
    REFERENCE.write_text("".join(f"{home}: {' '.join(names)}\n" for home, names in classes.items()))


def read_reference() -> set[str]:
    """The tests that Keras passes through the adapter."""
    lines = [line.split(": ", 1) for line in REFERENCE.read_text().splitlines()]
    return {f"{home}::{name}" for home, names in lines for name in names.split()}


def wanted(folders: list[str]) -> list[str]:
    """The tests in folders that Keras passes."""
    return sorted(t for t in read_reference() if any(t.startswith((f + "/", f + "::")) for f in folders))


def lacking(outcomes: dict[str, str], folders: list[str]) -> list[str]:
    """The tests that Keras passes and gpunet does not, with what became of them."""
    return [f"{test} {outcomes.get(test, 'not run')}" for test in wanted(folders) if outcomes.get(test) != "passed"]


def table(outcomes: dict[str, str], folders: list[str]) -> str:
    """gpunet's share of the tests that Keras passes, per file and in all."""
    counts: dict[str, list[int]] = {}
    for test in wanted(folders):
        file = test.partition("::")[0]
        for row in (counts.setdefault(file, [0, 0]), counts.setdefault("in all", [0, 0])):
            row[0] += outcomes.get(test) == "passed"
            row[1] += 1
    counts["in all"] = counts.pop("in all", [0, 0])
    return "\n".join(f"{file:75} {n:4} of {of:4}  {n / max(of, 1):4.0%}" for file, (n, of) in counts.items())
