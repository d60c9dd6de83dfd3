"""Stopping when the loss is not a number."""

from __future__ import annotations

import math
from typing import Any

from gpunet.callbacks.callback import Callback


class TerminateOnNaN(Callback):
    """Stops training after a batch whose loss is NaN or infinite. Reads the loss of every batch, which costs time."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True
