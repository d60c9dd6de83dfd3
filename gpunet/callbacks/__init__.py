"""Callbacks, with the names and arguments of `keras.callbacks`."""

from gpunet.callbacks.backup_and_restore import BackupAndRestore
from gpunet.callbacks.callback import Callback, LazyLogs
from gpunet.callbacks.callback_list import CallbackList
from gpunet.callbacks.csv_logger import CSVLogger
from gpunet.callbacks.early_stopping import EarlyStopping
from gpunet.callbacks.history import History
from gpunet.callbacks.lambda_callback import LambdaCallback
from gpunet.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from gpunet.callbacks.model_checkpoint import ModelCheckpoint
from gpunet.callbacks.monitor import MonitorCallback
from gpunet.callbacks.progbar import ProgbarLogger
from gpunet.callbacks.remote_monitor import RemoteMonitor
from gpunet.callbacks.swap_ema_weights import SwapEMAWeights
from gpunet.callbacks.tensorboard import TensorBoard
from gpunet.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LazyLogs",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
