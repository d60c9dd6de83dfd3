"""Recorded steps: a function's primitives as a flat program over planned storage, replayed without its Python code."""

from gpunet.autograd.recording.arena import Arena
from gpunet.autograd.recording.function import RecordedFunction, as_tensor, function
from gpunet.autograd.recording.trace import CannotRecordError

__all__ = ["Arena", "CannotRecordError", "RecordedFunction", "as_tensor", "function"]
