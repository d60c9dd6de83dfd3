"""Stands for what the library under test does not have, or what is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_loading = 0


@contextmanager
def loading() -> Iterator[None]:
    """While a test file is loaded, absent names can be called and taken apart, as decorators and parameters do."""
    global _loading
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1


class Absent:
    """A name that is public nowhere. Using it in a test is an error of that test."""

    def __init__(self, name: str):
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._used(f".{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._used("()")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """A class of a test that derives from it is an ordinary one."""
        self._used("")
        return ()

    def __bool__(self) -> bool:
        return False

    def _used(self, how: str) -> "Absent":
        if not _loading:
            raise NotImplementedError(f"{self._name} is not there (used as {self._name}{how})")
        return Absent(self._name + how)
