"""Machine code of loops: compiled by Numba once, kept on disk, and from then on loaded by LLVM alone.

Importing Numba and starting its compiler takes half a second and 130 MB of memory, LLVM's loader 80 ms and 50 MB.

A loop's code is a C function of one number, the address of its arguments in words of 8 bytes: of an array where it is
and the lengths of its axes, of a scalar its value.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import inspect
import os
import re
import tempfile
import types
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, NamedTuple

from gpunet.backend.cache import cache_folder
from gpunet.backend.numba_cpu import blocks

_ENTRY = "gpunet_loop"
_DIGEST_BYTES = 32
_WORD = 8
_BARE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Argument(NamedTuple):
    """A C-contiguous array, or a scalar, which has no axes."""

    dtype: str
    axes: int

    @property
    def words(self) -> int:
        return 1 + self.axes


def arguments(signature: str) -> list[Argument]:
    """Those of a signature such as "void(float32[:, ::1], intp)".

    Raises:
        ValueError: if an array is not contiguous.
    """
    found = re.findall(r"(\w+)(\[[^\]]*\])?(?:, |\)$)", signature.removeprefix("void("))
    if any(axes and not axes.endswith("::1]") for _, axes in found):
        raise ValueError(f"expected contiguous arrays. Received: {signature!r}")
    return [Argument(dtype, axes.count(",") + 1 if axes else 0) for dtype, axes in found]


def load(function: Callable[..., None], signature: str, runtime: Mapping[str, int]) -> int:
    """The address of the machine code, which is compiled first if the user's cache has none.

    Args:
        function: plain Python over arrays and scalars.
        runtime: OpenMP's functions and where they are, to share `prange` among a team; empty for one thread.

    Raises:
        Exception: of Numba's or LLVM's many kinds, if the function cannot be compiled.
    """
    for name, address in runtime.items():
        _llvm().add_symbol(name, address)
    path = os.path.join(cache_folder("numba"), f"{function.__name__}-{_key(function, signature, bool(runtime))}.o")
    code = _read(path)
    if code is None:
        code = _compile(function, arguments(signature), bool(runtime), set(runtime))
        with contextlib.suppress(OSError):  # a cache that cannot be written
            _write(path, code)
    return _link(code)


def _llvm() -> Any:
    return importlib.import_module("llvmlite.binding")


def _key(function: Callable, signature: str, for_team: bool) -> str:
    """Of everything that the machine code follows from."""
    llvm = _llvm()
    codes = [function.__code__, *(f.__code__ for f in _called(function))]
    parts: list[Any] = [(code.co_code, code.co_names, code.co_varnames, code.co_consts) for code in codes]
    parts += [signature, for_team, inspect.getsource(blocks) if len(codes) > 1 else ""]
    parts += [llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    parts += [metadata.version(name) for name in ("numba", "llvmlite")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _read(path: str) -> bytes | None:
    """The code in a file, or None where there is none or it is not what was written."""
    try:
        with open(path, "rb") as file:
            digest, code = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return code if hashlib.sha256(code).digest() == digest else None


def _write(path: str, code: bytes) -> None:
    """Put the file there as a whole: other processes may be reading."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(hashlib.sha256(code).digest() + code)
    os.replace(file.name, path)


@functools.cache
def _target() -> Any:
    llvm = _llvm()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=3, codemodel="jitdefault", jit=True)


_engines: list[Any] = []  # own the memory of the code


def _link(code: bytes) -> int:
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine.get_function_address(_ENTRY)


def _compile(function: Callable[..., None], given: list[Argument], for_team: bool, known: set[str]) -> bytes:
    """An object file, by way of the optimised LLVM code that Numba makes of the loop."""
    numba: Any = importlib.import_module("numba")
    words = {"prange": _share(numba) if for_team else range, **blocks.functions(numba)}
    loop = _jitted(function, words, numba, inline="always")
    scope = {"numba": numba, "carray": numba.carray, "at": _at(numba), "loop": loop}
    exec(_entry(given), scope)
    compiled = numba.cfunc(numba.void(numba.intp), error_model="numpy", forceinline=True)(scope["entry"])
    return _target().emit_object(_alone(compiled.inspect_llvm(), function, known))


def _called(function: Callable) -> list[types.FunctionType]:
    """The plain functions that a function calls by name, and that these call."""
    names = [name for name in function.__code__.co_names if name not in blocks.NAMES]
    values = [function.__globals__.get(name) for name in names]
    found = [value for value in values if isinstance(value, types.FunctionType)]
    return [*found, *(inner for f in found for inner in _called(f))]


def _jitted(function: Callable, words: Mapping[str, Any], numba: Any, **options: Any) -> Any:
    """The function for Numba, with `words` in place of their namesakes, and all that it calls inlined."""
    called = {f.__name__: _jitted(f, words, numba, forceinline=True, **_BARE) for f in _called(function)}
    names = {**function.__globals__, **called, **words}
    return numba.njit(error_model="numpy", **options)(types.FunctionType(function.__code__, names, function.__name__))


def _alone(text: str, function: Callable[..., None], known: set[str]) -> Any:
    """The LLVM module, of which only the C function and what it calls is emitted.

    Raises:
        RuntimeError: if that is something which only Numba has. LLVM ends the process when it does not find a name.
    """
    module = _llvm().parse_assembly(text)
    parts = {part.name: part for part in module.functions}
    waiting = [name for name in parts if name.startswith("cfunc.")]
    parts[waiting[0]].name = _ENTRY
    called: set[str] = set()
    while waiting:
        name = waiting.pop()
        called.add(name)
        names = re.findall(r'call [^@]*@"?([\w.$-]+)"?\(', str(parts[name]))
        waiting += [callee for callee in names if callee in parts and callee not in called]
    for name, part in parts.items():
        if not part.is_declaration and name not in called:
            part.linkage = "available_externally"  # which means to leave it out
    outside = {name for name in called if parts[name].is_declaration and not name.startswith("llvm.")} - known
    foreign = [name for name in sorted(outside) if not hasattr(ctypes.CDLL(None), name)]
    if foreign:
        raise RuntimeError(f"the loop {function.__name__} needs {', '.join(foreign)}, which only Numba has")
    return module


def _entry(given: list[Argument]) -> str:
    """The Python text of the C function, which takes its arguments out of their words."""
    values, word = [], 0
    for argument in given:
        if argument.axes:
            lengths = ", ".join(f"at(words + {_WORD * (word + 1 + i)}, numba.intp)[0]" for i in range(argument.axes))
            place = f"at(words + {_WORD * word}, numba.intp)[0]"
            values.append(f"carray(at({place}, numba.{argument.dtype}), ({lengths},))")
        else:
            values.append(f"at(words + {_WORD * word}, numba.{argument.dtype})[0]")
        word += argument.words
    return f"def entry(words):\n    loop({', '.join(values)})\n"


def _at(numba: Any) -> Any:
    """`at(address, dtype)`: a pointer, for Numba's code."""

    @numba.extending.intrinsic
    def at(typing: Any, address: Any, dtype: Any) -> Any:
        pointer = numba.types.CPointer(dtype.dtype)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(pointer))

        return pointer(address, dtype), generate

    return at


def _share(numba: Any) -> Any:
    """`range(parts)`, of which each thread of an OpenMP team does its share."""
    number = numba.types.ExternalFunction("omp_get_thread_num", numba.types.int32())
    count = numba.types.ExternalFunction("omp_get_num_threads", numba.types.int32())

    @numba.njit(error_model="numpy")
    def share(parts: Any) -> Any:
        return range(number(), parts, max(count(), 1))

    return share
