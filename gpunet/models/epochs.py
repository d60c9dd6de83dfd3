"""Where a training loop gets its batches, epoch by epoch, and where an interrupted one goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gpunet import config, tree
from gpunet.autograd.tensor import wrap
from gpunet.backend.devices import CPU, Device, to_device
from gpunet.backend.rows import Rows
from gpunet.data import Batches, make_batches, pack_batch, unpack_batch


class Resume(NamedTuple):
    """Where an interrupted training goes on: the epoch, how many of its batches are done, and what to do there."""

    epoch: int
    batch: int
    restore: Callable[[], None]


class Epochs:
    """Batches epoch by epoch, cut to `steps` and to `config.max_steps_per_epoch()`.

    A source that can be read only once is read on across epochs. Where it has nothing left, it is `exhausted`.

    Args:
        may_be_empty: whether an epoch without a batch is no error, as every one after the first is.
    """

    def __init__(self, source: Batches, steps: int | None, may_be_empty: bool = False):
        self.source = source
        self.steps = steps
        self._may_be_empty = may_be_empty
        self.one_pass = getattr(source, "one_pass", False)
        self.exhausted = False
        self._stream: Iterator[Any] | None = None

    def batches(self) -> Iterator[Any]:
        """The batches of one epoch, (x, y, sample_weight) or `Rows`."""
        if self._stream is None or not self.steps:
            self._stream = self._begun()
        done, most = 0, config.max_steps_per_epoch()
        while (self.steps is None or done < self.steps) and (not most or done < most):
            batch = next(self._stream, None)
            if batch is None and self.steps and not self.one_pass:
                self._stream = self._begun()
                batch = next(self._stream, None)
            if batch is None:
                break
            done += 1
            self._may_be_empty = True
            yield batch
        if done == 0 and not self._may_be_empty:
            raise ValueError("expected at least one batch of data. Received: none")
        if self.one_pass and done != most and (not self.steps or done < self.steps):
            self.exhausted = True
            if self.steps:
                warnings.warn(
                    f"Your input ran out of data; interrupting. Make sure that your generator can yield at least "
                    f"`steps_per_epoch * epochs` batches. Received: {done} of {self.steps} in this epoch",
                    stacklevel=3,
                )

    def _begun(self) -> Iterator[Any]:
        rows = getattr(self.source, "rows", None)
        found = rows() if rows is not None else None
        return self.source.epoch() if found is None else found


def validation_batches(data: Any, batch_size: int | None) -> Batches:
    if isinstance(data, tuple | list):
        return make_batches(*unpack_batch(tuple(data)), batch_size=batch_size)
    return make_batches(data)


def placed(batch: Any, home: Device, may_wait: bool = False) -> Any:
    """A batch as tensors on a device, in the shortest form.

    Args:
        may_wait: leave `Rows` for a recorded step to copy, where the device is the host.
    """
    if type(batch) is Rows:
        return batch if may_wait and home is CPU else _on(home, batch.taken())
    return pack_batch(*[_on(home, part) for part in batch])


def _on(home: Device, arrays: Any) -> Any:
    return tree.map_structure(lambda x: None if x is None else wrap(to_device(x, home)), arrays)
