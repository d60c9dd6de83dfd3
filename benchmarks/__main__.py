"""`python -m benchmarks [section ...]`: measure, and write JSON and a report to `benchmarks/results/<cpu model>/`.

`python -m benchmarks report FILE` writes the report of a result file anew. The other programs print what is no matter
of speed. The exit status is 1 if something of gpunet's own failed; a library that is not installed is reported.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

from benchmarks import results, runner
from benchmarks.peers import VARIANTS
from benchmarks.sections import SECTIONS

PROGRAMS = {
    "accuracy": "validation accuracy of two networks on MNIST, against aims (--seeds N, --data FOLDER)",
    "demo_seeds": "test accuracy of the demo's network for twenty seeds",
    "shares": "primitives with a CUDA kernel: emulated, and measured on a GPU",
    "compare": "what became slower or faster from one result file to another (OLD, NEW, --all)",
    "report": "the report of a result file, as HTML and Markdown (FILE, --readme)",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in PROGRAMS:
        module = "benchmarks.report" if arguments[0] == "report" else f"benchmarks.{arguments[0]}"
        program = importlib.import_module(module).main
        if arguments[1:] and not inspect.signature(program).parameters:
            _parser().error(f"{arguments[0]} takes no options. Received: {arguments[1:]}")
        return int(bool(program(*arguments[1:])))
    options = _parser().parse_args(arguments)
    command = shlex.join(["python", "-m", "benchmarks", *arguments])
    choice = runner.Choice(options.sections or list(SECTIONS), options.only, options.cases)
    return runner.run(choice, runner.budget(options), command, options.output)


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<12} {text}" for name, text in (SECTIONS | PROGRAMS).items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        epilog=f"sections, and programs of their own:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="what to measure (default: all)")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="VARIANT", help=f"some of {', '.join(VARIANTS)}")
    parser.add_argument("--cases", type=_pattern, metavar="PATTERN", help="cases whose names match")
    parser.add_argument("--full", action="store_true", help="large networks, more batches and rounds: hours")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of every library")
    parser.add_argument("--turn", type=float, metavar="S", help="seconds of a turn")
    parser.add_argument("--warm", type=float, metavar="S", help="seconds of warming up")
    parser.add_argument("--output", type=_folder, default=results.FOLDER, help="where the folder of the processor goes")
    return parser


def _folder(text: str) -> Path:
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"no folder can be made of it ({error})") from None
    return folder


def _pattern(text: str) -> str:
    """A regular expression, as it is."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
    return text


if __name__ == "__main__":
    sys.exit(main())
