"""What one library does for a seed: write a model with what it computes, or read the other's and compare."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.saving.exchange.draw import Draw
from tests.saving.exchange.models import SAMPLES, Case, build

STEPS = 3


def write(keras: Any, seed: int, stem: Path) -> None:
    """Build, train for two steps, save the model in every format, and what it computes then."""
    case = _built(keras, seed)
    if case.trains:
        losses(case.model, case, 2)
    case.model.save(f"{stem}.keras")
    case.model.save_weights(f"{stem}.weights.h5")
    outputs = predictions(keras, case.model, case.x)
    found = {"summary": summary(case.model)}
    found["losses"] = losses(case.model, case, STEPS) if case.trains else []
    Path(f"{stem}.json").write_text(json.dumps(found))
    np.savez(f"{stem}.npz", *outputs)


def read(keras: Any, seed: int, stem: Path) -> list[str]:
    """What differs between a model in a file and its copies: from the file, and built and given the weights."""
    wanted = json.loads(Path(f"{stem}.json").read_text())
    with np.load(f"{stem}.npz") as file:
        outputs = [file[name] for name in file.files]
    problems = []
    own = _built(keras, seed)
    own.model.load_weights(f"{stem}.keras")
    problems += compare("own outputs", predictions(keras, own.model, own.x), outputs, own.tolerance)
    own.model.load_weights(f"{stem}.weights.h5")
    problems += compare("weights' outputs", predictions(keras, own.model, own.x), outputs, own.tolerance)
    problems += _differences("own configuration", config_in(stem), config_of(keras, own.model))
    keras.utils.clear_session()
    model = keras.models.load_model(f"{stem}.keras")
    problems += _differences("configuration", config_in(stem), config_of(keras, model))
    if keras.__name__ != "keras":  # Keras adds rows for the masks that it computes
        problems += _differences("summary", _plain(wanted["summary"]), _plain(summary(model)))
    problems += compare("outputs", predictions(keras, model, own.x), outputs, own.tolerance)
    if own.trains:
        problems += compare("losses", losses(model, own, STEPS), wanted["losses"], 1e-4)
    return problems


def double_losses(keras: Any, seed: int, stem: Path) -> list[float]:
    """The losses that training a model of a file gives where everything is computed in float64."""
    case, double = _built(keras, seed), Path(f"{stem}.double.keras")
    with zipfile.ZipFile(f"{stem}.keras") as given, zipfile.ZipFile(double, "w") as changed:
        for name in given.namelist():
            content = given.read(name)
            changed.writestr(name, content.replace(b'"float32"', b'"float64"') if name == "config.json" else content)
    keras.config.set_floatx("float64")
    try:
        return losses(keras.models.load_model(double), case, STEPS)
    finally:
        keras.config.set_floatx("float32")


def _built(keras: Any, seed: int) -> Case:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return build(keras, seed)


def predictions(keras: Any, model: Any, x: Any) -> list[np.ndarray]:
    """The outputs in inference, as float64, from states as at the beginning."""
    _reset(model)
    found = keras.tree.flatten(model.predict(x, batch_size=SAMPLES, verbose=0))
    _reset(model)
    return [np.asarray(y, "float64") for y in found]


def losses(model: Any, case: Case, steps: int) -> list[float]:
    """The losses of some steps of training, each measured alone."""
    found = []
    for _ in range(steps):
        _reset(model)
        model.reset_metrics()
        found.append(float(model.train_on_batch(case.x, case.y, return_dict=True)["loss"]))
    _reset(model)
    return found


def _reset(model: Any) -> None:
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
            layer.reset_state()


def summary(model: Any) -> str:
    """The text of `model.summary()`, nested models and all, but for the optimizer, which reading may build."""
    lines: list[str] = []
    model.summary(line_length=120, print_fn=lines.append, expand_nested=True, show_trainable=True)
    return "\n".join(x for x in "\n".join(lines).split("\n") if "Total params" not in x and "Optimizer" not in x)


def _plain(text: str) -> list[str]:
    """The lines without widths of columns, and with one name for ops that are one in gpunet."""
    names = {"(TrueDivide)": "(Divide)", "(Amax)": "(Max)", "(Amin)": "(Min)"}
    for theirs, ours in names.items():
        text = text.replace(theirs, ours)
    return [re.sub(r"[ ━─]+", " ", line) for line in text.split("\n")]


def config_in(stem: Path) -> Any:
    """The configuration in a `.keras` file."""
    with zipfile.ZipFile(f"{stem}.keras") as archive:
        return _comparable(json.loads(archive.read("config.json")))


def config_of(keras: Any, model: Any) -> Any:
    """The configuration that a model would be saved with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _comparable(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))


def _comparable(config: Any) -> Any:
    """A configuration without what is a matter of the library: modules of backends, and how steps are compiled."""
    if isinstance(config, list):
        return [_comparable(item) for item in config]
    if not isinstance(config, dict):
        return round(config, 7) if isinstance(config, float) else config
    return {key: _comparable(value) for key, value in config.items() if key not in _LIBRARY}


_LIBRARY = {"module", "jit_compile", "shared_object_id"}


def _differences(what: str, wanted: Any, found: Any, path: str = "") -> list[str]:
    """The places where two structures of plain data differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{what} {path}: without {key!r} = {wanted[key]!r:.60}" for key in wanted if key not in found]
        more = [f"{what} {path}: with {key!r} = {found[key]!r:.60}" for key in found if key not in wanted]
        inner = [
            x for key in wanted if key in found for x in _differences(what, wanted[key], found[key], f"{path}/{key}")
        ]
        return missing + more + inner
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [x for i, (a, b) in enumerate(zip(wanted, found)) for x in _differences(what, a, b, f"{path}/{i}")]
    return [] if wanted == found else [f"{what} {path}: expected {wanted!r:.300}, found {found!r:.300}"]


def compare(what: str, found: list, wanted: list, tolerance: float) -> list[str]:
    """Where arrays differ by more than a share of the largest number."""
    if len(found) != len(wanted):
        return [f"{what}: {len(found)} in place of {len(wanted)}"]
    problems = []
    for i, (a, b) in enumerate(zip(found, wanted)):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            problems.append(f"{what} {i}: shape {a.shape} in place of {b.shape}")
        elif not np.allclose(
            a, b, rtol=tolerance, atol=tolerance * max(1e-2, np.abs(b).max(initial=0)), equal_nan=True
        ):
            problems.append(f"{what} {i}: differs by {np.abs(a - b).max():.2e}, of {np.abs(b).max():.2e}")
    return problems


def registered(keras: Any) -> None:
    """Register the classes and functions that files mention."""
    Draw(keras, 0)
