"""A layer applied to every step of a sequence."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.calling import signature_of
from gpunet.layers.core.wrapper import Wrapper


class TimeDistributed(Wrapper):
    """Calls a layer on each step: (batch, steps, ...) → (batch, steps, ...).

    Raises:
        ValueError: if the inputs have fewer than three axes, or the mask is not (batch, steps, ...).
    """

    def __init__(self, layer: Any, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def _step_shape(self, input_shape: Any) -> tuple:
        if len(input_shape) < 3:
            raise ValueError(
                f"`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions. "
                f"Received: {input_shape}"
            )
        return (input_shape[0], *input_shape[2:])

    def build(self, input_shape: Any = None) -> None:
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, steps) and what the layer makes of one step."""
        batch, *rest = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (batch, input_shape[1], *rest)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None and tuple(mask.shape[:2]) != tuple(inputs.shape[:2]):
            raise ValueError(
                f"The `mask` passed to the `TimeDistributed` layer has a shape {tuple(mask.shape)} that is "
                f"incompatible with the input shape {tuple(inputs.shape)}. The first two dimensions of the mask (batch "
                f"size and timesteps) must match the input's. Received: mask.shape={tuple(mask.shape)}"
            )
        signature = signature_of(self.layer)
        options: dict[str, Any] = {"training": training} if signature.takes_training else {}
        steps = []
        for i in range(inputs.shape[1]):
            if signature.takes_mask and mask is not None:
                options["mask"] = mask[:, i]
            steps.append(self.layer(inputs[:, i], **options))
        return ops.cast(ops.stack(steps, axis=1), self.compute_dtype)
