"""Tables of figures, from rows of results: what stands in the report, on the terminal and in the README."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks import results
from benchmarks.peers import VARIANTS
from benchmarks.results import Row

_UNITS = (("s", 1.0), ("ms", 1e3), ("µs", 1e6))
# Columns of ratios in the summary: a title, and the variants of which the first that was measured counts.
_SUMMARY = (
    ("recorded", ("gpunet-recorded",)),
    ("fit", ("gpunet",)),
    ("NumPy only", ("gpunet-numpy", "gpunet-numpy-recorded")),
    ("torch.compile", ("torch-compile",)),
    ("JAX jit", ("jax",)),
    ("Keras on JAX", ("keras",)),
)


class Table(NamedTuple):
    """Column names and rows of text."""

    columns: list[str]
    rows: list[list[str]]


def markdown(table: Table) -> str:
    """As Markdown."""
    if not table.rows:
        return ""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def label(key: str) -> str:
    """A variant's name."""
    return VARIANTS[key].name if key in VARIANTS else key


def duration(seconds: float) -> str:
    """Seconds with a unit that leaves three digits."""
    unit, factor = next((u for u in _UNITS if abs(seconds) * u[1] >= 1), _UNITS[-1])
    return f"{seconds * factor:.3g} {unit}"


def size(nbytes: float) -> str:
    """Bytes in MiB."""
    return f"{nbytes / 2**20:,.1f} MiB"


def of_section(found: dict[str, Any], name: str) -> list[Table]:
    """The tables of one section."""
    rows = found["sections"][name]["rows"]
    make: Callable[..., list[Table]] = {
        "limits": _limits,
        "footprint": _footprint,
        "scaling": _scaling,
        "overhead": _overhead,
    }.get(name, _comparisons)
    return [table for table in make(found, rows) if table.rows]


def summary(found: dict[str, Any]) -> Table:
    """Networks at their batch: gpunet's time and its ratio to PyTorch's best eager, and that of others to it."""
    every = results.cases(found["sections"].get("steps", {}).get("rows", []))
    lines = []
    for case, ours, theirs in headline(found):
        line = [case, duration(results.median(ours)), duration(results.median(theirs))]
        for _, keys in _SUMMARY:
            row = next((every[case][key] for key in keys if key in every[case]), None)
            line.append("–" if row is None else str(results.ratio(row, theirs)))
        line.append(_memory_ratio(ours, theirs))
        lines.append(line)
    ratios = [title for title, _ in _SUMMARY]
    columns = ["", "gpunet[cpu]", "PyTorch eager, best malloc", *ratios, "peak memory, of PyTorch's"]
    return _without_empty(Table(columns, lines))


def headline(found: dict[str, Any]) -> Iterator[tuple[str, Row, Row]]:
    """Cases of `steps` at a network's own batch or at 1, with the row of ours in `fit`, or recorded, and PyTorch's."""
    for case, by_variant in results.cases(found["sections"].get("steps", {}).get("rows", [])).items():
        theirs = results.best_torch(by_variant)
        ours = by_variant.get("gpunet") or by_variant.get("gpunet-recorded")
        if theirs is not None and ours is not None:
            yield case, ours, theirs


def _memory_ratio(ours: Row, theirs: Row) -> str:
    if not (ours.get("peak_bytes") and theirs.get("peak_bytes")):
        return "–"
    return f"{ours['peak_bytes'] / theirs['peak_bytes']:.2f}"


def _comparisons(found: dict[str, Any], rows: list[Row]) -> list[Table]:
    """A line per case and variant: time, ratio to PyTorch's best with its spread, ratio to the floor, memory."""
    rate = results.sgemm_rate(found)
    lines = []
    for case, by_variant in results.cases(rows).items():
        theirs = results.best_torch(by_variant) or by_variant.get("torch-gpu")
        for key, row in sorted(by_variant.items(), key=lambda item: results.median(item[1])):
            seconds = results.median(row)
            against = str(results.ratio(row, theirs)) if theirs is not None else "–"
            floor = f"{seconds * rate / row['flops']:.2f}" if rate and "flops" in row else "–"
            memory = size(row["peak_bytes"]) if "peak_bytes" in row else "–"
            lines.append([case, label(key), duration(seconds), against, floor, memory])
            case = ""
    columns = ["", "library", "time", "ratio to PyTorch (range)", "× floor", "peak memory above baseline"]
    return [_without_empty(Table(columns, lines))]


