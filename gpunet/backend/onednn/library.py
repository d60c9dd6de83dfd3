"""Finding and loading oneDNN (`libdnnl.so.3`), the prototypes of its C functions, and the CPU engine."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any, NamedTuple

_SONAME = "libdnnl.so.3"
_WHEEL = "onednn-cpu-gomp"
_SYNCHRONOUS = (1, 2, 4)  # runtimes (sequential, OpenMP, TBB) that have computed when a call returns
_CPU = 1
# Turns of a waiting thread of libgomp's, much longer than waking it takes. Its own 300,000 are milliseconds, which a
# core that other programs want too lacks for the work that is waited for.
_SPIN = ("GOMP_SPINCOUNT", "10000")
_WAITING = ("OMP_WAIT_POLICY", _SPIN[0])  # in the environment: how threads wait is the user's choice
_UNIMPLEMENTED = 3
_STATUS = {
    1: "out of memory",
    2: "invalid arguments",
    _UNIMPLEMENTED: "unimplemented",
    4: "last implementation reached",
    5: "runtime error",
    6: "not required",
}

P, PP, DIMS = c_void_p, POINTER(c_void_p), POINTER(c_int64)
_PADDED = [DIMS, DIMS, DIMS, DIMS]  # strides, dilation, low and high padding
# name → argument types; each returns a status
_PROTOTYPES: dict[str, list[Any]] = {
    "engine_create": [PP, c_int, c_size_t],
    "stream_create": [PP, P, c_uint32],
    "stream_destroy": [P],
    "memory_desc_create_with_strides": [PP, c_int, DIMS, c_int, DIMS],
    "memory_desc_create_with_tag": [PP, c_int, DIMS, c_int, c_int],
    "memory_desc_destroy": [P],
    "memory_create": [PP, P, P, P],
    "memory_destroy": [P],
    "memory_set_data_handle": [P, P],
    "primitive_attr_create": [PP],
    "primitive_attr_destroy": [P],
    "primitive_attr_set_scratchpad_mode": [P, c_int],
    "primitive_attr_set_post_ops": [P, P],
    "post_ops_create": [PP],
    "post_ops_destroy": [P],
    "post_ops_append_eltwise": [P, c_int, c_float, c_float],
    "primitive_create": [PP, P],
    "primitive_destroy": [P],
    "primitive_execute": [P, P, c_int, P],
    "primitive_desc_query": [P, c_int, c_int, P],
    "primitive_desc_destroy": [P],
    "reorder_primitive_desc_create": [PP, P, P, P, P, P],
    "matmul_primitive_desc_create": [PP, P, P, P, P, P, P],
    "convolution_forward_primitive_desc_create": [PP, P, c_int, c_int, P, P, P, P, *_PADDED, P],
    "convolution_backward_data_primitive_desc_create": [PP, P, c_int, P, P, P, *_PADDED, P, P],
    "convolution_backward_weights_primitive_desc_create": [PP, P, c_int, P, P, P, P, *_PADDED, P, P],
    "pooling_forward_primitive_desc_create": [PP, P, c_int, c_int, P, P, DIMS, DIMS, DIMS, DIMS, DIMS, P],
    "pooling_backward_primitive_desc_create": [PP, P, c_int, P, P, DIMS, DIMS, DIMS, DIMS, DIMS, P, P],
    "batch_normalization_forward_primitive_desc_create": [PP, P, c_int, P, P, c_float, c_uint32, P],
    "batch_normalization_backward_primitive_desc_create": [PP, P, c_int, P, P, P, c_float, c_uint32, P, P],
}


class _Version(ctypes.Structure):
    _fields_ = [
        ("major", c_int),
        ("minor", c_int),
        ("patch", c_int),
        ("hash", c_char_p),
        ("cpu_runtime", c_uint32),
        ("gpu_runtime", c_uint32),
    ]


class OneDNNError(RuntimeError):
    """A call into oneDNN failed; the message names the function and the status."""


class UnimplementedError(OneDNNError):
    """oneDNN has no code for these shapes and attributes on this processor."""


class Library(NamedTuple):
    """oneDNN, loaded. `calls` release the GIL, `quick` has the same functions without that."""

    path: str
    version: str
    calls: ctypes.CDLL
    quick: ctypes.PyDLL
    engine: int
    process: int  # that loaded it


def check(status: int, what: str) -> None:
    """Raise OneDNNError unless `status` means success."""
    if status:
        kind = UnimplementedError if status == _UNIMPLEMENTED else OneDNNError
        raise kind(f"oneDNN: {what} failed: {_STATUS.get(status, 'unknown status')} (status {status})")


def _candidates() -> Iterator[str]:
    """Where the library may be, the likeliest first: the wheel's place, the wheel installed elsewhere, the system."""
    yield os.path.join(sys.prefix, "lib", _SONAME)
    from importlib import metadata

    try:
        files = metadata.files(_WHEEL) or []
    except metadata.PackageNotFoundError:
        files = []
    yield from (str(file.locate()) for file in files if file.name == _SONAME)
    yield _SONAME


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """Have libgomp, which reads the environment when it is loaded, let its threads sleep soon."""
    if any(name in os.environ for name in _WAITING):
        yield
        return
    name, turns = _SPIN
    os.environ[name] = turns
    try:
        yield
    finally:
        os.environ.pop(name, None)


