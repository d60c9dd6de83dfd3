"""Compare optimizers, losses, metrics and schedules in float64 with files of values that Keras wrote.

A folder has index.json, which lists cases, and an .npz file for each kind: of an optimizer its 20 steps, with a smaller
learning rate from the thirteenth; of a loss its values and the gradient of their sum; of a metric its result after each
of three batches; of a schedule its first 40 rates.

example: python -m tests.golden.oracle FOLDER...
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import gpunet

Values = dict[str, np.ndarray]
LATER, SMALLER = 12, 0.3  # from this step on, the learning rate is this part of itself


def optimizer(case: dict[str, Any], values: Values) -> Values:
    """The two variables after each step."""
    made = getattr(gpunet.optimizers, case["opt"])(**case["kw"])
    variables = [gpunet.Variable(values[f"p{i}"], dtype="float64") for i in range(2)]
    made.build(variables)
    steps = []
    for step, gradients in enumerate(zip(values["g0"], values["g1"])):
        if step == LATER:
            made.learning_rate = case["kw"]["learning_rate"] * SMALLER
        made.apply(list(gradients), variables)
        steps.append([variable.numpy() for variable in variables])
    return {f"traj{i}": np.stack([step[i] for step in steps]) for i in range(2)}


def loss(case: dict[str, Any], values: Values) -> Values:
    """The loss, and its sum's gradient with respect to the predictions."""
    made = getattr(gpunet.losses, case["loss"])(reduction=case["reduction"], **case["kw"])
    predictions = gpunet.Variable(values["y_pred"], dtype="float64")
    with gpunet.GradientTape() as tape:
        value = made(values["y_true"], predictions, sample_weight=values.get("w"))
        total = gpunet.ops.sum(value)
    return {"value": np.asarray(value), "grad": np.asarray(tape.gradient(total, predictions))}


def metric(case: dict[str, Any], values: Values) -> Values:
    """The result after each batch."""
    made = getattr(gpunet.metrics, case["metric"])(**case["kw"])
    results = []
    for i in range(len(values["after"])):
        made.update_state(values[f"t{i}"], values[f"p{i}"], sample_weight=values.get(f"w{i}"))
        results.append(np.asarray(made.result()))
    return {"after": np.stack(results)}


def schedule(case: dict[str, Any], values: Values) -> Values:
    """The learning rate at each step."""
    made = getattr(gpunet.optimizers.schedules, case["schedule"])(**case["kw"])
    return {"lr": np.array([float(made(step)) for step in range(len(values["lr"]))])}


# What computes a kind's values, and the relative and the absolute difference that it may have: Keras adds metrics up in
# float32, and has schedules in float32.
KINDS: dict[str, tuple[Callable[[dict[str, Any], Values], Values], float, float]] = {
    "optimizers": (optimizer, 1e-6, 1e-9),
    "losses": (loss, 1e-6, 1e-9),
    "metrics": (metric, 2e-6, 1e-6),
    "schedules": (schedule, 2e-6, 1e-8),
}


def compare(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Each case's description, and where it differs or None.

    Raises:
        OSError: if the folder lacks a file.
        KeyError: if index.json lists a kind of cases that is not known, or a file lacks a case's values.
    """
    for kind, cases in json.loads((folder / "index.json").read_text()).items():
        compute, rtol, atol = KINDS[kind]
        with np.load(folder / f"{kind}.npz") as file:
            everything = dict(file)
        for case in cases:
            prefix = f"{case['id']}/"
            values = {key.removeprefix(prefix): v for key, v in everything.items() if key.startswith(prefix)}
            found = compute(case, values)
            wrong = [key for key in found if not np.allclose(found[key], values[key], rtol, atol)]
            off = [f"{key} by {np.abs(found[key] - values[key]).max():.2g}" for key in wrong]
            yield f"{kind} {json.dumps(case)}", ", ".join(off) or None


def main() -> int:
    """The command line; the exit status is 1 if anything differs."""
    description, example = (__doc__ or "").strip().rsplit("\n\n", 1)
    parser = argparse.ArgumentParser("python -m tests.golden.oracle", description=description, epilog=example)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    gpunet.config.set_floatx("float64")
    found = [result for folder in parser.parse_args().folders for result in compare(folder)]
    for case, off in found:
        if off:
            print(f"{case} is off: {off}")
    print(f"{len(found)} cases, {sum(off is not None for _, off in found)} of them differ")
    return int(any(off for _, off in found))


if __name__ == "__main__":
    raise SystemExit(main())