def _without_empty(table: Table) -> Table:
    """Without columns that say nothing."""
    keep = [i for i in range(len(table.columns)) if i < 3 or any(row[i] != "–" for row in table.rows)]
    return Table([table.columns[i] for i in keep], [[row[i] for i in keep] for row in table.rows])


def _limits(found: dict[str, Any], rows: list[Row]) -> list[Table]:
    lines = []
    for row in rows:
        seconds = results.median(row)
        work, unit = (row["flops"], "GFLOP/s") if "flops" in row else (row["nbytes"], "GB/s")
        rates = [work / value / 1e9 for value in row["values"]]
        spread = f"{min(rates):.1f} – {max(rates):.1f}"
        lines.append([row["case"], label(row["variant"]), f"{work / seconds / 1e9:.1f} {unit}", spread])
    return [Table(["", "library", "rate", "range"], lines)]


def _overhead(found: dict[str, Any], rows: list[Row]) -> list[Table]:
    tables = _comparisons(found, rows)
    tiny = next((c for c in results.cases(rows).values() if any(r.get("group") == "fit" for r in c.values())), {})
    lines = []
    for whole, bare in (("gpunet", "gpunet-recorded"), ("gpunet-numpy", "gpunet-numpy-recorded")):
        if whole in tiny and bare in tiny:
            added = sorted(a - b for a, b in zip(tiny[whole]["values"], tiny[bare]["values"]))
            middle = added[len(added) // 2]
            spread = f"{added[0] * 1e6:.1f} – {added[-1] * 1e6:.1f}"
            lines.append([label(whole), f"{middle * 1e6:.1f} µs", spread])
    return [*tables, Table(["`fit` adds to a recorded step", "median", "range, µs"], lines)]


def growth(rows: list[Row]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """dimension → variant → points (x, seconds)."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        points = found.setdefault(row["group"], {}).setdefault(row["variant"], [])
        points.append((row["x"], results.median(row)))
    return found


def _scaling(found: dict[str, Any], rows: list[Row]) -> list[Table]:
    """Per dimension: a column per x and the slope of log time over log x, of all points and of the upper half."""
    tables = []
    for dimension, by_variant in growth(rows).items():
        words = next(row["of"] for row in rows if row["group"] == dimension)
        xs = sorted({x for points in by_variant.values() for x, _ in points})
        lines = []
        for key, points in by_variant.items():
            times = dict(points)
            cells = [duration(times[x]) if x in times else "–" for x in xs]
            lines.append([label(key), *cells, *(_slope(p) for p in (points, points[-max(2, len(points) // 2) :]))])
        columns = [f"{words}: {dimension}", *(f"{x:g}" for x in xs), "slope", "slope, upper half"]
        tables.append(Table(columns, lines))
    return tables


def _slope(points: list[tuple[float, float]]) -> str:
    found = results.slope(points)
    return "–" if found is None else f"{found:.2f}"


def _footprint(found: dict[str, Any], rows: list[Row]) -> list[Table]:
    imports = [r for r in rows if r["group"] == "import"]
    base = next((results.median(r) for r in imports if r["variant"] == "numpy"), None)
    lines = [
        [r["variant"], duration(results.median(r)), f"{results.median(r) / base:.2f}" if base else "–"] for r in imports
    ]
    tables = [Table(["import, after `import numpy`", "CPU time", "of `import numpy`"], lines)]
    sizes = [r for r in rows if r["group"] == "size"]
    lines = [[r["variant"], size(r["values"][0]), str(r["packages"])] for r in sizes]
    tables.append(Table(["installed with dependencies", "size", "packages"], lines))
    lines = [
        [r["case"], label(r["variant"]), duration(r["values"][0]), duration(r["import_s"]), _peak(r)]
        for r in rows
        if r["group"] == "first step"
    ]
    tables.append(Table(["first step", "library", "first step", "import", "peak memory above baseline"], lines))
    return tables


def _peak(row: Row) -> str:
    return size(row["peak_bytes"]) if "peak_bytes" in row else "–"
