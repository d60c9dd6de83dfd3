"""What a worker can be asked to do, and the NumPy data for it, which are equal for every library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.networks import NETWORKS, Network, mlp, resnet

CHAIN = 50  # small ops in a chain


class Work(NamedTuple):
    """A call that returns when its work is done, how many steps that is, and a first call of one step."""

    run: Callable[[], Any]
    steps: int = 1
    first: Callable[[], Any] | None = None


class Mode(NamedTuple):
    """How a peer is to run."""

    how: str
    device: str


def network(description: dict[str, Any]) -> Network:
    """A network by name, or a member of a family: `{"mlp": [units...]}`, `{"resnet": {...}}`."""
    if "name" in description:
        return NETWORKS[description["name"]]
    if "mlp" in description:
        return mlp(*description["mlp"], batch=1, inputs=description.get("inputs", 784))
    return resnet(**description["resnet"])


def samples(net: Network, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal numbers, or tokens, and labels."""
    rng = np.random.default_rng(0)
    x: np.ndarray
    if net.tokens is None:
        x = rng.standard_normal((count, *net.shape), dtype="float32")
    else:
        x = rng.integers(0, net.tokens, (count, *net.shape)).astype("int32")
    return x, rng.integers(0, net.classes, count).astype("int32")


def fit_steps(net: Network, batch: int) -> int:
    """Batches in a measured epoch of `fit`: so many that starting the epoch does not show, and not too many."""
    return max(10, min(400, int(4e10 / net.training_flops(batch))))


def epochs(model: Any, x: np.ndarray, y: np.ndarray, batch: int) -> Work:
    """An epoch of a compiled model's `fit`, with its defaults but for the progress bar."""

    def fit(count: int) -> None:
        model.fit(x[:count], y[:count], batch_size=batch, verbose=0)

    return Work(lambda: fit(len(x)), len(x) // batch, lambda: fit(batch))


def prepare(peer: Any, task: str, given: dict[str, Any], mode: Mode, data_made: Callable[[], None]) -> Work:
    """The work of a task, by the peer's function of that name; `data_made` is called once the data exist."""
    if task in ("training", "inference"):
        net = network(given["network"])
        batch = given["batch"]
        has_epochs = task == "training" and mode.how in ("fit", "shuffled")
        steps = given.get("fit_steps", fit_steps(net, batch)) if has_epochs else 1
        x, y = samples(net, steps * batch)
        data_made()
        return peer.training(net, x, y, batch, mode) if task == "training" else peer.inference(net, x, mode)
    data_made()
    return getattr(peer, task)(mode=mode, **given)


def conv_arrays(c: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (n, h, w, c), kernel (k, k, c, f) and the output's gradient, for a convolution of `gpu/shapes.py`."""
    rng = np.random.default_rng(0)
    out = (c["side"] + 2 * c["padding"] - c["window"]) // c["stride"] + 1

    def random(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype="float32")

    x = random(c["batch"], c["side"], c["side"], c["channels"])
    kernel = random(c["window"], c["window"], c["channels"], c["filters"])
    return x, kernel, random(c["batch"], out, out, c["filters"])


def op_arrays() -> dict[str, np.ndarray]:
    """The operands of the ops section: a matrix, images, and what goes with them."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((1024, 1024), dtype="float32")
    images = rng.standard_normal((32, 32, 32, 32), dtype="float32")
    kernel = rng.standard_normal((3, 3, 32, 32), dtype="float32")
    labels = rng.integers(0, 1024, 1024).astype("int32")
    found = {"a": a, "b": a[::-1].copy(), "row": a[0].copy(), "images": images, "kernel": kernel, "labels": labels}
    return found | {"zeros": np.zeros(32, "float32"), "ones": np.ones(32, "float32")}


OPS = (
    "add", "multiply", "exp", "tanh", "relu", "sum", "mean_axis0", "softmax", "transpose_copy", "matmul", "conv",
    "max_pool", "batch_norm", "layer_norm", "gelu", "crossentropy", "concatenate", "take",
)  # fmt: skip
