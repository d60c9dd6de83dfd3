"""`python -m benchmarks [name ...]`: run measurements and print their tables."""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys

_MEASUREMENTS = {
    "steps": "eager training steps against PyTorch's, in alternating processes",
    "imports": "the cost of `import gpunet` against `import numpy`",
    "demo_seeds": "test accuracy of the demo's network for twenty seeds",
    "shares": "primitives with a CUDA kernel: emulated, and measured on a GPU",
    "accuracy": "validation accuracy of two networks on MNIST, against aims (--seeds N, --data FOLDER)",
}


def main() -> int:
    """Run what was asked for; the exit status is 1 if a measurement missed its aim."""
    listing = "\n".join(f"  {name:<12} {text}" for name, text in _MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[[], *_MEASUREMENTS], help="what to measure (default: all)")
    given, options = parser.parse_known_args()
    if options and len(given.names) != 1:
        parser.error(f"options belong to one measurement. Received: {options} for {given.names or 'all'}")
    missed = False
    for name in given.names or _MEASUREMENTS:
        measure = importlib.import_module(f"benchmarks.{name}").main
        if options and not inspect.signature(measure).parameters:
            parser.error(f"{name} takes no options. Received: {options}")
        print(f"\n## {name}: {_MEASUREMENTS[name]}\n", flush=True)
        missed |= bool(measure(*options))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
