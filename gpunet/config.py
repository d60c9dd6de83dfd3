"""Library-wide defaults, with the names of `keras.config`."""

from __future__ import annotations

from typing import Any

_FLOATX = ("bfloat16", "float16", "float32", "float64")
_FORMATS = ("channels_last", "channels_first")

_state: dict[str, Any] = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def floatx() -> str:
    """Return the default float dtype, `"float32"` unless changed by `set_floatx`."""
    return _state["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float dtype of new layers, variables and converted Python numbers."""
    if value not in _FLOATX:
        raise ValueError(f"set_floatx expected one of {_FLOATX}. Received: value={value!r}")
    _state["floatx"] = value


def epsilon() -> float:
    """Return the small constant that losses and metrics use against division by zero."""
    return _state["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the small constant returned by `epsilon`."""
    _state["epsilon"] = float(value)


def image_data_format() -> str:
    """Return the default layout of image layers, `"channels_last"` unless changed."""
    return _state["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of image layers: `"channels_last"` or `"channels_first"`."""
    _state["image_data_format"] = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """Return `data_format`, or the default where it is None; raise ValueError on anything else."""
    if data_format is None:
        return image_data_format()
    name = str(data_format).lower()
    if name not in _FORMATS:
        raise ValueError(f"data_format must be one of {_FORMATS}. Received: data_format={data_format!r}")
    return name
