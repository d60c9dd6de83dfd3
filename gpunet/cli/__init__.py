"""The `gpunet` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpunet", description="Neural networks on plain CuPy and NumPy arrays.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    demo = commands.add_parser(
        "demo",
        help="train a small convolutional network on handwritten digits",
        description="Train a small convolutional network on the digits that ship with gpunet, show how well it reads "
        "digits it has not seen, and save a picture of its predictions. Where there is a GPU, train on the CPU too and "
        "compare the times.",
        epilog="example: gpunet demo --epochs 20 --seed 1 --output predictions.png",
    )
    demo.add_argument("--epochs", type=int, default=15, help="passes over the training images (default: 15)")
    demo.add_argument("--batch-size", type=int, default=32, help="images per update (default: 32)")
    demo.add_argument("--seed", type=int, default=0, help="seed of weights, dropout and order (default: 0)")
    demo.add_argument("--device", help='"cpu" or "gpu:0" (default: the GPU if there is one)')
    demo.add_argument(
        "--output", default="demo_predictions.png", help='the picture, "" for none (default: demo_predictions.png)'
    )

    commands.add_parser(
        "devices",
        help="show the devices found and the providers that serve them",
        description="Show the devices that gpunet can use, why there is no GPU if there is none, and which provider "
        "serves the primitives on each.",
        epilog="example: gpunet devices",
    )

    commands.add_parser(
        "warmup",
        help="compile all CUDA kernels ahead of their first use",
        description="Compile every CUDA kernel for the GPUs of this machine. CuPy keeps the results on disk, in "
        "CUPY_CACHE_DIR or ~/.cupy/kernel_cache, so that no later program waits for the compiler.",
        epilog="example: gpunet warmup",
    )
    return parser


def _version() -> str:
    from gpunet import __version__

    return f"gpunet {__version__}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "demo":
            from gpunet.demo import run_demo

            run_demo(options.epochs, options.batch_size, options.seed, options.device, options.output)
        elif options.command == "warmup":
            from gpunet.backend.warmup import warm_up

            warm_up()
        else:
            from gpunet.backend.report import print_devices

            print_devices()
    except (ValueError, RuntimeError, ImportError) as error:
        print(f"gpunet {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
