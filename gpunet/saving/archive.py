"""`.keras` files: a zip archive of metadata.json, config.json and model.weights.h5, as Keras 3 writes them."""

from __future__ import annotations

import datetime
import io
import json
import warnings
import zipfile
from typing import Any

import gpunet
from gpunet.saving.assets import apply_assets, check_assets, collect_assets, write_assets
from gpunet.saving.hdf5 import read_checked
from gpunet.saving.weights import apply_state, check_free, parse_state, write_state
from gpunet.serialization import check_known, custom_object_scope, deserialize, safe_mode_scope, serialize
from gpunet.utils.atomic import replacing

KERAS_VERSION = "3.15.1"  # whose format this is
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def save_model(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write a model, its weights and how it was compiled, with the optimizer's state, to a `.keras` file.

    A file of that name stays as it was until the new one is complete.

    Raises:
        ValueError: for another suffix, or a file that is there and must not be replaced.
        NotImplementedError: if a layer of the model has no configuration.
    """
    if not str(filepath).endswith(".keras"):
        raise ValueError(f"The filename must end in `.keras`. Received: filepath={str(filepath)!r}")
    check_free(filepath, overwrite)
    if not model.built:
        warnings.warn("You are saving a model that has not yet been built: it has no weights yet.", stacklevel=3)
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": KERAS_VERSION, "date_saved": now, "gpunet_version": gpunet.__version__}
    config = json.dumps(serialize(model))
    weights = io.BytesIO()
    write_state(model, weights)
    assets = collect_assets(model)
    with replacing(filepath) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, config)
        archive.writestr(WEIGHTS, weights.getbuffer())
        write_assets(archive, assets)


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model of a `.keras` file that gpunet or Keras wrote.

    Args:
        custom_objects: classes and functions by name, where they are not registered.
        compile: whether to compile it as it was, and to restore the optimizer's state.
        safe_mode: refuse Python code in the file.

    Raises:
        ValueError: if the file is damaged, unsafe, or needs something unknown: before the model is made; or if its
            weights do not fit.
    """
    members = read_members(filepath)
    check_assets(members, str(filepath))
    try:
        config, metadata = json.loads(members[CONFIG]), json.loads(members[METADATA])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{filepath}: its configuration is not JSON. Received: {error}") from None
    if not isinstance(config, dict) or "class_name" not in config or not isinstance(metadata, dict):
        raise ValueError(f"{filepath}: its configuration is not that of a model. Received: {config!s:.80}")
    with custom_object_scope(custom_objects or {}), safe_mode_scope(safe_mode):
        check_known(config)
        state = parse_state(members[WEIGHTS], str(filepath))
        compiled = config.pop("compile_config", None)
        model = deserialize(config)
        if compile and compiled:
            if "gpunet_version" not in metadata:
                compiled["jit_compile"] = "auto"  # Keras writes what its backend made of it
            model.compile_from_config(compiled)
    if not compile:
        state = {path: arrays for path, arrays in state.items() if not path.startswith("optimizer")}
    apply_state(model, state)
    apply_assets(model, members)
    return model


def read_members(filepath: Any) -> dict[str, bytes]:
    """The files in a `.keras` archive, by name.

    Raises:
        ValueError: if it is damaged, lacks one of them, or has one that is far larger than its compressed self.
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
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{filepath} is not a whole .keras file. Received: {error}") from None
