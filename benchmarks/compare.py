"""`python -m benchmarks compare OLD NEW`: which times of two result files differ by more than their rounds did."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import results
from benchmarks.report import tables


class Change(NamedTuple):
    """A case of a section in both files, with new time ÷ old time and the least and most that the rounds allow."""

    section: str
    case: str
    variant: str
    old: float
    new: float
    ratio: results.Ratio

    @property
    def verdict(self) -> str:
        """ "slower" or "faster" where all rounds agree and the medians differ by a twentieth, else ""."""
        if self.ratio.low > 1 and self.ratio.median > 1.05:
            return "slower"
        return "faster" if self.ratio.high < 1 and self.ratio.median < 0.95 else ""


def changes(old: dict, new: dict) -> Iterator[Change]:
    """Of all rows that both files have, in the new one's order."""
    for name, section in new["sections"].items():
        before = results.cases(old["sections"].get(name, {}).get("rows", []))
        for case, by_variant in results.cases(section["rows"]).items():
            for variant, row in by_variant.items():
                theirs = before.get(case, {}).get(variant)
                if theirs is not None and row["unit"] == "s":
                    yield Change(name, case, variant, results.median(theirs), results.median(row), _ratio(theirs, row))


def _ratio(old: results.Row, new: results.Row) -> results.Ratio:
    """The rounds of two files did not alternate: the range is of every new one to every old one."""
    middle = results.median(new) / results.median(old)
    return results.Ratio(middle, min(new["values"]) / max(old["values"]), max(new["values"]) / min(old["values"]))


def main(*arguments: str) -> int:
    """Print a table of what changed; 1 if something of gpunet's own became slower."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument("old", type=Path, help="a bench.json")
    parser.add_argument("new", type=Path, help="another, of the same machine")
    parser.add_argument("--all", action="store_true", help="also what did not change")
    options = parser.parse_args(arguments)
    old, new = results.load(options.old), results.load(options.new)
    if old["machine"]["cpu"] != new["machine"]["cpu"]:
        print(f"Different machines: {old['machine']['cpu']} and {new['machine']['cpu']}.")
    found = list(changes(old, new))
    shown = [c for c in found if c.verdict or options.all]
    lines = [
        [
            f"{c.section}: {c.case}",
            tables.label(c.variant),
            *map(tables.duration, (c.old, c.new)),
            str(c.ratio),
            c.verdict,
        ]
        for c in shown
    ]
    columns = ["", "library", "old", "new", "new ÷ old (range)", ""]
    print(tables.markdown(tables.Table(columns, lines)) or "No change beyond the spread of the rounds.")
    print(f"\n{len(found)} rows in both files, {len(shown)} shown.")
    return int(any(c.verdict == "slower" and "gpunet" in c.variant for c in found))
