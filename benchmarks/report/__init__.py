"""The report of a result file: one self-contained HTML page, and Markdown tables for the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.report import html, tables


def section_text(found: dict[str, Any], name: str) -> str:
    """A section's tables, what is missing and what failed, as Markdown."""
    section = found["sections"][name]
    parts = [tables.markdown(table) for table in tables.of_section(found, name)]
    for word, reasons in (("Missing", section["missing"]), ("FAILED", section["failures"])):
        parts += ["\n".join(f"- {word}: {who}: {why}" for who, why in reasons.items())] if reasons else []
    return "\n\n".join([*parts, f"({section['seconds']} s)"])


def write(found: dict[str, Any], folder: Path) -> None:
    """Write `bench.md` and `bench.html`."""
    pages = [f"# {found['machine']['cpu']}\n\nBy `{found['command']}`, {found['date']}.\n"]
    summary = tables.summary(found)
    if summary.rows:
        pages.append(f"## In short\n\n{tables.markdown(summary)}\n")
    pages += [f"## {name}: {s['title']}\n\n{section_text(found, name)}\n" for name, s in found["sections"].items()]
    (folder / "bench.md").write_text("\n".join(pages))
    (folder / "bench.html").write_text(html.page(found))


def main(*arguments: str) -> int:
    """`python -m benchmarks report FILE`: write both beside the file, and print the summary."""
    if len(arguments) != 1:
        print("usage: python -m benchmarks report FILE")
        return 1
    path = Path(arguments[0])
    found = results.load(path)
    write(found, path.parent)
    print(tables.markdown(tables.summary(found)))
    return 0
