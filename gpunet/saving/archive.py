"""Files of models: `.keras`, a zip archive of metadata.json, config.json and model.weights.h5, as Keras 3 writes it.

The same parts may lie in a folder; `.h5` files are read and written elsewhere.
"""

from __future__ import annotations

import datetime
import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import gpunet
from gpunet.optimizers import LossScaleOptimizer
from gpunet.saving.assets import apply_assets, check_assets, collect_assets
from gpunet.saving.config_check import check_config, making
from gpunet.saving.folder import read_folder, save_folder
from gpunet.saving.hdf5 import read_checked
from gpunet.saving.legacy_h5 import KERAS_VERSION, SUFFIXES, load_h5, save_h5
from gpunet.saving.weights import State, apply_state, check_free, parse_state, write_state
from gpunet.serialization import (
    custom_object_scope,
    deserialize,
    object_sharing_scope,
    safe_mode_scope,
    serialize,
)
from gpunet.utils.atomic import replacing

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Write a model, its weights and how it was compiled, with the optimizer's state, to a `.keras` or `.h5` file.

    A file of that name stays as it was until the new one is complete.

    Args:
        filepath: `.keras`; or `.h5` or `.hdf5`, Keras's format before that; or a folder, if `zipped` is False.
        overwrite: whether a file of that name may be replaced.
        zipped: False for a folder with the parts of a `.keras` file.
        include_optimizer: whether an `.h5` file has how the model was compiled.

    Raises:
        ValueError: for another suffix, or a file that is there and must not be replaced.
        NotImplementedError: if a layer of the model has no configuration.
    """
    kind = _kind(filepath, zipped)
    check_free(filepath, overwrite)
    if not model.built:
        warnings.warn("You are saving a model that has not yet been built: it has no weights yet.", stacklevel=3)
    if kind == "h5":
        save_h5(model, filepath, include_optimizer)
    elif kind == "folder":
        save_folder(filepath, _members(model))
    else:
        with replacing(filepath) as file, zipfile.ZipFile(file, "w") as archive:
            for name, content in _members(model).items():
                archive.writestr(name, content)


def _kind(filepath: Any, zipped: bool | None) -> str:
    """The format that a name asks for."""
    name = str(filepath)
    if zipped is False:
        if name.endswith(".keras"):
            raise ValueError(
                f"When using `zipped=False`, the `filepath` argument should not end in `.keras`. "
                f"Received: filepath={name!r}"
            )
        return "folder"
    if name.endswith(SUFFIXES) and not name.endswith(".weights.h5"):
        return "h5"
    if not name.endswith(".keras"):
        raise ValueError(
            f"The filename must end in `.keras`, or in `.h5` for the format before it. Received: filepath={name!r}"
        )
    return "keras"


def _members(model: Any) -> dict[str, Any]:
    """The parts of a `.keras` file by their names."""
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": KERAS_VERSION, "date_saved": now, "gpunet_version": gpunet.__version__}
    with object_sharing_scope():
        config = json.dumps(serialize(model))
    weights = io.BytesIO()
    write_state(model, weights)
    parts = {METADATA: json.dumps(metadata).encode(), CONFIG: config.encode(), WEIGHTS: weights.getbuffer()}
    return parts | collect_assets(model)


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model of a `.keras` or `.h5` file, or of a folder, that gpunet or Keras wrote.

    Args:
        custom_objects: classes and functions by name, where they are not registered.
        compile: whether to compile it as it was, and to restore the optimizer's state.
        safe_mode: refuse Python code in the file.

    Raises:
        ValueError: if the file is damaged, unsafe, or needs something unknown: before the model is made; or if its
            weights do not fit.
    """
    if str(filepath).endswith(SUFFIXES):
        return load_h5(filepath, custom_objects, compile, safe_mode)
    members = read_folder(filepath) if Path(filepath).is_dir() else read_members(filepath)
    check_assets(members, str(filepath))
    try:
        config, metadata = json.loads(members[CONFIG]), json.loads(members[METADATA])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{filepath}: its configuration is not JSON. Received: {error}") from None
    if not isinstance(config, dict) or "class_name" not in config or not isinstance(metadata, dict):
        raise ValueError(f"{filepath}: its configuration is not that of a model. Received: {config!s:.80}")
    with custom_object_scope(custom_objects or {}), safe_mode_scope(safe_mode), object_sharing_scope():
        with making(str(filepath)):
            check_config(config, str(filepath))
        state = parse_state(members[WEIGHTS], str(filepath))
        compiled = config.pop("compile_config", None)
        with making(str(filepath)):
            model = deserialize(config)
            if compile and compiled:
                if "gpunet_version" not in metadata:
                    compiled["jit_compile"] = "auto"  # Keras writes what its backend made of it
                model.compile_from_config(compiled)
                _scale_loss(model, state)
    if not compile:
        state = {path: arrays for path, arrays in state.items() if not path.startswith("optimizer")}
    apply_state(model, state)
    apply_assets(model, members)
    return model


def _scale_loss(model: Any, state: State) -> None:
    """Wrap the optimizer as it was: what the policy "mixed_float16" wrapped is configured without, and the file of a
    functional model does not tell its policy."""
    wrapped = any(path.startswith("optimizer/inner_optimizer") for path in state)
    if wrapped and not isinstance(model.optimizer, LossScaleOptimizer):
        model.optimizer = LossScaleOptimizer(model.optimizer, name="loss_scale_optimizer")


class _NoFile(FileNotFoundError, ValueError):
    """The former is Python's word for it, the latter Keras's."""


def read_members(filepath: Any) -> dict[str, bytes]:
    """The files in a `.keras` archive, by name.

    Raises:
        ValueError: if it is not there, which is a FileNotFoundError too, is damaged, lacks one of them, or has one that
            is far larger than its compressed self.
    """
    if not str(filepath).endswith(".keras"):
        raise ValueError(f"The filename must end in `.keras`. Received: filepath={str(filepath)!r}")
    try:
        with zipfile.ZipFile(filepath) as archive:
            names = archive.namelist()
            missing = [name for name in (CONFIG, METADATA, WEIGHTS) if names.count(name) != 1]
            if missing:
                raise ValueError(f"{filepath} is not a .keras file: it needs one {missing}. Received: {names[:20]}")
            return {name: read_checked(archive, archive.getinfo(name), str(filepath)) for name in names[:1000]}
    except FileNotFoundError:
        raise _NoFile(
            f"File not found: filepath={filepath}. Please ensure the file is an accessible `.keras` zip file."
        ) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{filepath} is not a whole .keras file. Received: {error}") from None
