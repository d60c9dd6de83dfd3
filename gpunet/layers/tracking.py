"""Finding variables, layers, metrics and seed generators in the attributes of a layer, also inside containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet.autograd.variable import structure


class Tracker:
    """Sorts values into named lists by the first test that accepts them; containers are watched for later additions.

    Args:
        tests: name of a list → test. The lists are in `found`.
    """

    def __init__(self, tests: dict[str, Callable[[Any], bool]]):
        self.tests = tests
        self.found: dict[str, list] = {name: [] for name in tests}
        self.locked: str | None = None

    def track(self, value: Any) -> Any:
        """Note the value; return it, or a watched copy of a list or dict that may hold tracked values."""
        if isinstance(value, TrackedList | TrackedDict):
            return value
        for name, test in self.tests.items():
            if test(value):
                self._add(value, self.found[name])
                return value
        if type(value) is list:
            return TrackedList(value, self)
        if type(value) is dict:
            return TrackedDict(value, self)
        if type(value) is tuple:
            return tuple(map(self.track, value))
        return value

    def _add(self, value: Any, found: list) -> None:
        if any(value is x for x in found):
            return
        if self.locked and found is self.found["variables"]:
            raise ValueError(self.locked)
        structure.version += 1
        found.append(value)

    def untrack(self, value: Any) -> None:
        """Forget the value."""
        for found in self.found.values():
            kept = [x for x in found if x is not value]
            if len(kept) < len(found):  # a list of plain values may change without ending recordings
                structure.version += 1
                found[:] = kept


class TrackedList(list):
    """A list whose items are tracked."""

    tracker: Tracker | None = None

    def __init__(self, values: Any = (), tracker: Tracker | None = None):
        self.tracker = tracker
        super().__init__(map(tracker.track, values) if tracker else values)

    def _track(self, value: Any) -> Any:
        return self.tracker.track(value) if self.tracker else value

    def append(self, value: Any) -> None:
        super().append(self._track(value))

    def insert(self, index: Any, value: Any) -> None:
        super().insert(index, self._track(value))

    def extend(self, values: Any) -> None:
        super().extend(map(self._track, values))

    def __iadd__(self, values: Any):  # type: ignore[misc]  # a list grows by any iterable
        self.extend(values)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, list(map(self._track, value)) if isinstance(index, slice) else self._track(value))

    def _forget(self, value: Any) -> Any:
        if self.tracker:
            self.tracker.untrack(value)
        return value

    def pop(self, index: Any = -1) -> Any:
        return self._forget(super().pop(index))

    def remove(self, value: Any) -> None:
        self.pop(next(i for i, x in enumerate(self) if x is value))

    def clear(self) -> None:
        while self:
            self.pop()


class TrackedDict(dict):
    """A dict whose values are tracked."""

    tracker: Tracker | None = None

    def __init__(self, values: Any = (), tracker: Tracker | None = None):
        self.tracker = tracker
        super().__init__({key: self._track(value) for key, value in dict(values).items()})

    def _track(self, value: Any) -> Any:
        return self.tracker.track(value) if self.tracker else value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, self._track(value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def _forget(self, value: Any) -> Any:
        if self.tracker:
            self.tracker.untrack(value)
        return value

    def pop(self, key: Any, *default: Any) -> Any:
        return self._forget(super().pop(key, *default))

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def clear(self) -> None:
        for key in list(self):
            self.pop(key)
