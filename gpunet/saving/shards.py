"""Weights in several files of limited size, and `model.weights.json`, which lists them, as Keras 3 writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.saving.hdf5 import Reader, Writer
from gpunet.utils.atomic import replacing

Piece = tuple[str, dict[str, np.ndarray], str | None]  # path of an object, its arrays, its name
SUFFIX = ".weights.json"


def save_shards(pieces: Iterable[Piece], filepath: Any, max_shard_size: float) -> None:
    """Write `name_00000.weights.h5`, `name_00001.weights.h5`, … and then the list of what is where.

    Args:
        max_shard_size: the most that one of them may hold, in GB.

    Raises:
        ValueError: if one array is larger, or the size is not positive.
    """
    if not max_shard_size > 0:
        raise ValueError(f"max_shard_size must be positive. Received: max_shard_size={max_shard_size!r}")
    shards, total = _split(pieces, max_shard_size * 1024**3)
    path, places = Path(filepath), dict[str, Any]()
    for i, shard in enumerate(shards):
        name = f"{path.name.removesuffix(SUFFIX)}_{i:05}.weights.h5"
        with replacing(path.with_name(name)) as file:
            writer = Writer(file)
            for piece in shard:
                writer.write(*piece)
            writer.close()
        for where, _, _ in shard:
            places.setdefault(f"/{where}/vars" if where else "/vars", []).append(name)
    config = {
        "metadata": {"total_size": total},
        "weight_map": {k: v if len(v) > 1 else v[0] for k, v in places.items()},
    }
    with replacing(path) as file:
        file.write(json.dumps(config, indent=4).encode())


def _split(pieces: Iterable[Piece], limit: float) -> tuple[list[list[Piece]], int]:
    """The pieces of each file, and how many bytes there are in all."""
    shards: list[list[Piece]] = [[]]
    size = total = 0
    for path, arrays, name in pieces:
        for key, array in arrays.items():
            if array.nbytes > limit:
                raise ValueError(
                    f"The size of {path}/{key} is {array.nbytes} bytes, which exceeds the maximum shard size "
                    f"{limit:.0f} bytes. You can increase the `max_shard_size` parameter."
                )
            total += array.nbytes
            size += array.nbytes
            if size > limit:
                shards.append([])
                size = array.nbytes
            last = shards[-1]
            if last and last[-1][0] == path:
                last[-1][1][key] = array
            else:
                last.append((path, {key: array}, name))
    return shards, total


def read_shards(filepath: Any) -> dict[str, dict[str, np.ndarray]]:
    """All arrays by the path of their object and their key.

    Raises:
        ValueError: if a file is damaged, unsafe, missing or somewhere else.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in _files(Path(filepath)):
        reader = Reader(Path(filepath).with_name(name), name)
        try:
            for path in reader.paths():
                found.setdefault(path, {}).update(reader.arrays(path))
        finally:
            reader.close()
    return found


def _files(path: Path) -> list[str]:
    """The names of the files that a list mentions, which lie beside it."""
    try:
        places = json.loads(path.read_bytes())["weight_map"].values()
        names = {name for place in places for name in (place if isinstance(place, list) else [place])}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a list of files of weights. Received: {error!r:.200}") from None
    for name in names:
        plain = isinstance(name, str) and Path(name).name == name and name.endswith(".h5")
        if not plain or path.with_name(name).is_symlink() or not path.with_name(name).is_file():
            raise ValueError(f"{path}: a file of weights is missing, or not beside it. Received: {name!r:.200}")
    return sorted(names)
