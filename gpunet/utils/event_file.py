"""TensorBoard's event files, written without TensorFlow.

A file is a sequence of records (length, checksum, bytes, checksum) whose bytes are `Event` messages of protocol
buffers: fields of a number and a kind each, as in tensorflow/core/util/event.proto and framework/summary.proto.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
import zlib
from pathlib import Path

import numpy as np

_serial = itertools.count()


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)  # Castagnoli's polynomial, reflected
        table.append(value)
    return table


_CRC = _crc_table()


def _checksum(data: bytes) -> bytes:
    """CRC-32C, turned and shifted as TensorFlow's records have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(value: int) -> bytes:
    """A non-negative integer, seven bits per byte."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: bytes | str | int | float) -> bytes:
    """One field of a message: text and bytes with their length, ints as varints, floats as doubles."""
    if isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(data)) + data
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    return varint(number << 3) + varint(value)


def _metadata(plugin: str, content: bytes = b"") -> bytes:
    return field(9, field(1, field(1, plugin) + (field(2, content) if content else b"")))


def scalar(tag: str, value: float) -> bytes:
    """A summary of one number."""
    return field(1, tag) + varint(2 << 3 | 5) + struct.pack("<f", value) + _metadata("scalars")


def histogram(tag: str, values: np.ndarray, bins: int = 30) -> bytes:
    """A summary of how values are distributed."""
    values = np.asarray(values, "float64").reshape(-1)
    values = values[np.isfinite(values)]
    if not values.size:
        values = np.zeros(1)
    counts, edges = np.histogram(values, bins)
    numbers = (values.min(), values.max(), float(values.size), values.sum(), np.square(values).sum())
    message = b"".join(field(i + 1, float(x)) for i, x in enumerate(numbers))
    message += field(6, edges[1:].astype("<f8").tobytes()) + field(7, counts.astype("<f8").tobytes())
    return field(1, tag) + field(5, message) + _metadata("histograms")


def image(tag: str, pixels: np.ndarray) -> bytes:
    """A summary of a picture: uint8 of shape (height, width, 1, 3 or 4)."""
    height, width, channels = pixels.shape
    message = field(1, height) + field(2, width) + field(3, channels) + field(4, png(pixels))
    return field(1, tag) + field(4, message) + _metadata("images")


def text(tag: str, value: str, plugin: str, content: bytes = b"") -> bytes:
    """A summary of a text that a plugin of TensorBoard reads."""
    tensor = field(1, 7) + field(2, b"") + field(8, value)  # DT_STRING, a scalar
    return field(1, tag) + field(8, tensor) + _metadata(plugin, content)


def png(pixels: np.ndarray) -> bytes:
    """uint8 pixels (height, width, 1, 2, 3 or 4) as a PNG file."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class EventFile:
    """An event file in a folder, made now; each write is complete in the file when it returns.

    Args:
        folder: made where it is not there.
    """

    def __init__(self, folder: str | os.PathLike):
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_serial)}.v2"
        self._path = Path(folder) / name
        self._record(field(1, time.time()) + field(3, "brain.Event:2"))

    def add(self, step: int, *summaries: bytes) -> None:
        """Write summaries of one step."""
        message = b"".join(field(1, summary) for summary in summaries)
        self._record(field(1, time.time()) + field(2, int(step)) + field(5, message))

    def _record(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        with self._path.open("ab") as file:  # not kept open: nobody has to close it when a training is interrupted
            file.write(length + _checksum(length) + data + _checksum(data))
