"""`RematScope`: layers that are computed again in the backward pass."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

from gpunet import tree
from gpunet.autograd.recomputing import remat

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class _State(threading.local):
    def __init__(self) -> None:
        self.scopes: list[RematScope] = []


_state = _State()


class RematScope:
    """Layers that are made in this block are computed again in the backward pass, as `remat` does.

    Args:
        mode: "full" for all of them, "activations" for the activation functions of those that have one, "larger_than"
            for those whose output is large, "list_of_layers" for those of some names, None for none.
        output_size_threshold: "larger_than": for outputs of more elements than this, the batch included.
        layer_names: "list_of_layers": the names.

    Raises:
        ValueError: for another mode.

    Example:
        >>> with gpunet.RematScope(mode="larger_than", output_size_threshold=100_000):
        ...     layer = gpunet.layers.Conv2D(64, 3)
    """

    def __init__(self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Any = None):
        if mode not in _MODES:
            raise ValueError(f"RematScope: mode must be one of {_MODES}. Received: mode={mode!r}")
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names: Sequence[str] = layer_names or []

    def __enter__(self) -> RematScope:
        _state.scopes.append(self)
        return self

    def __exit__(self, *exc: Any) -> None:
        _state.scopes.pop()

    def applied_to(self, layer: Any) -> Callable:
        """The layer's `call`, computed again as this scope says."""
        if self.mode == "activations":
            return layer.call if getattr(layer, "activation", None) is None else _with_activation_again(layer)
        if self.mode == "list_of_layers" and layer.name not in self.layer_names:
            return layer.call
        return remat(layer.call, self._is_large if self.mode == "larger_than" else None)

    def _is_large(self, outputs: Any) -> bool:
        return sum(math.prod(y.shape) for y in tree.flatten(outputs)) > self.output_size_threshold


def current_remat_scope() -> RematScope | None:
    """The innermost scope, if it is for any layers."""
    scope = _state.scopes[-1] if _state.scopes else None
    return None if scope is None or scope.mode is None else scope


def _with_activation_again(layer: Any) -> Callable:
    """The layer's `call` with an activation function that is computed again."""

    def call(*args: Any, **kwargs: Any) -> Any:
        activation = layer.activation
        object.__setattr__(layer, "activation", remat(activation))
        try:
            return layer.call(*args, **kwargs)
        finally:
            object.__setattr__(layer, "activation", activation)

    return call
