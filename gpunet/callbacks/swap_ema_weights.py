"""Evaluating with the moving averages of weights."""

from __future__ import annotations

from typing import Any

from gpunet.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages into the model while it is evaluated or predicts.

    Args:
        swap_on_epoch: from the end of each epoch to the beginning of the next one too, for callbacks that save weights.

    Raises:
        ValueError: in use, if the optimizer has no `use_ema=True`.
    """

    def __init__(self, swap_on_epoch: bool = False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _pairs(self) -> list[tuple[Any, Any]]:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        averaging = [one for one in getattr(optimizer, "optimizers", [optimizer]) if one.use_ema]
        if not averaging:
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. Received: use_ema=False"
            )
        return [pair for one in averaging for pair in one._average.pairs]

    def _swap(self, wanted: bool) -> None:
        """Have the averages in the model, or its own weights."""
        if self._swapped == wanted:
            return
        for variable, average in self._pairs():
            weights = variable.value
            variable.assign(average)
            average.assign(weights)
        self._swapped = wanted

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)
            if epoch == self.params["epochs"] - 1:
                for variable, average in self._pairs():
                    average.assign(variable)

    def on_test_begin(self, logs: Any = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Any = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Any = None) -> None:
        self._swap(False)
