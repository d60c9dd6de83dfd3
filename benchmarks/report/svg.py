"""Plots as SVG text: bars with the range of their rounds, and lines over two logarithmic axes.

Colours of bars, texts and grids are variables of the page, which has light and dark ones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable
from html import escape
from typing import NamedTuple

_OURS = ("#0f8a63", "#6bbf9f", "#3aa17e")
_THEIRS = ("#d1495b", "#3f7fd0", "#9a6bb8", "#d18b1c", "#888888")
_WIDTH = 760


class Bar(NamedTuple):
    """A bar's label, value and range, what stands at its end, and whether it is one of ours."""

    label: str
    value: float
    low: float
    high: float
    text: str
    ours: bool


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'


def _figure(height: float, parts: Iterable[str], title: str) -> str:
    head = f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
    return "\n".join([head, _text(0, 14, title, size=14), *parts, "</svg>"])


def bars(title: str, entries: list[Bar], reference: float | None = None) -> str:
    """Horizontal bars from 0, the range of the rounds as a thin line, a dashed line at `reference`.

    Bars far beyond the others are cut, so that the others can be seen; the text at their end says how long they are.
    """
    left, right, step = 20 + 6.5 * max(len(entry.label) for entry in entries), 110, 22
    ordered = sorted(entry.value for entry in entries)
    limit = min(ordered[-1], 4 * ordered[len(ordered) // 2]) * 1.05
    if reference is not None and reference < 4 * limit:
        limit = max(limit, 1.05 * reference)
    scale = (_WIDTH - left - right) / limit
    parts = []
    for i, bar in enumerate(entries):
        y, cut = 26 + i * step, bar.value > limit
        width = min(bar.value, limit) * scale
        colour = "var(--ours)" if bar.ours else "var(--theirs)"
        parts.append(_text(left - 8, y + 12, bar.label, "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="16" style="fill: {colour}"/>')
        low, high = (left + min(v, limit) * scale for v in (bar.low, bar.high))
        parts.append(_line(low, high, y + 8, y + 8, "ink", 'stroke-width="1.5"'))
        parts.append(_text(max(left + width, high) + 6, y + 12, bar.text + (" →" if cut else "")))
    if reference is not None and reference <= limit:
        x, bottom = left + reference * scale, 26 + len(entries) * step
        parts.append(_line(x, x, 22, bottom, "ink", 'stroke-dasharray="4 3"'))
    return _figure(32 + len(entries) * step, parts, title)


def lines(
    title: str, x_name: str, series: dict[str, list[tuple[float, float]]], ours: Collection[str] = (), unit: str = "ms"
) -> str:
    """Lines over logarithmic axes, those named in `ours` thick and green; the legend stands on the right."""
    left, right, top, bottom, height = 64, 300, 30, 44, 300
    points = [p for line in series.values() for p in line]
    axes = [_Axis([p[0] for p in points], left, _WIDTH - right), _Axis([p[1] for p in points], height - bottom, top)]
    parts = []
    for value in axes[0].ticks():
        x = axes[0].place(value)
        parts += [_line(x, x, top, height - bottom, "grid"), _text(x, height - bottom + 16, f"{value:g}", "middle", 11)]
    for value in axes[1].ticks():
        y = axes[1].place(value)
        parts += [_line(left, _WIDTH - right, y, y, "grid"), _text(left - 6, y + 4, f"{value:g}", "end", 11)]
    greens, others = itertools.cycle(_OURS), itertools.cycle(_THEIRS)
    for i, (name, line) in enumerate(series.items()):
        colour, thick = (next(greens), 3) if name in ours else (next(others), 1.5)
        places = [(axes[0].place(x), axes[1].place(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        y = top + 12 + 18 * i
        parts.append(f'<rect x="{_WIDTH - right + 16}" y="{y - 9}" width="12" height="10" fill="{colour}"/>')
        parts.append(_text(_WIDTH - right + 34, y, name))
    parts += [_text((left + _WIDTH - right) / 2, height - 8, x_name, "middle"), _text(8, top + 4, unit, size=11)]
    return _figure(height, parts, title)


def _line(x1: float, x2: float, y1: float, y2: float, colour: str, how: str = "") -> str:
    ends = f'x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} style="stroke: var(--{colour})" {how}/>'


class _Axis:
    """A logarithmic axis from pixel `start` to pixel `stop`."""

    def __init__(self, values: list[float], start: float, stop: float):
        self.low, self.high = math.log(min(values)), math.log(max(values))
        margin = max(0.05 * (self.high - self.low), 0.1)
        self.low, self.high = self.low - margin, self.high + margin
        self.start, self.stop = start, stop

    def place(self, value: float) -> float:
        """The pixel of a value."""
        share = (math.log(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """1, 2, 5 × powers of ten; only the powers where there would be many."""
        first, last = (math.floor(x / math.log(10)) for x in (self.low, self.high))
        candidates = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
        inside = [v for v in candidates if self.low <= math.log(v) <= self.high]
        powers = [v for v in inside if math.log10(v).is_integer()]
        return powers if len(inside) > 9 and len(powers) > 1 else inside
