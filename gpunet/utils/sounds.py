"""Folders of sounds as datasets."""

from __future__ import annotations

import functools
import sys
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.utils.folders import dataset_from_directory


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """A dataset of the `.wav` files in a folder, whose subfolders are the classes: batches of (sounds, labels).

    Sounds are float32 (batch, samples, channels) between −1 and 1, from 16-bit files.

    Args:
        sampling_rate: samples a second, which all files must have: nothing is resampled.
        output_sequence_length: samples to cut or fill up to with zeros; those of the longest of a batch where None.
        ragged: must be False: there are dense arrays only.
        others: as for `image_dataset_from_directory`.

    Raises:
        ValueError: on other modes, where there is no sound, or of another rate or width.
    """
    if ragged:
        raise ValueError("there are dense arrays only. Received: ragged=True")
    return dataset_from_directory(
        directory,
        functools.partial(_batch, sampling_rate, output_sequence_length),
        (".wav",),
        "audio files",
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
        verbose=verbose,
    )


def _batch(rate: int | None, length: int | None, paths: Sequence[str]) -> np.ndarray:
    sounds = [_sound(path, rate) for path in paths]
    channels = {x.shape[1] for x in sounds}
    if len(channels) > 1:
        raise ValueError(f"the files of a batch must have the same number of channels. Received: {sorted(channels)}")
    length = max(map(len, sounds)) if length is None else length
    batch = np.zeros((len(sounds), length, channels.pop()), "float32")
    for place, x in zip(batch, sounds):
        place[: len(x)] = x[:length]
    return batch


def _sound(path: str, rate: int | None) -> np.ndarray:
    """The samples of a file, (samples, channels)."""
    with wave.open(path, "rb") as file:
        found, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
        if width != 2:
            raise ValueError(f"{path}: expected samples of 16 bits. Received: {8 * width} bits")
        if rate is not None and found != rate:
            raise ValueError(f"{path}: expected {rate} samples a second, as sampling_rate says. Received: {found}")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    if sys.byteorder == "big":
        samples = samples.astype("=i2")
    return samples.reshape(-1, channels).astype("float32") / 32768.0
