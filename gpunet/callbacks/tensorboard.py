"""Logs for TensorBoard."""

from __future__ import annotations

import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.callbacks.callback import Callback
from gpunet.utils import event_file
from gpunet.utils.event_file import EventFile


class TensorBoard(Callback):
    """Writes event files that TensorBoard shows: `tensorboard --logdir logs`. Neither it nor TensorFlow is needed here.

    Training goes to the folder `train` in `log_dir`, evaluation to `validation`.

    Args:
        log_dir: a folder for this alone.
        histogram_freq: every how many epochs to write histograms of the weights; 0 for never.
        write_graph: write the architecture of functional and Sequential models, a graph in TensorBoard.
        write_images: with `histogram_freq`, write the weights as pictures too.
        write_steps_per_second: write how fast training is.
        update_freq: "epoch", "batch", or every how many batches to write losses and metrics, which have to be read
            from the device then.
        profile_batch: only 0: there is no profile.
        embeddings_freq: every how many epochs to save the weights for the projector; 0 for never.
        embeddings_metadata: the file of labels of all embedding layers, or a dict of them by the layers' names.

    Raises:
        ValueError: on another `profile_batch`, or names that no embedding layer has.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ):
        super().__init__()
        if profile_batch:
            raise ValueError(f"Profiling is not available. Received: profile_batch={profile_batch} (must be 0)")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq: Any = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._files: dict[str, EventFile] = {}

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._files = {}
        if self.write_graph and hasattr(model, "inputs"):
            self._write_graph()
        if self.embeddings_freq:
            self._write_projector()

    def _write(self, where: str, step: int, summaries: list[bytes]) -> None:
        """Write to the file of "train" or "validation", which is made when it is first needed."""
        if summaries and where not in self._files:
            self._files[where] = EventFile(Path(self.log_dir) / where)
        if summaries:
            self._files[where].add(step, *summaries)

    def _write_scalars(self, where: str, step: int, logs: dict[str, Any]) -> None:
        self._write(where, step, [event_file.scalar(k, float(v)) for k, v in logs.items() if np.size(v) == 1])

    def _write_graph(self) -> None:
        try:
            description = self.model.to_json()
        except (NotImplementedError, TypeError) as error:
            warnings.warn(f"Model failed to serialize as JSON. Ignoring... {error}", stacklevel=2)
            return
        self._write("train", 0, [event_file.text("keras", description, "graph_keras_model", b"1")])

    def on_train_begin(self, logs: Any = None) -> None:
        self._batches = {"train": 0, "validation": 0}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batches["train"] += 1
        self._batch_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self._batches["train"]
        if self.update_freq == "epoch" or step % self.update_freq:
            return
        values = {f"batch_{name}": value for name, value in (logs or {}).items()}
        if self.write_steps_per_second:
            values["batch_steps_per_second"] = 1.0 / (time.perf_counter() - self._batch_started)
        self._write_scalars("train", step, values)

    def on_test_end(self, logs: Any = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            values = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
            self._write_scalars("validation", int(optimizer.iterations), values)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch_started = time.perf_counter()
        self._batches_before = self._batches["train"]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._write_epoch(epoch, logs or {})
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            folder = Path(self.log_dir) / "train"
            folder.mkdir(parents=True, exist_ok=True)
            self.model.save_weights(folder / f"keras_embedding.ckpt-{epoch}.weights.h5")

    def _write_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        training = {f"epoch_{name}": value for name, value in logs.items() if not name.startswith("val_")}
        training["epoch_learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            done = self._batches["train"] - self._batches_before
            training["epoch_steps_per_second"] = done / (time.perf_counter() - self._epoch_started)
        self._write_scalars("train", epoch, training)
        validation = {f"epoch_{name[4:]}": value for name, value in logs.items() if name.startswith("val_")}
        self._write_scalars("validation", epoch, validation)

    def _write_weights(self, epoch: int) -> None:
        for layer in self.model.layers:
            for weight in layer.weights:
                values = weight.numpy()
                self._write("train", epoch, [event_file.histogram(f"{weight.path}/histogram", values)])
                if self.write_images:
                    pictures = [
                        event_file.image(f"{weight.path}/image/{i}", p) for i, p in enumerate(_pictures(values))
                    ]
                    self._write("train", epoch, pictures)

    def _write_projector(self) -> None:
        from gpunet.layers import Embedding

        names = [layer.name for layer in self.model.layers if isinstance(layer, Embedding)]
        given = self.embeddings_metadata
        unknown = set(given) - set(names) if isinstance(given, dict) else set()
        if unknown:
            raise ValueError(
                f"Unrecognized `Embedding` layer names passed to `keras.callbacks.TensorBoard` `embeddings_metadata` "
                f"argument: {sorted(unknown)}"
            )
        lines = []
        for name in names:
            path = given.get(name) if isinstance(given, dict) else given
            metadata = f"  metadata_path: {json.dumps(path)}\n" if path else ""
            lines.append(
                f'embeddings {{\n  tensor_name: "layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE"\n'
                f"{metadata}}}\n"
            )
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        (Path(self.log_dir) / "projector_config.pbtxt").write_text("".join(lines))


def _pictures(values: np.ndarray) -> list[np.ndarray]:
    """A weight as grey pictures, at most three: a vector as a row, a matrix, the filters of a convolution."""
    values = np.squeeze(values)
    if values.ndim > 3 or not values.size:
        return []
    planes = np.moveaxis(values, -1, 0) if values.ndim == 3 else np.atleast_2d(values)[None]
    low, high = float(values.min()), float(values.max())
    grey = np.rint((planes - low) * (255 / (high - low or 1))).astype("uint8")
    return [(p.T if p.shape[0] > p.shape[1] else p)[..., None] for p in grey[:3]]
