"""A convolution and the batch normalisation that alone reads it, whose statistics the convolution can leave behind."""

from __future__ import annotations

from typing import Any

from gpunet import config
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import scopes, structure
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.layers.calling import call_state, get_mask
from gpunet.layers.convolutional.base_conv import BaseConv
from gpunet.layers.normalization.batch_normalization import BatchNormalization
from gpunet.models.fusion import is_plain
from gpunet.ops.conv_batch_norm import saves_a_pass
from gpunet.symbolic import KerasTensor


class NormalisedConvolution:
    """A convolution, a batch normalisation and what follows that one in its fusion: in training, on a GPU, one call.

    Args:
        convolution, normalisation: the layers.
        relu: whether the fusion ends in a ReLU, before which `addend`, if there is one, is added.
    """

    def __init__(
        self, convolution: BaseConv, normalisation: BatchNormalization, relu: bool, addend: KerasTensor | None
    ):
        self.convolution = convolution
        self.normalisation = normalisation
        self.relu = relu
        self._addend_is_known = addend is None or None not in addend.shape[1:]
        self._version = -1  # of the structure for which `_holds` is known
        self._holds = False
        self._dtype: Any = None

    def holds(self) -> bool:
        """Whether the layers as they are now can be computed together."""
        if self._version != structure.version:
            self._holds = config.is_fusion_enabled() and self._can_be()
            self._version = structure.version
        return self._holds

    def _can_be(self) -> bool:
        pair = (self.convolution, self.normalisation)
        kinds = {kind for layer in pair for kind in (layer.compute_dtype, layer.variable_dtype)}
        if len(kinds) != 1 or not is_float(as_dtype(*kinds)) or not all(map(is_plain, pair)):
            return False
        self._dtype = as_dtype(kinds.pop())
        last = self.convolution.data_format == "channels_last"
        is_last = last and self.normalisation.axis in (-1, self.convolution.rank + 1)
        return is_last and self.convolution.fused_activation == "linear" and self._addend_is_known

    def applies(self, x: Any, addend: Any = None) -> bool:
        """Whether these tensors, in this call, are better computed together."""
        if scopes.compute_dtype is not None or not self.holds():
            return False
        if not self.normalisation.uses_batch(call_state.training) or not all(map(self._fits, (x, addend))):
            return False
        return (addend is None or addend.shape[0] == x.shape[0]) and saves_a_pass(x)

    def _fits(self, x: Any) -> bool:
        return x is None or (type(x) is Tensor and x.dtype == self._dtype and get_mask(x) is None)

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
