"""The HTML page: text, tables and plots in one file that loads nothing."""

from __future__ import annotations

from html import escape
from typing import Any

from benchmarks import results
from benchmarks.peers import VARIANTS
from benchmarks.report import svg, tables
from benchmarks.results import Row

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #59636e; --grid: #dfe3e8; --ours: #0f8a63;
  --theirs: #9aa5b1; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --paper: #15181b; --faint: #9aa5b1; --grid: #30363d;
  --ours: #2fae84; --theirs: #5f6b77; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--grid); padding-bottom: .3rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; font-variant-numeric: tabular-nums; }
td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--grid); text-align: right; vertical-align: top; }
td { white-space: nowrap; }
td:first-child, th:first-child { text-align: left; } .wide { overflow-x: auto; }
svg { display: block; width: 100%; max-width: 760px; margin: 1.2rem 0; font-family: inherit; }
svg text { fill: var(--ink); }
.note { color: var(--faint); } .failed { color: var(--bad); } .ours { color: var(--ours); }
details summary { cursor: pointer; color: var(--faint); }
"""
_INTRODUCTION = """
Each library runs in a process of its own; the processes take turns. Times are medians over the rounds of the medians
within a turn; a thin line is the range over rounds. A ratio is the median of the rounds' ratios, with their range.
PyTorch is the faster of its default and a tuned malloc, eager, with a fused Adam and channels_last images. The floor, a
dashed line in plots of times, is FLOPs ÷ the best measured rate of float32 matrix products.
"""


_ABOUT_BARS = """<p>Shorter is faster. <span class="ours">Green is gpunet</span>, grey are the others.</p>"""


def page(found: dict[str, Any]) -> str:
    """The whole report."""
    machine = found["machine"]
    facts = {k: v for k, v in machine.items() if k != "versions"} | machine["versions"]
    described = ", ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in facts.items())
    body = [f"<h1>gpunet benchmarks: {escape(machine['cpu'])}</h1>"]
    body += [f"<p><code>{escape(found['command'])}</code>, {escape(found['date'])}</p>"]
    body += [f'<p class="note">{described}</p>']
    if machine["load_before"] > 0.5:
        body.append(f'<p class="failed">The machine was busy: its load was {machine["load_before"]} at the start.</p>')
    summary = tables.summary(found)
    if summary.rows:
        body += ["<h2>In short</h2>", _ABOUT_BARS, *_overview(found), _table(summary)]
    body += ["<h2>How it is measured</h2>", f"<p>{_INTRODUCTION.strip()}</p>"]
    for name in found["sections"]:
        body += _section(found, name)
    head = f'<meta charset="utf-8"><title>gpunet benchmarks</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _overview(found: dict[str, Any]) -> list[str]:
    """Each network's time of ours against PyTorch's."""
    entries = []
    for case, ours, theirs in tables.headline(found):
        r = results.ratio(ours, theirs)
        entries.append(svg.Bar(case, r.median, r.low, r.high, f"{r.median:.2f}", True))
    title = "gpunet[cpu]: time ÷ that of PyTorch, eager, at its best (dashed: as fast as PyTorch)"
    return [svg.bars(title, entries, 1.0)] if entries else []


def _section(found: dict[str, Any], name: str) -> list[str]:
    section = found["sections"][name]
    parts = [f'<h2 id="{name}">{escape(name)}: {escape(section["title"].replace("`", ""))}</h2>']
    parts += [f'<p class="note">{escape(section["date"])}, {section["seconds"]} s</p>']
    for word, style in (("missing", "note"), ("failures", "failed")):
        for who, why in section[word].items():
            parts.append(f'<p class="{style}">{word}: {escape(who)}: {escape(why)}</p>')
    plots = _plots(found, name)
    written = [_table(table) for table in tables.of_section(found, name)]
    if plots and written:
        written = ["<details><summary>figures</summary>", *written, "</details>"]
    return [*parts, *plots, *written]


def _table(table: tables.Table) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell).replace('`', '')}</{tag}>" for cell in cells) + "</tr>"

    rows = "\n".join(line(row, "td") for row in table.rows)
    return f'<div class="wide"><table><thead>{line(table.columns, "th")}</thead><tbody>{rows}</tbody></table></div>'


def _plots(found: dict[str, Any], name: str) -> list[str]:
    rows = found["sections"][name]["rows"]
    if name == "scaling":
        return [
            svg.lines(
                f"training step over {dimension}: {next(r['of'] for r in rows if r['group'] == dimension)}",
                dimension,
                {_with_slope(key, points): [(x, y * 1e3) for x, y in points] for key, points in by_variant.items()},
                [_with_slope(key, points) for key, points in by_variant.items() if _ours(key)],
            )
            for dimension, by_variant in tables.growth(rows).items()
        ]
    if name == "ops":
        return _op_ratios(rows)
    if name in ("steps", "convnet", "devices", "overhead"):
        rate = results.sgemm_rate(found)
        return [_bars(case, by_variant, rate) for case, by_variant in results.cases(rows).items()]
    return []


def _with_slope(key: str, points: list[tuple[float, float]]) -> str:
    slope = results.slope(points)
    return tables.label(key) + ("" if slope is None else f", slope {slope:.2f}")


def _bars(case: str, by_variant: dict[str, Row], rate: float | None) -> str:
    ordered = sorted(by_variant.items(), key=lambda item: results.median(item[1]))
    entries = []
    for key, row in ordered:
        values, seconds = row["values"], results.median(row)
        entries.append(
            svg.Bar(tables.label(key), seconds, min(values), max(values), tables.duration(seconds), _ours(key))
        )
    flops = ordered[0][1].get("flops")
    return svg.bars(case, entries, flops / rate if flops and rate else None)


def _op_ratios(rows: list[Row]) -> list[str]:
    """One plot per variant of ours: each op's ratio to PyTorch's best."""
    plots = []
    for key in ("gpunet-eager", "gpunet-numpy-eager"):
        entries = []
        for case, by_variant in results.cases(rows).items():
            theirs = results.best_torch(by_variant)
            if theirs is not None and key in by_variant:
                r = results.ratio(by_variant[key], theirs)
                entries.append(svg.Bar(case, r.median, r.low, r.high, f"{r.median:.2f}", True))
        if entries:
            plots.append(svg.bars(f"{tables.label(key)}: time ÷ PyTorch's best (dashed: equal)", entries, 1.0))
    return plots


def _ours(key: str) -> bool:
    return key in VARIANTS and VARIANTS[key].ours
