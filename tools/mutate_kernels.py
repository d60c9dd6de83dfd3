"""Break the CUDA kernels on purpose and see whether the tests notice: `python tools/mutate_kernels.py [file.cu ...]`.

Each mutant is one small change in one source: a barrier dropped, an index shifted, a bound lost, a stride forgotten, a
sum turned, a start value changed. The tests that name the source (`# kernels: pooling.cu`) run on it under the
emulation. A mutant is killed if a test fails, crashes or takes far longer; one that the compiler refuses does not
count. The survivors are printed with their lines, and `--report` writes the table that is committed.

Results are kept in build/mutants, and the next run goes on from there: a kill counts until the source changes, a
survivor is tried again once its tests have changed. Takes minutes to hours: it is not part of the tests.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest
from mutant_runner import ROOT, Outcome, Runner, digest_of, tests_of
from mutants import Known, Mutant, known, sample

KEPT = ROOT / "build" / "mutants"
KERNELS = ROOT / "cuda_kernels"
EMULATION = ROOT / "gpunet" / "testing" / "emulation"
Results = dict[str, list[tuple[Mutant, Outcome]]]


class Memory:
    """The outcomes of former runs, one JSON line each."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.entries = {entry["key"]: entry for entry in map(json.loads, lines)}

    def find(self, key: str, tests: str) -> Outcome | None:
        entry = self.entries.get(key)
        if entry is None or (entry["what"] == "survived" and entry["tests"] != tests):
            return None
        return Outcome(entry["what"], entry["by"])

    def keep(self, key: str, tests: str, outcome: Outcome) -> None:
        entry = {"key": key, "tests": tests, **outcome._asdict()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def try_source(runner: Runner, file: Path, mutants: list[Mutant], memory: Memory) -> list[tuple[Mutant, Outcome]]:
    """What became of each mutant of a source, in order."""
    paths, original = tests_of(file.name), file.read_text(encoding="utf-8")
    tests = digest_of([*paths, *sorted(EMULATION.iterdir())])
    results, ready = [], False
    for mutant in mutants:
        text = mutant.text(original)
        key = hashlib.sha256(f"{file.name}\0{text}".encode()).hexdigest()[:24]
        outcome = memory.find(key, tests)
        if outcome is None:
            if not ready and (failure := runner.baseline(paths)):
                sys.exit(f"the tests of {file.name} fail without a mutant: {failure}")
            ready = True
            outcome = _try(runner, file, text, paths)
            memory.keep(key, tests, outcome)
            print(f"{outcome.what:8} {file.name}:{mutant.line} {mutant.operator}: {mutant.after.strip()}", flush=True)
        results.append((mutant, outcome))
    return results


def _try(runner: Runner, file: Path, text: str, paths: list[Path]) -> Outcome:
    """What becomes of one mutant, whose builds are thrown away."""
    folder = KEPT / "gpunet" / "emulation"
    before = set(folder.iterdir())
    try:
        return runner.outcome(file.name, text, paths)
    finally:
        for path in set(folder.iterdir()) - before:
            if path.suffix == ".so":
                path.unlink()


def table(results: Results) -> str:
    """A Markdown table of kill rates, and the survivors with what is known of them."""
    lines = ["| source | mutants | killed | rate | left out as equivalent |", "|---|---|---|---|---|"]
    why = known()
    total = [0, 0, 0]
    for file, found in results.items():
        counted = [outcome.what for _, outcome in found if outcome.what != "no build"]
        row = [len(counted), counted.count("killed"), sum(k.equivalent for (f, _), k in why.items() if f == file)]
        total = [a + b for a, b in zip(total, row)]
        lines.append(_row(file, row))
    lines.append(_row("all", total))
    survivors = [mutant for found in results.values() for mutant, outcome in found if outcome.what == "survived"]
    lines += ["", "## Survivors", "", *(_survivor(m, why) for m in survivors or [])]
    lines += [] if survivors else ["None."]
    equivalent = [f"- {file} `{line}`: {k.reason}" for (file, line), k in why.items() if k.equivalent]
    return "\n".join([*lines, "", "## Left out: they compute the same", "", *(equivalent or ["None."])])


def _row(name: str, counts: list[int]) -> str:
    mutants, killed, equivalent = counts
    rate = f"{100 * killed // mutants} %" if mutants else "–"  # rounded down: 100 % is all
    return f"| {name} | {mutants} | {killed} | {rate} | {equivalent} |"


def _survivor(mutant: Mutant, why: dict[tuple[str, str], Known]) -> str:
    line = mutant.after.strip()
    reason = why[mutant.file, line].reason if (mutant.file, line) in why else "not yet looked at"
    return f"- {mutant.file}:{mutant.line} {mutant.operator} `{line}`: {reason}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="sources and headers in cuda_kernels/ (default: all)")
    parser.add_argument("--per-operator", type=int, default=3, help="mutants of each kind for a source")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="write the table to this file")
    options = parser.parse_args()
    names = options.files or sorted(p.name for p in KERNELS.glob("*.cu*"))
    options.files = [KERNELS / name for name in names]
    for file in options.files:
        if not tests_of(file.name):
            parser.error(f"no test in tests/cuda names {file.name} in a line `# kernels: …`")
    return options


def main() -> None:
    options = _options()
    os.environ["XDG_CACHE_HOME"] = str(KEPT)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))
    memory, results = Memory(KEPT / "outcomes.jsonl"), Results()

    def work(runner: Runner) -> None:
        for file in options.files:
            mutants = sample(file, options.per_operator, options.seed)
            results[file.name] = try_source(runner, file, mutants, memory)

    paths = sorted({str(path) for file in options.files for path in tests_of(file.name)})
    pytest.main(["-qq", "-s", "--no-summary", "-p", "no:cacheprovider", *paths], plugins=[Runner(work)])
    text = table(results)
    print(f"\n{text}")
    if options.report:
        command = " ".join(["python tools/mutate_kernels.py", *sys.argv[1:]])
        head = f"# Mutants of the CUDA kernels\n\nBy `{command}` on {datetime.date.today()}.\n"
        options.report.write_text(f"{head}\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
