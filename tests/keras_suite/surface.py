"""`python -m tests.keras_suite.surface`: Keras's public names and arguments that gpunet does not have.

Names are those that `dir` finds in Keras's public modules. An argument is there if a call that works with Keras works
here too: Keras's parameters come first, in the same order and with the same defaults, or a `**kwargs` takes them.
What is knowingly absent or different stands in `surface.txt`, with the reason.
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KNOWN = Path(__file__).with_name("surface.txt")
_MISSING = object()
_HIDDEN = ("keras.src", "keras._tf_keras", "keras.legacy")


def public_names(root: types.ModuleType, place: str = "") -> Iterator[tuple[str, Any]]:
    """`("layers.Dense", the class)` and so on, of all modules below `root`."""
    for name in sorted(n for n in dir(root) if not n.startswith("_")):
        value = getattr(root, name)
        full = f"{place}.{name}" if place else name
        if not isinstance(value, types.ModuleType):
            yield full, value
        elif value.__name__.startswith("keras.") and not value.__name__.startswith(_HIDDEN):
            yield from public_names(value, full)


def found_in(library: str, name: str) -> Any:
    """The object of that name, or `_MISSING`; modules are imported as a script would import them."""
    value: Any = importlib.import_module(library)
    for i, part in enumerate(parts := name.split(".")):
        value = getattr(value, part, _MISSING)
        if value is _MISSING:
            try:
                value = importlib.import_module(".".join((library, *parts[: i + 1])))
            except ImportError:
                return _MISSING
    return value


def difference(theirs: Any, ours: Any) -> str | None:
    """What calls of Keras's function or class would meet in ours, in words."""
    wanted, given = _parameters(theirs), _parameters(ours)
    if wanted is None or given is None:
        return None
    takes_rest = any(p.kind is p.VAR_KEYWORD for p in given)
    named = {p.name: p for p in given}
    order = [p.name for p in given if p.kind is not p.KEYWORD_ONLY]
    for place, p in enumerate(p for p in wanted if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)):
        own = named.get(p.name)
        if own is None and not (takes_rest and p.default is not p.empty):
            return f"no argument {p.name}"
        if own is not None and p.kind is p.POSITIONAL_OR_KEYWORD and order[place : place + 1] != [p.name]:
            return f"another place of {p.name}"
        if own is not None and not _same_default(p, own):
            return f"{p.name}={own.default!r} instead of {p.default!r}"
    if any(p.kind is p.VAR_POSITIONAL for p in wanted) and not any(p.kind is p.VAR_POSITIONAL for p in given):
        return "no *args" if len(given) < 2 else None
    return None


def _parameters(value: Any) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(value).parameters.values()) if callable(value) else None
    except (TypeError, ValueError):
        return None


def _same_default(theirs: inspect.Parameter, ours: inspect.Parameter) -> bool:
    if theirs.default is theirs.empty or (theirs.name == "name" and ours.default is None):
        return True  # more than Keras takes; the class's own name, which `tests/golden` compares
    return _plain(theirs.default) == _plain(ours.default)


def _plain(value: Any) -> Any:
    """`2` for `(2, 2)`, names without capitals."""
    while isinstance(value, tuple) and value and all(item == value[0] for item in value):
        value = value[0]
    return value.lower() if isinstance(value, str) else value


def compare(library: str = "gpunet") -> dict[str, str]:
    """What is wrong with each public name of Keras, by name."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    found: dict[str, str] = {}
    for name, theirs in public_names(importlib.import_module("keras")):
        ours = found_in(library, name)
        problem = "absent" if ours is _MISSING else difference(theirs, ours)
        if problem:
            found[name] = problem
    return found


def known() -> dict[str, str]:
    """Patterns of names with the reason why they are absent or differ."""
    reasons: dict[str, str] = {}
    reason = ""
    for line in KNOWN.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith(" "):
            reasons.update(dict.fromkeys(line.split(), reason))
        else:
            reason = line.strip()
    return reasons


def unexplained(found: dict[str, str]) -> dict[str, str]:
    """Those of `compare` that no pattern covers."""
    patterns = known()
    return {n: p for n, p in found.items() if not any(fnmatch.fnmatchcase(n, pattern) for pattern in patterns)}


if __name__ == "__main__":
    problems = compare()
    print(*(f"{name}: {problem}" for name, problem in sorted(problems.items())), sep="\n")
    absent = sum(problem == "absent" for problem in problems.values())
    print(f"{absent} names absent, {len(problems) - absent} with other arguments")
    print("without a reason in surface.txt:", *sorted(unexplained(problems)))
