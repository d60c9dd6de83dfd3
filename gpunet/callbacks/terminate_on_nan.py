"""Stopping when the loss is not a number."""

from __future__ import annotations

import math
from typing import Any

from gpunet.callbacks.callback import Callback


class TerminateOnNaN(Callback):
    """Stops training after a batch whose loss is NaN or infinite. Reads the loss of every batch, which costs time.

    Args:
        raise_error: raise RuntimeError rather than stop gracefully: no callback's `on_train_end` is called then.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            if self.raise_error:
                raise RuntimeError(
                    f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training "
                    f"immediately."
                )
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True
