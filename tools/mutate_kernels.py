"""Break the CUDA kernels on purpose and see whether the tests notice: `python tools/mutate_kernels.py [file.cu ...]`.

Each mutant is one small change in one source: a barrier dropped, an index shifted, a bound lost, a stride forgotten, a
sum turned, a start value changed. The tests of that source run on a copy of the tree with the mutant in it, under the
emulation. A mutant is killed if a test fails or takes far longer; one that the compiler refuses does not count. The
survivors are printed with their lines, and `--report` writes the table that is committed.

Takes minutes: it is not part of the tests.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 300  # for the tests without a mutant; with one, four times as long as without
_CODE = re.compile(r"^(?!\s*(//|#|\*))(?P<code>.*?)(?=//|$)")
# What a mutation looks for in a line of code, and what it puts there.
OPERATORS: dict[str, list[tuple[str, str]]] = {
    "barrier dropped": [(r"__sync(threads|warp)\([^;]*\);", ";")],
    "index shifted": [(r"\[(?!\d+\])(?P<i>[^\[\]]+)\]", r"[\g<i> + 1]")],
    "bound moved": [(r" < ", " <= "), (r" <= ", " < "), (r" >= ", " > "), (r" > ", " >= ")],
    "condition lost": [(r"\bif \((?P<c>[^;{]+)\) (?=\w)", "if (true) "), (r" && ", " || ")],
    "factor forgotten": [(r" \* [\w.]+(\[\w+\])?(?=[\s;,)\]+-])", ""), (r"\b[\w.]+(\[\w+\])? \* (?=[\w(])", "")],
    "sum turned": [(r" \+ (?![+=])", " - "), (r" - (?![-=])", " + "), (r" \+= ", " -= ")],
    "start changed": [(r"(?<![=!<>]) = 0;", " = 1;"), (r"\(0\)", "(1)")],
}


class Mutant(NamedTuple):
    """One change: the source, the line's number from 1, the operator, and the line before and after."""

    file: str
    line: int
    operator: str
    before: str
    after: str


def mutants_of(file: Path) -> Iterator[Mutant]:
    """All mutants of a source."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        match = _CODE.match(line)
        code = match["code"] if match else ""
        if not code.strip() or code.lstrip().startswith(("typedef", "template", "struct")):
            continue
        for operator, changes in OPERATORS.items():
            for pattern, replacement in changes:
                for found in re.finditer(pattern, code):
                    after = code[: found.start()] + found.expand(replacement) + code[found.end() :]
                    yield Mutant(file.name, number, operator, line, after + line[len(code) :])


def sample(file: Path, per_operator: int, seed: int) -> list[Mutant]:
    """At most `per_operator` mutants of each kind, always the same ones for a seed."""
    found = list(mutants_of(file))
    chosen: list[Mutant] = []
    for operator in OPERATORS:
        kind = [m for m in found if m.operator == operator]
        random.Random(f"{seed} {file.name} {operator}").shuffle(kind)
        chosen += kind[:per_operator]
    return chosen


def tests_of(file: str) -> list[str]:
    """The test files that name a source in their first lines: `# kernels: pooling.cu`."""
    found = []
    for path in sorted((ROOT / "tests" / "cuda").glob("test_*.py")):
        names = re.search(r"^# kernels: (.+)$", path.read_text(), re.MULTILINE)
        if names and file in names[1].split():
            found.append(f"tests/cuda/{path.name}")
    return found


def run_tests(tree: Path, tests: list[str], seconds: float = SECONDS) -> str:
    """ "passed", "failed" or "no build" for the tests on a tree."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=seconds, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        return "failed"
    if "could not build a kernel" in done.stdout:
        return "no build"
    return "passed" if done.returncode == 0 else "failed"


def copy_tree(folder: Path) -> Path:
    """What the tests need, in `folder`."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for name in ("gpunet", "cuda_kernels", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def try_mutants(
    tree: Path, file: Path, mutants: list[Mutant], tests: list[str], seconds: float
) -> list[tuple[Mutant, str]]:
    """What became of each mutant, in order."""
    target = tree / "cuda_kernels" / file.name
    original = file.read_text()
    results = []
    for mutant in mutants:
        lines = original.splitlines()
        lines[mutant.line - 1] = mutant.after
        target.write_text("\n".join(lines) + "\n")
        outcome = run_tests(tree, tests, seconds)
        results.append((mutant, outcome))
        print(f"{outcome:8} {mutant.file}:{mutant.line} {mutant.operator}: {mutant.after.strip()}", flush=True)
    target.write_text(original)
    return results


def table(results: dict[str, list[tuple[Mutant, str]]]) -> str:
    """A Markdown table of kill rates, and the survivors."""
    lines = ["| source | mutants | killed | rate |", "|---|---|---|---|"]
    survivors: list[str] = []
    total = [0, 0]
    for file, found in results.items():
        counted = [(m, outcome) for m, outcome in found if outcome != "no build"]
        killed = sum(outcome == "failed" for _, outcome in counted)
        total = [total[0] + len(counted), total[1] + killed]
        lines.append(f"| {file} | {len(counted)} | {killed} | {_rate(killed, len(counted))} |")
        survivors += [f"- {file}:{m.line} {m.operator}: `{m.after.strip()}`" for m, o in counted if o == "passed"]
    lines.append(f"| all | {total[0]} | {total[1]} | {_rate(total[1], total[0])} |")
    return "\n".join([*lines, "", "Survivors:", "", *(survivors or ["none"])])


def _rate(killed: int, count: int) -> str:
    return f"{100 * killed / count:.0f} %" if count else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="sources and headers in cuda_kernels/ (default: all)")
    parser.add_argument("--per-operator", type=int, default=3, help="mutants of each kind for a source")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="write the table to this file")
    options = parser.parse_args()
    folder = ROOT / "cuda_kernels"
    files = [folder / name for name in options.files] or sorted([*folder.glob("*.cu"), *folder.glob("*.cuh")])
    results: dict[str, list[tuple[Mutant, str]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_tree(Path(scratch))
        for file in files:
            tests = tests_of(file.name)
            if not tests:
                sys.exit(f"no test in tests/cuda names {file.name} in a line `# kernels: …`")
            start = time.perf_counter()
            if run_tests(tree, tests) != "passed":
                sys.exit(f"the tests of {file.name} fail without a mutant: {' '.join(tests)}")
            seconds = 30 + 4 * (time.perf_counter() - start)
            mutants = sample(file, options.per_operator, options.seed)
            results[file.name] = try_mutants(tree, file, mutants, tests, seconds)
    text = table(results)
    print(f"\n{text}")
    if options.report:
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        options.report.write_text(f"# Mutants of the CUDA kernels\n\nBy `python tools/{command}`.\n\n{text}\n")


if __name__ == "__main__":
    main()