def _open(path: str) -> Library:
    """Load one candidate; OSError or OneDNNError says why it is of no use."""
    with _short_waits():
        calls, quick = ctypes.CDLL(path), ctypes.PyDLL(path)
    calls.dnnl_version.restype = POINTER(_Version)
    version = calls.dnnl_version().contents
    text = f"{version.major}.{version.minor}.{version.patch}"
    if version.major != 3 or version.cpu_runtime not in _SYNCHRONOUS:
        raise OneDNNError(f"{path} is oneDNN {text} with runtime {version.cpu_runtime}; expected oneDNN 3 with OpenMP")
    for library in (calls, quick):
        _declare(library)
    engine = c_void_p()
    check(calls.dnnl_engine_create(ctypes.byref(engine), _CPU, 0), "engine_create")
    return Library(path, text, calls, quick, engine.value or 0, os.getpid())


def _declare(library: ctypes.CDLL) -> None:
    for name, types in _PROTOTYPES.items():
        function = getattr(library, f"dnnl_{name}")
        function.argtypes, function.restype = types, c_int
    library.dnnl_primitive_desc_query_md.argtypes = [P, c_int, c_int]
    library.dnnl_primitive_desc_query_md.restype = P
    library.dnnl_memory_desc_get_size.argtypes = [P]
    library.dnnl_memory_desc_get_size.restype = c_size_t
    library.dnnl_memory_desc_equal.argtypes = [P, P]
    library.dnnl_memory_desc_equal.restype = c_int


@functools.cache
def _search() -> tuple[Library | None, str]:
    """(the library, "") or (None, why there is none)."""
    reasons = []
    for path in _candidates():
        if os.path.isabs(path) and not os.path.exists(path):
            continue
        try:
            return _open(path), ""
        except (OSError, OneDNNError, AttributeError) as error:  # AttributeError: a function is missing
            reasons.append(str(error))
    return None, "; ".join(reasons)


def find() -> Library | None:
    """The library, loaded at the first call; None where there is none."""
    return _search()[0]


def is_usable() -> bool:
    """Whether primitives can run: the library is there, and was loaded by this process, not by one that forked it.

    OpenMP's threads do not survive a fork, and a region that waits for them waits forever.
    """
    found = find()
    return found is not None and found.process == os.getpid()


def absence() -> str:
    """Why there is no library, in words; "" where there is one."""
    library, reason = _search()
    return "" if library else f"{reason} (pip install {_WHEEL})"


def library() -> Library:
    """The library.

    Raises:
        OneDNNError: if there is none.
    """
    found = find()
    if found is None:
        raise OneDNNError(f"oneDNN was not found: {absence()}")
    return found


class Handle:
    """An object of oneDNN's, destroyed with this one."""

    __slots__ = ("_destroy", "value")

    def __init__(self, kind: str, create: str, *arguments: Any):
        calls = library().calls
        value = c_void_p()
        check(getattr(calls, f"dnnl_{create}")(ctypes.byref(value), *arguments), create)
        self.value = value.value
        self._destroy = getattr(calls, f"dnnl_{kind}_destroy")

    def __del__(self):
        if hasattr(self, "_destroy"):
            self._destroy(self.value)


def dims(values) -> Any:
    """A C array of 64-bit sizes."""
    return (c_int64 * len(values))(*values)
