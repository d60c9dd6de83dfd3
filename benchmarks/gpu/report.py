"""Results as JSON and as a Markdown page."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "results"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown tables, a new one wherever the columns change."""
    lines: list[str] = []
    columns: list[str] = []
    for row in rows:
        if list(row) != columns:
            columns = list(row)
            lines += ["", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines.append("| " + " | ".join(_cell(row[c]).replace("|", "\\|") for c in columns) + " |")
    return "\n".join(lines).strip()


def section_text(found: dict[str, Any]) -> str:
    """A section's table, its failures and its time."""
    failures = "".join(f"- FAILED: {line}\n" for line in found["failures"])
    parts = [table(found["rows"]), failures.strip(), f"({found['seconds']} s)"]
    return "\n\n".join(part for part in parts if part)


def write(folder: Path, device: str, titles: dict[str, str], results: dict[str, Any]) -> Path:
    """Write `gpu.json` and `gpu.md` into the device's folder and return it; sections not run keep their results."""
    place = folder / (re.sub(r"\W+", "-", device).strip("-").lower() or "gpu")
    place.mkdir(parents=True, exist_ok=True)
    today = datetime.date.today().isoformat()
    before = json.loads((place / "gpu.json").read_text()) if (place / "gpu.json").exists() else {"sections": {}}
    sections = before["sections"]
    for name, found in results.items():
        sections[name] = {"title": titles[name], "date": today} | found
    _replace(place / "gpu.json", json.dumps({"device": device, "sections": sections}, indent=1) + "\n")
    pages = [f"# {device}\n\nBy `python -m benchmarks.gpu`.\n"]
    for name, found in sections.items():
        pages.append(f"## {name}: {found['title']}, {found['date']}\n\n{section_text(found)}\n")
    _replace(place / "gpu.md", "\n".join(pages))
    return place


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(path.suffix + ".new")
    beside.write_text(text)
    beside.replace(path)
