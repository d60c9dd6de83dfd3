"""Recorded steps: a function's primitives as a flat program over planned storage, replayed without its Python code."""

from gpunet.autograd.recording.arena import Arena
from gpunet.autograd.recording.function import RecordedFunction, as_tensors, function

__all__ = ["Arena", "RecordedFunction", "as_tensors", "function"]
