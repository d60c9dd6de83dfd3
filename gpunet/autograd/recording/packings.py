"""Variables in the layouts that calls like best: packed when they have changed, rather than in every replay."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gpunet.autograd.recording.trace import Call, Constant, touches
from gpunet.autograd.variable import Variable, storages
from gpunet.backend.bound import Packing
from gpunet.backend.primitive import PRIMITIVES

_MOST_BYTES = 1 << 26  # of variables that a program keeps packed


class Packings:
    """The packed variables of one program, known to be out of date by the variables' versions.

    Only a variable's storage is kept packed, and only where no call of the program changes it. Other arrays may change
    without notice.
    """

    def __init__(self, calls: Sequence[Call]):
        self._calls = calls
        self._kept: list[_Kept] = []
        self._bytes = 0

    def renew(self) -> None:
        """Pack what has changed since the last time."""
        for kept in self._kept:
            if kept.version != kept.variable._version:
                kept.renew()

    def without(self, call: Call, step: Any) -> Callable[[], Any]:
        """A call that was made ready, without its packing if that can be kept."""
        packing: Packing | None = getattr(step, "packs", None)
        if packing is None:
            return step
        variable = self._steady(call.operands[packing.operand])
        if variable is None or self._bytes + variable.array.nbytes > _MOST_BYTES:
            return step
        found = packing.apart()
        if found is None:
            return step
        pack, step = found
        self._kept.append(_Kept(variable, pack))
        self._bytes += variable.array.nbytes
        return step

    def _steady(self, reference: Any) -> Variable | None:
        """The variable whose storage an operand is, if no call changes it."""
        variable = self._storages.get(id(reference.value)) if isinstance(reference, Constant) else None
        if variable is None or any(_may_change(call) and touches(call, variable.array) for call in self._calls):
            return None
        return variable

    @functools.cached_property
    def _storages(self) -> dict[int, Variable]:
        return storages()


class _Kept:
    def __init__(self, variable: Variable, pack: Callable[[], Any]):
        self.variable = variable
        self.version = -1
        self._pack = pack

    def renew(self) -> None:
        """Pack the values as they are now; a change that comes meanwhile has another version."""
        version = self.variable._version
        self._pack()
        self.version = version


def _may_change(call: Call) -> bool:
    """Whether it may write into its operands: in-place primitives return nothing, a user's own may do anything."""
    return not call.results or PRIMITIVES.get(call.primitive.name) is not call.primitive
