"""Sequences of different lengths; see `gpunet.utils`."""

from gpunet.utils.sequences import pad_sequences

__all__ = ["pad_sequences"]
