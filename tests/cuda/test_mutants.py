"""The list of mutants that no test notices stays true of the sources, and every source has tests that name it."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path.name for path in (ROOT / "cuda_kernels").glob("*.cu*"))


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_known_mutants_are_mutants(mutants):
    for file, line in mutants.known():
        assert line in {m.after.strip() for m in mutants.mutants_of(ROOT / "cuda_kernels" / file)}, (file, line)


def test_each_operator_changes_one_line_of_a_source(mutants):
    original = (ROOT / "cuda_kernels" / "sort.cu").read_text(encoding="utf-8")
    chosen = mutants.sample(ROOT / "cuda_kernels" / "sort.cu", 1, 0)
    assert [m.operator for m in chosen] == list(mutants.OPERATORS)
    for mutant in chosen:
        before, after = original.splitlines(), mutant.text(original).splitlines()
        assert [i + 1 for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [mutant.line]


def test_every_source_is_named_by_a_test():
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    named = {
        name for text in texts for line in re.findall(r"^# kernels: (.+)$", text, re.MULTILINE) for name in line.split()
    }
    assert named == set(SOURCES)
