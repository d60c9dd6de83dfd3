"""The list that calls callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import tree
from gpunet.callbacks.callback import Callback
from gpunet.callbacks.history import History
from gpunet.callbacks.progbar import ProgbarLogger

_HOOKS = [name for name in vars(Callback) if name.startswith("on_")]
_WITHOUT_NUMBER = {f"on_{what}_{when}" for what in ("train", "test", "predict") for when in ("begin", "end")}


def _overrides(callback: Any, hook: str) -> bool:
    """True if the callback does something in `hook`; any object with such a method will do."""
    if hook in vars(callback):
        return True
    method = getattr(type(callback), hook, None)
    if hook in ("on_train_batch_begin", "on_train_batch_end"):
        alias = hook.replace("train_", "")
        return method is not getattr(Callback, hook) or _overrides(callback, alias)
    return method is not None and method is not getattr(Callback, hook)


def as_list(callbacks: Any) -> list[Any]:
    """Callbacks given as None, one, nested lists, or a `CallbackList`."""
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    return [] if callbacks is None else tree.flatten(callbacks)


class CallbackList:
    """Calls each hook on the callbacks that have one, in order.

    Args:
        callbacks: a callback, or a list or nested lists of them.
        add_history: append a `History` where there is none.
        add_progbar: append a `ProgbarLogger` where there is none.
        model: the model that they are told.
        params: what they are told besides: `verbose`, `epochs`, `steps`.

    Raises:
        TypeError: if one is not a callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ):
        self.callbacks = as_list(callbacks)
        for wanted, kind in ((add_progbar, ProgbarLogger), (add_history, History)):
            if wanted and not any(isinstance(c, kind) for c in self.callbacks):
                self.callbacks.append(kind())
        for callback in self.callbacks:
            _check(callback)
        self.set_model(model)
        self.set_params(params)

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        _check(callback)
        self.callbacks.append(callback)
        self._connect()

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell all of them the parameters of the training."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Tell all of them their model."""
        self.model = model
        for callback in self.callbacks if model is not None else ():
            callback.set_model(model)
            if isinstance(callback, History):
                object.__setattr__(model, "history", callback)  # a plain assignment would begin recordings anew
        self._connect()

    def _connect(self) -> None:
        vars(self).update(_NOBODY)
        for hook in _HOOKS if self.callbacks else ():
            setattr(self, hook, _caller(hook, [getattr(c, hook) for c in self.callbacks if _overrides(c, hook)]))

    def __getattr__(self, name: str) -> Any:  # for type checkers: hooks are set in _connect
        raise AttributeError(name)


def _check(callback: Any) -> None:
    if isinstance(callback, type) or not hasattr(callback, "set_model"):
        raise TypeError(f"callbacks must be Callback objects. Received: {callback!r}")


def _caller(hook: str, listeners: list[Callable]) -> Callable:
    if not listeners:
        return nothing
    count = 1 if hook in _WITHOUT_NUMBER else 2

    def call(*args: Any, logs: Any = None) -> None:
        if len(args) < count:
            args = (*args, {} if logs is None else logs)
        for listener in listeners:
            listener(*args)

    return call


def nothing(*args: Any, **kwargs: Any) -> None:
    """What a hook does that nobody listens to."""


_NOBODY = dict.fromkeys(_HOOKS, nothing)
