"""Plans: primitives of oneDNN made once for shapes and attributes, kept per thread, executed on arrays."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from ctypes import c_char_p, c_void_p
from typing import Any

import numpy as np

from gpunet import config
from gpunet.backend.numba_cpu.team import mark_team
from gpunet.backend.onednn.library import Handle, UnimplementedError, check, library
from gpunet.backend.onednn.memory import address, byte_size, same_layout, workspace

SRC, DST, WEIGHTS, BIAS, MEAN, VARIANCE, SCALE, SHIFT, WORKSPACE, SCRATCHPAD = 1, 17, 33, 41, 49, 50, 51, 52, 64, 80
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_SCALE, DIFF_SHIFT = 129, 145, 161, 255, 256
RELU = 0x20
_QUERY_IMPLEMENTATION, _QUERY_SCRATCHPAD, _QUERY_ARGUMENT = 8, 136, 255
_USER_SCRATCHPAD = 1
_IN_ORDER = 1

_MISSING = object()
ALONE = 1 << 19  # multiplications up to which two threads take as long as one, if they need not wait for each other
KEPT = 256  # plans per thread; the one that was used longest ago is dropped first


class _Argument(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("memory", c_void_p)]


class _Thread(threading.local):
    """What a thread has for itself: its stream and its plans."""

    def __init__(self):
        self.threads: int | None = -1
        self.alone = False  # plans that are made now are to run in one thread
        self.stream: Any = None
        self.plans: OrderedDict[Hashable, Any] = OrderedDict()

    def renew(self) -> None:
        """Start afresh for a new number of threads: primitives are made for the number that they will run with."""
        self.threads = config.threads()
        _set_openmp_threads(thread_count())
        self.plans.clear()
        self.stream = Handle("stream", "stream_create", library().engine, _IN_ORDER)


_thread = _Thread()


@functools.cache
def _default_threads() -> int:
    """OpenMP's own number, before anyone changes it."""
    get = getattr(library().calls, "omp_get_max_threads", None)
    return get() if get else 1


def thread_count() -> int:
    """How many threads plans are made for."""
    return config.threads() or _default_threads()


def _set_openmp_threads(count: int) -> None:
    """Set how many threads OpenMP takes for regions that this thread enters; other runtimes have no such call."""
    set_ = getattr(library().calls, "omp_set_num_threads", None)
    if set_ and count != library().calls.omp_get_max_threads():
        set_(count)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Make primitives for one thread here, where OpenMP's are as many as they are told to be."""
    count = thread_count()
    if count == 1 or not hasattr(library().calls, "omp_set_num_threads"):
        yield
        return
    _set_openmp_threads(1)
    _thread.alone = True
    try:
        yield
    finally:
        _thread.alone = False
        _set_openmp_threads(count)


def _executing(alone: bool) -> Callable[..., int]:
    """oneDNN's function that runs a primitive, in one thread if that was made for one."""
    execute = library().calls.dnnl_primitive_execute
    if not alone:
        return execute
    set_, count = library().quick.omp_set_num_threads, thread_count()

    def run(*call: Any) -> int:
        set_(1)
        status = execute(*call)
        set_(count)
        return status

    return run


def cached(key: Hashable, make: Callable[[], Any], work: float = math.inf) -> Any:
    """This thread's plan for `key`, made by `make` if there is none; None where oneDNN has no code for it.

    Args:
        work: multiplications, or a comparable number; few are done by one thread.
    """
    if _thread.threads != config.threads():
        _thread.renew()
    plans = _thread.plans
    plan = plans.get(key, _MISSING)
    if plan is _MISSING:
        try:
            with _alone() if work <= ALONE else contextlib.nullcontext():
                plan = plans[key] = make()
        except UnimplementedError:
            plan = plans[key] = None
        while len(plans) > KEPT:
            plans.popitem(last=False)
    else:
        plans.move_to_end(key)
    return plan


def plan_count() -> int:
    """How many plans this thread keeps."""
    return len(_thread.plans)


def _attributes(relu: bool) -> Handle:
    calls = library().calls
    attributes = Handle("primitive_attr", "primitive_attr_create")
    check(calls.dnnl_primitive_attr_set_scratchpad_mode(attributes.value, _USER_SCRATCHPAD), "scratchpad mode")
    if relu:
        post_ops = Handle("post_ops", "post_ops_create")
        check(calls.dnnl_post_ops_append_eltwise(post_ops.value, RELU, 0.0, 0.0), "post_ops_append_eltwise")
        check(calls.dnnl_primitive_attr_set_post_ops(attributes.value, post_ops.value), "post_ops")
    return attributes


