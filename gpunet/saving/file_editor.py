"""`KerasFileEditor`: looking into files of weights, and changing what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from gpunet.saving.archive import CONFIG, METADATA, read_members
from gpunet.saving.hdf5 import Writer
from gpunet.saving.weights import pieces, read_state
from gpunet.utils.atomic import replacing


class KerasFileEditor:
    """The arrays of a `.keras` or `.weights.h5` file as nested dicts, to be shown, compared, changed and saved anew.

    Args:
        filepath: the file, which itself stays as it is.

    Raises:
        ValueError: for another kind of file, and a damaged one.

    Example:
        >>> editor = gpunet.saving.KerasFileEditor("old.weights.h5")
        >>> editor.rename_object("layers/dense_2", "head")
        >>> editor.save("new.weights.h5")
    """

    def __init__(self, filepath: Any):
        self.filepath = str(filepath)
        self.metadata: dict[str, Any] | None = None
        self.config: dict[str, Any] | None = None
        self.console = Console(highlight=False)
        if not self.filepath.endswith((".keras", ".weights.h5")):
            raise ValueError(
                f"Invalid filename: expected a `.keras` or `.weights.h5` extension. Received: filepath={self.filepath}"
            )
        if self.filepath.endswith(".keras"):
            members = read_members(self.filepath)
            self.config, self.metadata = json.loads(members[CONFIG]), json.loads(members[METADATA])
        self.weights_dict: dict[str, Any] = _nested(read_state(self.filepath))
        self._print(f"Keras model file '{self.filepath}'")
        if self.metadata is not None:
            saved = f"Keras {self.metadata.get('keras_version')} - date: {self.metadata.get('date_saved')}"
            self._print(f"Saved with {saved}")

    def _print(self, text: str) -> None:
        self.console.print(escape(text))

    def summary(self) -> None:
        """Print the objects, and the shapes and dtypes of their arrays."""
        self._print("Weights structure")
        self._show(self.weights_dict, "  ")

    def _show(self, group: dict[str, Any], indent: str) -> None:
        for place, (key, value) in enumerate(group.items(), 1):
            last = place == len(group)
            line = f"{indent}{'└─' if last else '├─'} {key}"
            if isinstance(value, dict):
                self._print(line)
                self._show(value, indent + ("    " if last else "│   "))
            else:
                self._print(f"{line}: shape={tuple(np.shape(value))}, dtype={np.asarray(value).dtype}")

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Print where the file differs from what a model would save.

        Returns:
            `status`, "success" or "error"; `error_count`, how many objects only one of them has, and how many weights
            of the others differ; `match_count`, how many weights fit.
        """
        wanted = {path: arrays for path, arrays, _ in pieces(reference_model) if arrays}
        found = dict(_flat(self.weights_dict))
        errors = [f"{path}: in the reference model, not in the saved file" for path in wanted if path not in found]
        errors += [f"{path}: in the saved file, not in the reference model" for path in found if path not in wanted]
        matches = 0
        for path in wanted.keys() & found.keys():
            for key in sorted(wanted[path].keys() | found[path].keys()):
                shapes = [np.shape(arrays[key]) if key in arrays else None for arrays in (wanted[path], found[path])]
                matches += shapes[0] == shapes[1]
                if shapes[0] != shapes[1]:
                    errors.append(f"{path}/{key}: {shapes[0]} in the reference model, {shapes[1]} in the saved file")
        for error in errors:
            self._print(error)
        self._print(f"{len(errors)} differences, {matches} weights that fit the reference model")
        return {"status": "error" if errors else "success", "error_count": len(errors), "match_count": matches}

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Give an object, found by its path or its name, another name."""
        if "/" in new_name:
            raise ValueError(f"new_name should be a name, not a path. Received: new_name='{new_name}'")
        group, key = self._find(object_name)
        group[new_name] = group.pop(key)

    def delete_object(self, object_name: str) -> None:
        """Remove an object, found by its path or its name."""
        group, key = self._find(object_name)
        del group[key]

    def add_object(self, object_path: str, weights: dict[str, Any]) -> None:
        """Add an object under a path with arrays by their keys, "0", "1" and so on."""
        _check_weights(weights)
        *parents, name = object_path.split("/")
        group = self.weights_dict
        for parent in parents:
            if not isinstance(group.get(parent), dict):
                raise ValueError(f"Path '{'/'.join(parents)}' not found in model.")
            group = group[parent]
        group[name] = dict(weights)

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Remove one array of an object."""
        group, key = self._find(object_name)
        if weight_name not in group[key]:
            raise ValueError(
                f"Weight {weight_name} not found in object {object_name}. Weights found: {list(group[key])}"
            )
        del group[key][weight_name]

    def add_weights(self, object_name: str, weights: dict[str, Any]) -> None:
        """Add arrays by their keys to an object, or replace them."""
        _check_weights(weights)
        group, key = self._find(object_name)
        group[key].update(weights)

    def save(self, filepath: Any) -> None:
        """Write what is here now to a `.weights.h5` file."""
        if not str(filepath).endswith(".weights.h5"):
            raise ValueError(f"filepath: expected a `.weights.h5` extension. Received: filepath={filepath}")
        with replacing(filepath) as file:
            writer = Writer(file)
            for path, arrays in _flat(self.weights_dict):
                writer.write(path, {key: np.asarray(array) for key, array in arrays.items()}, None)
            writer.close()

    resave_weights: Callable[[KerasFileEditor, Any], None] = save

    def _find(self, name: str) -> tuple[dict[str, Any], str]:
        """The dict that has an object, and the object's name in it.

        Raises:
            ValueError: if there is none, or several of the name.
        """
        *parents, key = name.split("/")
        groups: list[Any] = list(_groups(self.weights_dict))
        if parents:
            groups = [self.weights_dict]
            for parent in parents:
                groups = [group[parent] for group in groups if isinstance(group.get(parent), dict)]
        holders = [group for group in groups if isinstance(group.get(key), dict)]
        if not holders:
            raise ValueError(f"Path or name '{name}' not found in model. Use `editor.summary()` to list all objects.")
        if len(holders) > 1:
            raise ValueError(f"Name '{name}' occurs more than once in the model; try passing a complete path")
        return holders[0], key


def _check_weights(weights: Any) -> None:
    if not isinstance(weights, dict):
        raise ValueError(
            f"`weights` should be a dict of arrays by weight names (usually '0', '1', etc.). "
            f"Received: type(weights)={type(weights)}"
        )


def _nested(state: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Dicts in dicts for paths; the arrays of the model itself stand under "vars"."""
    whole: dict[str, Any] = {}
    for path in sorted(state):
        group = whole
        for part in path.split("/") if path else ["vars"]:
            group = group.setdefault(part, {})
        group.update(state[path])
    return whole


def _flat(group: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The path of each object that has arrays, with those."""
    arrays = {key: value for key, value in group.items() if not isinstance(value, dict)}
    if arrays:
        yield ("" if path == "vars" else path), arrays
    for key, value in group.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}/{key}" if path else key)


def _groups(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A dict and all those in it."""
    yield group
    for value in group.values():
        if isinstance(value, dict):
            yield from _groups(value)
