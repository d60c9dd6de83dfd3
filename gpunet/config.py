"""Library-wide defaults, with the names of `keras.config`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from typing import Any

_FLOATX = ("bfloat16", "float16", "float32", "float64")
_FORMATS = ("channels_last", "channels_first")

_CPU_PROVIDERS = ("onednn", "numba", "numpy")

_state: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "threads": None,
    "fusion": True,
}
_observers: dict[str, list[Callable[[], object]]] = {}


def observe(name: str, callback: Callable[[], object]) -> None:
    """Call `callback()` after each change of the setting `name`."""
    _observers.setdefault(name, []).append(callback)


def _change(name: str, value: Any) -> None:
    _state[name] = value
    for callback in _observers.get(name, ()):
        callback()


def floatx() -> str:
    """Return the default float dtype, `"float32"` unless changed by `set_floatx`."""
    return _state["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float dtype of new layers, variables and converted Python numbers."""
    if value not in _FLOATX:
        raise ValueError(f"set_floatx expected one of {_FLOATX}. Received: value={value!r}")
    _change("floatx", value)


def epsilon() -> float:
    """Return the small constant that losses and metrics use against division by zero."""
    return _state["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the small constant returned by `epsilon`."""
    _change("epsilon", float(value))


def image_data_format() -> str:
    """Return the default layout of image layers, `"channels_last"` unless changed."""
    return _state["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of image layers: `"channels_last"` or `"channels_first"`."""
    _change("image_data_format", standardize_data_format(data_format))


def standardize_data_format(data_format: str | None) -> str:
    """Return `data_format`, or the default where it is None; raise ValueError on anything else."""
    if data_format is None:
        return image_data_format()
    name = str(data_format).lower()
    if name not in _FORMATS:
        raise ValueError(f"data_format must be one of {_FORMATS}. Received: data_format={data_format!r}")
    return name


def threads() -> int | None:
    """Return how many threads the CPU providers were told to use; None: as many as this process has cores."""
    return _state["threads"]


def backend() -> str:
    """Return "gpunet", where Keras names the library that it runs on."""
    return "gpunet"


def enable_flash_attention() -> None:
    """Note that attention may be computed in blocks. gpunet computes it in one way, to the same values."""
    _state["flash_attention"] = True


def disable_flash_attention() -> None:
    """Note that attention is not to be computed in blocks."""
    _state["flash_attention"] = False


def is_flash_attention_enabled() -> bool | None:
    """Return what was noted, None where nothing was."""
    return _state.get("flash_attention")


def set_threads(count: int | None) -> None:
    """Set how many threads gpunet's work on the CPU takes: its own, BLAS's and OpenMP's; None is the default.

    BLAS and OpenMP are shared with the rest of the process, which gets the same number.
    """
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"set_threads expected a positive int or None. Received: count={count!r}")
    _change("threads", count)


def enable_fusion() -> None:
    """Let functional and Sequential models compute some of their layers together, as they do by default."""
    _change("fusion", True)


def disable_fusion() -> None:
    """Let functional and Sequential models call each of their layers by itself, which rounds differently."""
    _change("fusion", False)


def is_fusion_enabled() -> bool:
    """Return whether functional and Sequential models compute some of their layers together (`model.fusions`)."""
    return _state["fusion"]


def cpu_providers() -> tuple[str, ...]:
    """Return which providers may serve NumPy arrays, by default those of `GPUNET_CPU_PROVIDERS` or all.

    Those that are not installed are passed over; `portable` serves what is left.
    """
    if "cpu_providers" not in _state:
        named = os.environ.get("GPUNET_CPU_PROVIDERS")
        _state["cpu_providers"] = _CPU_PROVIDERS if named is None else _providers(named.replace(",", " ").split())
    return _state["cpu_providers"]


def set_cpu_providers(names: Iterable[str] | None) -> None:
    """Choose which of "onednn", "numba" and "numpy" may serve NumPy arrays; None is all of them, () only `portable`."""
    _change("cpu_providers", _CPU_PROVIDERS if names is None else _providers(names))


def _providers(names: Iterable[str]) -> tuple[str, ...]:
    names = tuple(names)
    if isinstance(names, str) or any(name not in (*_CPU_PROVIDERS, "portable") for name in names):
        raise ValueError(f"CPU providers are {(*_CPU_PROVIDERS, 'portable')}. Received: {names!r}")
    return tuple(name for name in _CPU_PROVIDERS if name in names)


def enable_interactive_logging() -> None:
    """Show progress as a bar that moves where the output is a terminal, and print summaries; the default."""
    _state["interactive"] = True


def disable_interactive_logging() -> None:
    """Show progress as plain lines, also in a terminal, as suits a log file."""
    _state["interactive"] = False


def is_interactive_logging_enabled() -> bool:
    """Return whether progress may be shown as a bar."""
    return _state.get("interactive", True)


def enable_unsafe_deserialization() -> None:
    """Load models as if with `safe_mode=False`, everywhere. Python code in files is not run all the same."""
    _state["unsafe"] = True


def is_unsafe_deserialization_enabled() -> bool:
    """Return whether `enable_unsafe_deserialization` was called."""
    return _state.get("unsafe", False)


def enable_traceback_filtering() -> None:
    """Do nothing, for scripts that call it: tracebacks are never shortened here."""


def disable_traceback_filtering() -> None:
    """Do nothing, for scripts that call it: tracebacks are never shortened here."""


def is_traceback_filtering_enabled() -> bool:
    """Return False: tracebacks are never shortened here."""
    return False


def max_epochs() -> int | None:
    """Return the most epochs that any `fit` runs: a setting, else `KERAS_MAX_EPOCHS`, else None."""
    return _limit("max_epochs", "KERAS_MAX_EPOCHS")


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the epochs of any `fit`, to try out a script; None is no limit."""
    _state["max_epochs"] = _checked_limit("max_epochs", max_epochs)


def max_steps_per_epoch() -> int | None:
    """Return the most steps of any epoch: a setting, else `KERAS_MAX_STEPS_PER_EPOCH`, else None."""
    return _limit("max_steps_per_epoch", "KERAS_MAX_STEPS_PER_EPOCH")


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the steps of any epoch, evaluation or prediction; None is no limit."""
    _state["max_steps_per_epoch"] = _checked_limit("max_steps_per_epoch", max_steps_per_epoch)


def _limit(name: str, variable: str) -> int | None:
    if name not in _state and variable in os.environ:
        _state[name] = _checked_limit(variable, int(os.environ[variable]))
    return _state.get(name)


def _checked_limit(name: str, count: int | None) -> int | None:
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"{name} must be a positive int or None. Received: {name}={count!r}")
    return count


def __getattr__(name: str) -> Any:
    """`dtype_policy` and `set_dtype_policy`, which Keras has here and which live further up."""
    if name in ("dtype_policy", "set_dtype_policy"):
        return getattr(importlib.import_module("gpunet.dtype_policies"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
