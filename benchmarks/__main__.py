"""`python -m benchmarks [name ...]`: run measurements and print their tables."""

from __future__ import annotations

import argparse
import importlib

_MEASUREMENTS = {
    "steps": "eager training steps against PyTorch's, in alternating processes",
    "imports": "the cost of `import gpunet` against `import numpy`",
    "demo_seeds": "test accuracy of the demo's network for twenty seeds",
}


def main() -> None:
    listing = "\n".join(f"  {name:<12} {text}" for name, text in _MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[[], *_MEASUREMENTS], help="what to measure (default: all)")
    for name in parser.parse_args().names or _MEASUREMENTS:
        print(f"\n## {name}: {_MEASUREMENTS[name]}\n")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
