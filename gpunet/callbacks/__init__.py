"""Callbacks, with the names and arguments of `keras.callbacks`."""

from gpunet.callbacks.callback import Callback, CallbackList, LazyLogs
from gpunet.callbacks.csv_logger import CSVLogger
from gpunet.callbacks.early_stopping import EarlyStopping
from gpunet.callbacks.history import History
from gpunet.callbacks.lambda_callback import LambdaCallback
from gpunet.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from gpunet.callbacks.progbar import ProgbarLogger
from gpunet.callbacks.swap_ema_weights import SwapEMAWeights
from gpunet.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LazyLogs",
    "LearningRateScheduler",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TerminateOnNaN",
]
