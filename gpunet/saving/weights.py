"""The state of a model as arrays by path, and files of weights: `.weights.h5`, `.safetensors`, `.npz`."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.layers.layer import Layer
from gpunet.layers.weights import WeightOwner
from gpunet.optimizers.optimizer import Optimizer
from gpunet.random import SeedGenerator
from gpunet.saving.hdf5 import Reader, Writer, read_checked
from gpunet.saving.legacy_h5 import is_legacy, load_h5_weights
from gpunet.saving.shards import SUFFIX, Piece, read_shards, save_shards
from gpunet.saving.walk import saveables
from gpunet.utils.atomic import replacing

State = dict[str, dict[str, np.ndarray]]


def save_weights(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    objects_to_skip: Any = None,
) -> None:
    """Write the weights to a file, in the format of its suffix.

    Args:
        filepath: `.weights.h5` (Keras's format, with the optimizer's state), `.safetensors` or `.npz` (named arrays);
            `.weights.json` where there is a `max_shard_size`.
        overwrite: whether a file of that name may be replaced.
        max_shard_size: write several files of at most so many GB, as Keras does, and a list of them.
        objects_to_skip: layers to leave out of `.weights.h5`.

    Raises:
        ValueError: for another suffix, a file that is there and must not be replaced, or a model without weights yet.
    """
    kind = _kind(filepath)
    if (kind == SUFFIX) != (max_shard_size is not None):
        raise ValueError(
            f"The filename must end in `.weights.json` when `max_shard_size` is specified, and only then. "
            f"Received: filepath={str(filepath)!r}, max_shard_size={max_shard_size}"
        )
    check_free(filepath, overwrite)
    _check_built(model, "saving")
    if max_shard_size is not None:
        save_shards(pieces(model, objects_to_skip), filepath, max_shard_size)
        return
    with replacing(filepath) as file:
        if kind == ".weights.h5":
            write_state(model, file, objects_to_skip)
        elif kind == ".npz":
            np.savez(file, allow_pickle=False, **{name: v.numpy() for name, v in named_weights(model).items()})
        else:
            from safetensors.numpy import save

            file.write(save({name: np.ascontiguousarray(v.numpy()) for name, v in named_weights(model).items()}))


def load_weights(
    model: Any, filepath: Any, skip_mismatch: bool = False, objects_to_skip: Any = None, by_name: bool | None = None
) -> None:
    """Set the weights from a file that `save_weights` or Keras wrote, or from the weights in a file of a model.

    Args:
        filepath: a file of `save_weights`, a `.keras` or `.h5` file of a model, or an `.h5` file of weights of Keras 2.
        skip_mismatch: leave out, with a warning, layers that the file has nothing or something else for.
        objects_to_skip: layers to leave as they are, for `.weights.h5`.
        by_name: match layers by their names, not in order, for `.h5`.

    Raises:
        ValueError: if the file is damaged or unsafe, or does not fit; the model is as it was then.
    """
    kind = _kind(filepath, reading=True)
    legacy = kind in (".h5", ".hdf5") or (kind == ".weights.h5" and is_legacy(filepath))
    if by_name is not None and not legacy:
        raise ValueError(f"`by_name` only supports loading legacy '.h5' or '.hdf5' files. Received: {str(filepath)!r}")
    if objects_to_skip is not None and (legacy or kind not in (".weights.h5", ".weights.json")):
        raise ValueError(f"`objects_to_skip` only supports loading '.weights.h5' files. Received: {str(filepath)!r}")
    _check_built(model, "loading")
    if legacy:
        load_h5_weights(model, filepath, bool(by_name), skip_mismatch)
        return
    if kind in (".weights.h5", ".weights.json", ".keras"):
        apply_state(model, read_state(filepath), skip_mismatch, objects_to_skip)
        return
    arrays = _read_npz(filepath) if kind == ".npz" else _read_safetensors(filepath)
    _assign_named(named_weights(model), arrays, skip_mismatch)


def check_free(filepath: Any, overwrite: bool) -> None:
    """Raise ValueError if the file is there and must not be replaced."""
    if not overwrite and Path(filepath).exists():
        raise ValueError(f"the file exists, and overwrite is False. Received: filepath={str(filepath)!r}")


def _check_built(model: Any, what: str) -> None:
    parts = [layer for layer in model._flatten_layers() if layer is not model]
    if not model.built and not (parts and all(layer.built for layer in parts)):  # a GAN has no `call` that builds it
        raise ValueError(
            f"You are {what} weights of a model that has not yet been built: call it on some data, or `build()` it."
        )


def _kind(filepath: Any, reading: bool = False) -> str:
    kinds = [".weights.h5", ".weights.json", ".safetensors", ".npz"]
    kinds += [".keras", ".h5", ".hdf5"] if reading else []
    for kind in kinds:
        if str(filepath).endswith(kind):
            return kind
    raise ValueError(f"The filename must end in one of {kinds}. Received: filepath={str(filepath)!r}")


def write_state(model: Any, file: Any, objects_to_skip: Any = None) -> None:
    """Write all state, the optimizer's too, as HDF5 in Keras's layout."""
    writer = Writer(file)
    try:
        for piece in pieces(model, objects_to_skip):
            writer.write(*piece)
    finally:
        writer.close()


def pieces(model: Any, objects_to_skip: Any = None) -> Iterator[Piece]:
    """The path of each object with state, its arrays and its name."""
    for path, item in saveables(model, objects_to_skip):
        arrays: dict[str, Any] = {}
        if isinstance(item, SeedGenerator):
            arrays["0"] = item.state.numpy()
        else:
            item.save_own_variables(arrays)
        yield path, {key: np.asarray(value) for key, value in arrays.items()}, item.name


def read_state(filepath: Any) -> State:
    """All arrays of a `.weights.h5`, `.weights.json` or `.keras` file, by the path of their object and their key.

    Raises:
        ValueError: if the file is damaged, or unsafe to read.
    """
    if str(filepath).endswith(".keras"):
        from gpunet.saving.archive import read_members

        return parse_state(read_members(filepath)["model.weights.h5"], str(filepath))
    return read_shards(filepath) if str(filepath).endswith(SUFFIX) else parse_state(Path(filepath), str(filepath))


def parse_state(content: Any, what: str) -> State:
    """All arrays of an HDF5 file, given as bytes or by its path."""
    reader = Reader(content, what)
    try:
        return {path: reader.arrays(path) for path in reader.paths()}
    finally:
        reader.close()


def apply_state(model: Any, state: State, skip_mismatch: bool = False, objects_to_skip: Any = None) -> None:
    """Set a model's state from arrays by path, but for some objects; all is checked before the first is set.

    Raises:
        ValueError: if something does not fit and `skip_mismatch` is False.
    """
    wanted, messages = [], []
    for path, item in saveables(model, objects_to_skip):
        arrays = state.get(path) or state.get(path.replace("layers", "_layer_checkpoint_dependencies"), {})
        if isinstance(item, Optimizer) and not item.built and len(arrays) > 2:
            item.build(model.trainable_variables)
        problem = _problem(item, path, arrays)
        if problem is None:
            wanted.append((item, arrays))
        elif not isinstance(item, SeedGenerator):
            messages.append(problem)
    if messages and not skip_mismatch:
        raise ValueError(
            f"{len(messages)} objects do not fit what the file has for them; nothing was changed.\n"
            + "\n".join(messages[:20])
        )
    for item, arrays in wanted:
        if isinstance(item, Optimizer) and (not arrays or _never_used(item, arrays)):
            continue
        if isinstance(item, SeedGenerator):
            item.state.assign(arrays["0"])
        else:
            item.load_own_variables(arrays)
    if messages:
        warnings.warn("Left out while loading weights:\n" + "\n".join(messages), stacklevel=3)


def _problem(item: Any, path: str, arrays: dict[str, np.ndarray]) -> str | None:
    """Why an object cannot take its arrays; None if it can."""
    if isinstance(item, SeedGenerator):
        own = [item.state]
    elif isinstance(item, Optimizer):
        if not arrays:
            return None  # it keeps its state, as in Keras
        own = item.variables
    elif type(item).load_own_variables is not WeightOwner.load_own_variables:
        return None  # it decides by itself
    else:
        own = item._ordered_own()
    shapes = [tuple(v.shape) for v in own]
    found = [tuple(arrays[key].shape) for key in sorted(arrays, key=_number)]
    if isinstance(item, Optimizer) and _never_used(item, arrays):
        return None
    if shapes == found and all(str(i) in arrays for i in range(len(own))):
        return None
    name = f"{type(item).__name__} {item.name!r}"
    return f"{name} at {path or '/'}: expected shapes {shapes}. Received: {found or 'nothing'}"


def _never_used(optimizer: Optimizer, arrays: dict[str, np.ndarray]) -> bool:
    """Whether a file has the optimizer before its first step: numbers alone, which its configuration has too."""
    return len(arrays) < len(optimizer.variables) and all(array.shape == () for array in arrays.values())


def _number(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() else (1 << 30, key)


def named_weights(model: Any) -> dict[str, Any]:
    """The weights of a model by the path of their layer and their name, as in `layers/dense/kernel`."""
    found: dict[str, Any] = {}
    for path, item in saveables(model):
        if isinstance(item, Layer):
            used: dict[str, int] = {}
            for variable in item._ordered_own():
                count = used[variable.name] = used.get(variable.name, -1) + 1
                name = f"{variable.name}_{count}" if count else variable.name
                found[f"{path}/{name}" if path else name] = variable
    return found


def _assign_named(wanted: dict[str, Any], arrays: dict[str, np.ndarray], skip_mismatch: bool) -> None:
    messages = [f"{name}: the model has no such weight" for name in arrays if name not in wanted]
    for name, variable in wanted.items():
        found = arrays[name].shape if name in arrays else "nothing"
        if found != variable.shape:
            messages.append(f"{name}: expected shape {variable.shape}. Received: {found}")
    if messages and not skip_mismatch:
        raise ValueError("the file does not fit the model; nothing was changed.\n" + "\n".join(messages[:20]))
    for name, variable in wanted.items():
        if name in arrays and arrays[name].shape == variable.shape:
            variable.assign(arrays[name])
    if messages:
        warnings.warn("Left out while loading weights:\n" + "\n".join(messages), stacklevel=4)


def _read_npz(filepath: Any) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(filepath) as archive:
            for info in archive.infolist():
                read_checked(archive, info, str(filepath))
        with np.load(filepath, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise ValueError(f"{filepath} is not a whole .npz file of plain arrays. Received: {error}") from None


def _read_safetensors(filepath: Any) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(filepath)
    except SafetensorError as error:
        raise ValueError(f"{filepath} is not a whole safetensors file. Received: {error}") from None
