"""Flat storage for parameters, gradients and moments, so that one update covers all parameters.

An arena holds the parameters of one dtype on one device in one buffer, each in a segment aligned to 256 bytes. A
variable moves into the arena of the first optimizer that is built with it and stays there; another optimizer keeps
gradients and moments of its own for it, and updates the parameter where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gpunet.autograd.variable import Variable
from gpunet.backend.devices import Device, backend_for, current_device, to_device
from gpunet.backend.memory import lasting
from gpunet.backend.primitives import update

ALIGNMENT = 256  # bytes: what the widest vector loads and TMA want


class Segment(NamedTuple):
    """A variable's place: `offset` and `length` in elements of the arena's flat arrays."""

    variable: Variable
    offset: int
    length: int
    owned: bool  # whether the parameter itself lives in this arena


class Run(NamedTuple):
    """Consecutive elements to update together: flat parameters, and their range in the flat gradients and moments."""

    parameters: Any
    start: int
    stop: int


class Arena:
    """Segments for variables of one dtype on one device.

    Args:
        variables: of equal dtype and device.
        slots: names of the moments to keep.
        values: what moments are at first, where not 0.
    """

    def __init__(self, variables: Sequence[Variable], slots: Sequence[str], values: Mapping[str, float] | None = None):
        self.dtype = variables[0].dtype
        self.device: Device = variables[0].device
        self.segments: list[Segment] = []
        self.size = 0
        for v in variables:
            self._append(v)
        self.parameters = self._zeros()
        self.gradients = self._zeros()
        self.moments = {slot: self._zeros() for slot in slots}
        for slot, value in (values or {}).items():
            update.assign(self.moments[slot], value)  # the space between segments too: rules may divide by it
        self._moment_variables: list[tuple[str, Segment, Variable]] = []
        self._link()

    def _zeros(self) -> Any:
        with current_device(self.device):
            return lasting(backend_for(self.device).xp, (self.size,), self.dtype, zeros=True)

    def _link(self) -> None:
        """Let variables and views share the storage of the flat arrays."""
        for segment in self.segments:
            if segment.owned:
                self._adopt(segment)
        for slot, segment, variable in self._moment_variables:
            variable.move_to(self.view(self.moments[slot], segment))
        self._views = [self.view(self.gradients, s) for s in self.segments]
        self._runs: dict[tuple[bool, ...], list[Run]] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies and pickles keep values, not shared storage: share it again."""
        self.__dict__.update(state)
        self._link()

    def add_moment(self, slot: str, segment: Segment, variable: Variable) -> None:
        """Let a variable show the moment of a segment."""
        self._moment_variables.append((slot, segment, variable))
        variable.move_to(self.view(self.moments[slot], segment))

    def _append(self, variable: Variable) -> None:
        self.segments.append(Segment(variable, self.size, variable.size, variable._arena is None))
        per_line = max(1, ALIGNMENT // self.dtype.itemsize)
        self.size += -(-variable.size // per_line) * per_line

    def view(self, flat: Any, segment: Segment) -> Any:
        """A segment of one of the flat arrays, in the variable's shape."""
        return flat[segment.offset : segment.offset + segment.length].reshape(segment.variable.shape)

    def _adopt(self, segment: Segment) -> None:
        """Move the variable's storage into the arena."""
        place = self.view(self.parameters, segment)
        update.assign(place, segment.variable.array)
        segment.variable.move_to(place)
        segment.variable._arena = self

    def runs(self, active: tuple[bool, ...]) -> list[Run]:
        """The runs of the active segments: neighbours joined, but for parameters that the backend calls large."""
        if active not in self._runs:
            self._runs[active] = list(self._find_runs(active))
        return self._runs[active]

    def _find_runs(self, active: Sequence[bool]) -> Iterator[Run]:
        large_from = backend_for(self.device).large
        start = stop = large = 0
        for segment, wanted in zip(self.segments, active):
            is_large = large_from is not None and segment.length >= large_from
            if not wanted or not segment.owned or (large and is_large):
                if stop > start:
                    yield Run(self.parameters[start:stop], start, stop)
                start = stop = large = 0
            if not wanted:
                continue
            end = segment.offset + segment.length
            if segment.owned:
                start = start if stop else segment.offset
                stop, large = end, large or is_large
            else:
                yield Run(segment.variable.array.reshape(-1), segment.offset, end)
        if stop > start:
            yield Run(self.parameters[start:stop], start, stop)

    def gather(self, gradients: dict[int, Any], scale: Any = None, nonfinite: Any = None) -> tuple[bool, ...]:
        """Copy gradients, by the id of their variable, into the flat ones; return which segments are active.

        They are divided by `scale`, and `nonfinite` becomes 1 where one is inf or NaN; see `update.gather`.
        """
        active, places, values = [], [], []
        for segment, view in zip(self.segments, self._views):
            g = gradients.get(id(segment.variable))
            wanted = g is not None and segment.variable._trainable
            active.append(wanted)
            if wanted:
                places.append(view)
                values.append(g if type(g) is type(view) else to_device(g, self.device))
        update.gather(self.gradients, places, values, scale=scale, nonfinite=nonfinite)
        return tuple(active)
