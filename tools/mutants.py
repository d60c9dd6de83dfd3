"""Mutants of CUDA sources: small changes that a test should notice, and what is known of those that none does."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_KNOWN = Path(__file__).with_name("known_mutants.toml")
_ONLY_GPU = re.compile(r"^#ifndef GPUNET_EMULATION$.*?^#endif$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^(?!\s*(//|\*))(?P<code>.*?)(?=//|$)")
# Lines without anything that runs.
_DECLARATIONS = ("typedef", "template", "struct", "static_assert", "#include", "#if", "#pragma", "#endif")
# What a mutation looks for in a line of code, and what it puts there. An index of capitals is an array's size.
OPERATORS: dict[str, list[tuple[str, str]]] = {
    "barrier dropped": [(r"__sync(threads|warp)\([^;]*\);", ";")],
    "index shifted": [(r"(?<=\w)\[(?=[^\[\]]*[a-z])(?P<i>[^\[\]]+)\]", r"[\g<i> + 1]")],
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

    def text(self, original: str) -> str:
        """The source with the change in it."""
        lines = original.splitlines()
        lines[self.line - 1] = self.after
        return "\n".join(lines) + "\n"


class Known(NamedTuple):
    """Why no test notices a mutant, and whether that is because it computes the same."""

    equivalent: bool
    reason: str


def known() -> dict[tuple[str, str], Known]:
    """By source and changed line, what known_mutants.toml says."""
    entries = tomllib.loads(_KNOWN.read_text(encoding="utf-8")).get("mutant", [])
    return {(e["file"], line): Known(e["equivalent"], e["reason"]) for e in entries for line in e["lines"]}


def mutants_of(file: Path) -> Iterator[Mutant]:
    """All mutants of what the emulation builds of a source."""
    text = _ONLY_GPU.sub(lambda found: "\n" * found[0].count("\n"), file.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), 1):
        match = _CODE.match(line)
        code = match["code"] if match else ""
        if not code.strip() or code.lstrip().startswith(_DECLARATIONS):
            continue
        for operator, changes in OPERATORS.items():
            for pattern, replacement in changes:
                for found in re.finditer(pattern, code):
                    after = code[: found.start()] + found.expand(replacement) + code[found.end() :]
                    yield Mutant(file.name, number, operator, line, after + line[len(code) :])


def sample(file: Path, per_operator: int, seed: int) -> list[Mutant]:
    """At most `per_operator` mutants of each kind, equivalent ones left out; always the same ones for a seed."""
    why = known()
    found = [m for m in mutants_of(file) if not why.get((m.file, m.after.strip()), Known(False, "")).equivalent]
    chosen: list[Mutant] = []
    for operator in OPERATORS:
        kind = [m for m in found if m.operator == operator]
        # The order of each mutant is its own, so that one more or less leaves the others where they are.
        kind.sort(key=lambda m: random.Random(f"{seed} {m.file} {m.before} {m.after}").random())
        chosen += kind[:per_operator]
    return chosen