class Description:
    """A primitive descriptor: which implementation oneDNN chose, and the layouts that it wants.

    Args:
        name: of the C function, without `dnnl_` and `_primitive_desc_create`.
        arguments: of that function, between the engine and the attributes; handles stand for their pointers.
        relu: append max(·, 0) to what is computed.
    """

    def __init__(self, name: str, *arguments: Any, relu: bool = False):
        self.name = name
        values = [a.value if isinstance(a, Handle | Description) else a for a in arguments]
        if name != "reorder":  # which takes an engine for each side
            values.insert(0, library().engine)
        attributes = _attributes(relu)
        self.handle = Handle("primitive_desc", f"{name}_primitive_desc_create", *values, attributes.value)

    @property
    def value(self) -> Any:
        return self.handle.value

    @property
    def implementation(self) -> str:
        """The name of the implementation, such as "jit:avx512_core"."""
        name = c_char_p()
        library().calls.dnnl_primitive_desc_query(self.value, _QUERY_IMPLEMENTATION, 0, ctypes.byref(name))
        return (name.value or b"").decode()

    @property
    def is_reference(self) -> bool:
        """True for oneDNN's plain loops, which are slower than NumPy."""
        return self.implementation.startswith("ref")

    def layout(self, code: int) -> Any:
        """The memory descriptor (a pointer that this object owns) of an argument."""
        return library().calls.dnnl_primitive_desc_query_md(self.value, _QUERY_ARGUMENT, code)

    def scratchpad_bytes(self) -> int:
        descriptor = library().calls.dnnl_primitive_desc_query_md(self.value, _QUERY_SCRATCHPAD, 0)
        return byte_size(descriptor) if descriptor else 0


def _nobody() -> None:
    """What a plan for one thread marks as at work."""


class Plan:
    """A primitive ready to run on arrays given in the order of `codes`. Belongs to the thread that made it."""

    def __init__(self, description: Description, *codes: int):
        loaded = library()
        self.description = description
        self.primitive = Handle("primitive", "primitive_create", description.value)
        scratchpad = description.scratchpad_bytes()
        self._scratchpad_bytes = scratchpad
        codes = (*codes, SCRATCHPAD) if scratchpad else codes
        layouts = [description.layout(code) for code in codes]
        self._memories = [Handle("memory", "memory_create", layout, loaded.engine, None) for layout in layouts]
        self._handles = [memory.value for memory in self._memories]
        self._arguments = (_Argument * len(codes))(*map(_Argument, codes, self._handles))
        self._call = (self.primitive.value, _thread.stream.value, len(codes), ctypes.addressof(self._arguments))
        self._set = loaded.quick.dnnl_memory_set_data_handle
        self._execute = _executing(_thread.alone)
        self._mark: Callable[[], None] = _nobody if _thread.alone else mark_team

    def __call__(self, *arrays: np.ndarray) -> None:
        """Execute; the arrays are contiguous in the layouts of the description, and stay referenced meanwhile."""
        if self._scratchpad_bytes:
            arrays = (*arrays, workspace("onednn scratchpad", self._scratchpad_bytes))
        set_ = self._set
        for handle, array in zip(self._handles, arrays):
            set_(handle, address(array))
        status = self._execute(*self._call)
        self._mark()
        if status:
            check(status, f"executing {self.description.name}")

    def bound(self, *arrays: np.ndarray, result: Any = None) -> Callable[[], Any]:
        """A function that executes on these very arrays, whose storage must stay where it is, and returns `result`."""
        loaded = library()
        if self._scratchpad_bytes:
            arrays = (*arrays, workspace("onednn scratchpad", self._scratchpad_bytes))
        codes = [argument.code for argument in self._arguments]
        memories = [
            Handle("memory", "memory_create", self.description.layout(code), loaded.engine, address(array))
            for code, array in zip(codes, arrays)
        ]
        arguments = (_Argument * len(codes))(*[_Argument(c, m.value) for c, m in zip(codes, memories)])
        call = (self.primitive.value, _thread.stream.value, len(codes), ctypes.addressof(arguments))
        owned = (self, _thread.stream, arrays, memories, arguments)

        def run(execute=self._execute, mark=self._mark, _owned=owned):
            status = execute(*call)
            mark()
            if status:
                check(status, f"executing {self.description.name}")
            return result

        return run


def is_plain(*arrays: np.ndarray | None) -> bool:
    """Whether all are contiguous float32, which plans take as they are; None counts as such."""
    return all(a is None or (a.dtype.char == "f" and a.flags.c_contiguous) for a in arrays)


def reorder(source: Any, target: Any) -> Plan | None:
    """The copy from one layout to another (descriptors' pointers), or None where they are the same.

    This is how kernels are packed for a primitive, and how their gradients are unpacked.
    """
    if same_layout(source, target):
        return None
    engine = library().engine
    return Plan(Description("reorder", source, engine, target, engine), SRC, DST)
