"""Callbacks, with the names and arguments of `keras.callbacks`."""

from gpunet.callbacks.callback import Callback, CallbackList, LazyLogs
from gpunet.callbacks.early_stopping import EarlyStopping
from gpunet.callbacks.history import History
from gpunet.callbacks.lambda_callback import LambdaCallback
from gpunet.callbacks.progbar import ProgbarLogger
from gpunet.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LazyLogs",
    "ProgbarLogger",
    "TerminateOnNaN",
]
