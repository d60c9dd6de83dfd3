"""Kill processes while they save a model, and see that the file is whole each time: the old one or a new one.

    python -m tools.kill_saves --kills 50 model.keras

Each process overwrites the file again and again with a model whose weights are all the number of the save, and is sent
SIGKILL after a random time. What is in the file afterwards must be one of these models from end to end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

import gpunet as keras

SIZE = 300  # so that a save takes milliseconds, of which the writing is most


def _model() -> keras.Model:
    return keras.Sequential([keras.Input((SIZE,)), keras.layers.Dense(SIZE), keras.layers.Dense(SIZE)])


def _save(model: keras.Model, path: Path, version: int) -> None:
    model.set_weights([np.full(w.shape, version, "float32") for w in model.weights])
    (model.save if path.suffix == ".keras" else model.save_weights)(path)


def version_of(path: Path) -> int:
    """The number that all weights in the file are.

    Raises:
        ValueError: if the file is damaged, or has weights of different saves.
    """
    if path.suffix == ".keras":
        model = keras.models.load_model(path)
    else:
        model = _model()
        model.load_weights(path)
    found = {float(v) for w in model.get_weights() for v in (w.min(), w.max())}
    if len(found) != 1:
        raise ValueError(f"{path} has weights of different saves: {sorted(found)}")
    return int(found.pop())


def run(path: Path, kills: int, seed: int = 0) -> list[int]:
    """Kill so many processes while they save to `path`; the version that was in the file after each."""
    draw = random.Random(seed)
    model = _model()
    started = time.perf_counter()
    _save(model, path, 0)
    one_save = time.perf_counter() - started
    versions = [0]
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            _save_forever(model, path, versions[-1])
        time.sleep(draw.uniform(0, 8 * one_save))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        versions.append(version_of(path))
        if versions[-1] < versions[-2]:
            raise ValueError(f"{path} went back from save {versions[-2]} to {versions[-1]}")
    return versions[1:]


def _save_forever(model: keras.Model, path: Path, version: int) -> None:
    try:
        while True:
            version += 1
            _save(model, path, version)
    finally:
        os._exit(1)  # never back into the parent's program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", default="model.keras", help="a file name, whose suffix says what to save")
    parser.add_argument("--kills", type=int, default=50, help="how many processes to kill (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the times at which they are killed (default: 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        versions = run(Path(folder) / options.name, options.kills, options.seed)
        left = len(list(Path(folder).iterdir())) - 1
    print(f"{len(versions)} kills: the file was whole each time, of {len(set(versions))} different saves")
    print(f"{left} of them left an unfinished file beside it")


if __name__ == "__main__":
    main()
