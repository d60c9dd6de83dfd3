"""Models as scikit-learn's estimators."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpunet.wrappers.estimators import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        importlib.import_module("sklearn")
    except ImportError as error:
        raise ImportError(
            f"{name} requires `scikit-learn` to be installed. Run `pip install scikit-learn` to install it."
        ) from error
    return getattr(importlib.import_module("gpunet.wrappers.estimators"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
