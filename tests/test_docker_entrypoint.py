"""The entry point of the containers, run with stand-ins that print how they were called."""

import os
import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).resolve().parents[1] / "docker" / "entrypoint.sh"
PROJECT = ENTRYPOINT.parents[1]


@pytest.fixture
def call(tmp_path):
    """Run the entry point in an unrelated folder; return the program's name and arguments, and its folder."""
    for name in ("python", "gpunet", "other"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nfor word in {name} "$@"; do echo "$word"; done\npwd -P\n')
        program.chmod(0o755)

    def run(*arguments):
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [ENTRYPOINT, *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        *words, folder = result.stdout.splitlines()
        return words, Path(folder)

    return run


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ["gpunet", "demo"]),
        (("demo", "--epochs", "2"), ["gpunet", "demo", "--epochs", "2"]),
        (("devices",), ["gpunet", "devices"]),
        (("other", "two words"), ["other", "two words"]),
    ],
)
def test_programs_run_where_the_container_stands(call, tmp_path, arguments, expected):
    assert call(*arguments) == (expected, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("test",), ["python", "-m", "pytest"]),
        (("test", "-k", "a or b"), ["python", "-m", "pytest", "-k", "a or b"]),
        (("bench", "conv"), ["python", "-m", "benchmarks", "conv"]),
    ],
)
def test_tests_and_benchmarks_run_in_the_project(call, arguments, expected):
    assert call(*arguments) == (expected, PROJECT)
