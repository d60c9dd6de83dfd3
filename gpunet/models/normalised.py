"""A convolution and the batch normalisation that alone reads it, whose statistics the convolution can leave behind."""

from __future__ import annotations

from typing import Any

from gpunet.autograd.variable import scopes
from gpunet.layers.calling import call_state
from gpunet.layers.convolutional.base_conv import BaseConv
from gpunet.layers.normalization.batch_normalization import BatchNormalization
from gpunet.models.fusion import Together
from gpunet.ops.conv_batch_norm import saves_a_pass
from gpunet.symbolic import KerasTensor


class NormalisedConvolution(Together):
    """A convolution, a batch normalisation and what follows that one in its fusion: in training, on a GPU, one call.

    Args:
        convolution, normalisation: the layers.
        relu: whether the fusion ends in a ReLU, before which `addend`, if there is one, is added.
    """

    def __init__(
        self, convolution: BaseConv, normalisation: BatchNormalization, relu: bool, addend: KerasTensor | None
    ):
        super().__init__([convolution, normalisation])
        self.convolution = convolution
        self.normalisation = normalisation
        self.relu = relu
        self._addend_is_known = addend is None or None not in addend.shape[1:]

    def _can_be(self) -> bool:
        last = self.convolution.data_format == "channels_last"
        is_last = last and self.normalisation.axis in (-1, self.convolution.rank + 1)
        is_linear = self.convolution.fused_activation == "linear"
        return super()._can_be() and is_last and is_linear and self._addend_is_known

    def applies(self, x: Any, addend: Any = None) -> bool:
        """Whether these tensors, in this call, are better computed together."""
        if scopes.compute_dtype is not None or not self.holds():
            return False
        if not self.normalisation.uses_batch(call_state.training) or not self._fits(x):
            return False
        if addend is not None and (not self._fits(addend) or addend.shape[0] != x.shape[0]):
            return False
        return saves_a_pass(x)

    def compute(self, x: Any, addend: Any = None) -> Any:
        """The output of the ReLU, or of the normalisation where there is none."""
        self.convolution._check_inputs(x)
        return self.normalisation.call_behind(self.convolution, x, self.relu, addend)


def can_be_normalised(convolution: Any, normalisation: Any) -> bool:
    """Whether the layers compute what `BaseConv` and `BatchNormalization` do."""
    if not (isinstance(convolution, BaseConv) and isinstance(normalisation, BatchNormalization)):
        return False
    return all(
        getattr(type(layer), name) is getattr(base, name)
        for layer, base in ((convolution, BaseConv), (normalisation, BatchNormalization))
        for name in ("call", "call_fused")
    )
