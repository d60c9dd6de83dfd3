"""Where a training loop gets its batches, epoch by epoch, and where an interrupted one goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gpunet import config, tree
from gpunet.autograd.tensor import wrap
from gpunet.backend.devices import CPU, Device, to_device
from gpunet.backend.rows import Rows
from gpunet.data import Batches, make_batches, unpack_batch
from gpunet.data.adapter import pack_batch


class Resume(NamedTuple):
    """Where an interrupted training goes on: the epoch, how many of its batches are done, and what to do there."""

    epoch: int
    batch: int
    restore: Callable[[], None]


class Epochs:
    """Batches epoch by epoch, cut to `steps` and to `config.max_steps_per_epoch()`.

    A source that can be read only once is read on across epochs.
    """

    def __init__(self, source: Batches, steps: int | None):
        self.source = source
        self.steps = steps
        self.one_pass = getattr(source, "one_pass", False)
        self.exhausted = False
        self._stream: Iterator[tuple] | None = None

    def batches(self) -> Iterator[tuple]:
        if self._stream is None or not self.steps:
            self._stream = self.source.epoch()
        done, most = 0, config.max_steps_per_epoch()
        while (self.steps is None or done < self.steps) and (not most or done < most):
            batch = next(self._stream, None)
            if batch is None and self.steps and not self.one_pass:
                self._stream = self.source.epoch()
                batch = next(self._stream, None)
            if batch is None:
                break
            done += 1
            yield batch
        if done == 0 and not self.exhausted:
            raise ValueError("expected at least one batch of data. Received: none")
        if self.one_pass and done != most and (not self.steps or done < self.steps):
            self.exhausted = True
            if self.steps:
                warnings.warn(
                    f"Your input ran out of data; interrupting. Make sure that your generator can yield at least "
                    f"`steps_per_epoch * epochs` batches. Received: {done} of {self.steps} in this epoch",
                    stacklevel=3,
                )


def validation_batches(data: Any, batch_size: int | None) -> Batches:
    if isinstance(data, tuple | list):
        return make_batches(*unpack_batch(tuple(data)), batch_size=batch_size)
    return make_batches(data)


def placed(batch: tuple, home: Device, may_wait: bool = False) -> Any:
    """A batch as tensors on a device, in the shortest form.

    Args:
        may_wait: leave `Rows` for a recorded step to copy, where the device is the host.
    """

    def place(x: Any) -> Any:
        if type(x) is Rows:
            if may_wait and home is CPU:
                return x
            x = x.taken()
        return None if x is None else wrap(to_device(x, home))

    return pack_batch(*[tree.map_structure(place, part) for part in batch])
