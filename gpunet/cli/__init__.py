"""The `gpunet` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpunet", description="Neural networks on plain CuPy and NumPy arrays.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (
        _add_train,
        _add_evaluate,
        _add_predict,
        _add_summary,
        _add_bench,
        _add_demo,
        _add_devices,
        _add_warmup,
    ):
        add(commands)
    return parser


def _add_train(commands: argparse._SubParsersAction) -> None:
    train = _with_model(
        commands,
        "train",
        "train a model file on data from files",
        "Train a model and save it. It is compiled as it was saved, or with --loss and --optimizer. Ctrl-C saves what "
        "was learned so far.",
        "gpunet train model.keras --data mnist.npz --scale 255 --epochs 3 --validation-split 0.1 --output new.keras",
    )
    _add_data(train)
    train.add_argument("--epochs", type=int, default=1, help="passes over the data (default: 1)")
    train.add_argument("--validation-split", type=float, default=0.0, help="share of the samples to evaluate on")
    train.add_argument("--optimizer", help='compile with this, e.g. "adam"')
    train.add_argument("--learning-rate", type=float, help="of the optimizer")
    train.add_argument("--loss", help='compile with this, e.g. "sparse_categorical_crossentropy"')
    train.add_argument("--metrics", nargs="+", default=[], help='compile with these, e.g. "accuracy"')
    train.add_argument("--seed", type=int, help="seed of dropout and order")
    train.add_argument("--output", help="where to save (default: MODEL-trained.keras)")
    train.add_argument("--tensorboard", metavar="FOLDER", help="write logs for TensorBoard")
    train.add_argument("--csv", metavar="FILE", help="write a line per epoch")
    train.add_argument("--backup", metavar="FOLDER", help="continue from here after an interruption")
    train.add_argument("--patience", type=int, help="stop after so many epochs without an improvement")


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = _with_model(
        commands,
        "evaluate",
        "losses and metrics of a model file on data from files",
        "Print the loss and the metrics of a compiled model, one per line.",
        "gpunet evaluate trained.keras --data mnist.npz --part test --scale 255",
    )
    _add_data(evaluate)


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = _with_model(
        commands,
        "predict",
        "the outputs of a model file for data from files",
        "Write a model's outputs to a file, or print them, one line per sample.",
        "gpunet predict trained.keras --data images.npy --scale 255 --classes",
    )
    _add_data(predict)
    predict.add_argument("--classes", action="store_true", help="the number of the largest output instead")
    predict.add_argument("--output", help="a .npy or .csv file (default: print)")


def _add_summary(commands: argparse._SubParsersAction) -> None:
    summary = _with_model(
        commands,
        "summary",
        "the layers, shapes and parameters of a model file",
        "Print the layers of a model with their output shapes and numbers of parameters.",
        "gpunet summary model.keras --nested",
    )
    summary.add_argument("--nested", action="store_true", help="list the layers of nested models too")


def _add_bench(commands: argparse._SubParsersAction) -> None:
    bench = _with_model(
        commands,
        "bench",
        "how fast a model file trains and predicts here",
        "Time training and inference steps of a model on random inputs: the median of many, after warming up. A model "
        "that is not compiled is timed in inference only.",
        "gpunet bench model.keras --batch-size 64 --steps 50",
    )
    bench.add_argument("--batch-size", type=int, default=32, help="samples per step (default: 32)")
    bench.add_argument("--steps", type=int, default=30, help="steps to time (default: 30)")


def _add_demo(commands: argparse._SubParsersAction) -> None:
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


def _add_devices(commands: argparse._SubParsersAction) -> None:
    commands.add_parser(
        "devices",
        help="show the devices found and the providers that serve them",
        description="Show the devices that gpunet can use, why there is no GPU if there is none, and which provider "
        "serves the primitives on each.",
        epilog="example: gpunet devices",
    )


def _add_warmup(commands: argparse._SubParsersAction) -> None:
    commands.add_parser(
        "warmup",
        help="compile all CUDA kernels ahead of their first use",
        description="Compile every CUDA kernel for the GPUs of this machine. CuPy keeps the results on disk, in "
        "CUPY_CACHE_DIR or ~/.cupy/kernel_cache, so that no later program waits for the compiler.",
        epilog="example: gpunet warmup",
    )


def _with_model(
    commands: argparse._SubParsersAction, name: str, help_text: str, description: str, example: str
) -> argparse.ArgumentParser:
    """A command whose argument is a model file."""
    parser = commands.add_parser(name, help=help_text, description=description, epilog=f"example: {example}")
    parser.add_argument("model", help="a .keras file that gpunet or Keras saved")
    parser.add_argument("--device", help='"cpu" or "gpu:0" (default: the GPU if there is one)')
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="FILE",
        help="an .npz file with x and y (or x_train, y_train, x_test, y_test), one or two .npy files (x, y), a .csv "
        "file, or a folder of images with a subfolder per class",
    )
    parser.add_argument("--part", choices=("train", "test"), default="train", help="of an .npz file (default: train)")
    parser.add_argument("--target", help="column of a .csv file to predict: its name or number (default: the last)")
    parser.add_argument("--scale", type=float, default=1.0, help="divide the inputs by this, e.g. 255 (default: 1)")
    parser.add_argument("--batch-size", type=int, default=32, help="samples per step (default: 32)")
    parser.add_argument("--verbose", type=int, choices=(0, 1, 2), default=1, help="0 for no progress (default: 1)")


def _version() -> str:
    from gpunet import __version__

    return f"gpunet {__version__}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 for an error, 2 for wrong arguments, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (ValueError, RuntimeError, ImportError, OSError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        print(f"gpunet {options.command}: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.command == "demo":
        from gpunet.demo import run_demo

        run_demo(options.epochs, options.batch_size, options.seed, options.device, options.output)
    elif options.command == "warmup":
        from gpunet.backend.warmup import warm_up

        warm_up()
    elif options.command == "devices":
        from gpunet.backend.report import print_devices

        print_devices()
    else:
        from gpunet.cli.commands import COMMANDS

        return COMMANDS[options.command](options)
    return 0
