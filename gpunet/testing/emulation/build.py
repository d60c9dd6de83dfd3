"""Building kernels for the CPU: the source, below the emulation's header, by the C++ compiler. Builds are kept."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gpunet.backend.cuda.source import Signature

COMPILER = "g++"
_FLAGS = ["-std=c++17", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared", "-w"]
# Libraries share nothing: templates of one name differ between specialisations.
_FLAGS += ["-fvisibility=hidden", "-fno-gnu-unique"]
# Indices beyond arrays of registers are reported, by a function in the header; also of arrays at the end of structs.
_FLAGS += ["-fsanitize=bounds-strict"]
_HEADER = Path(__file__).with_name("emulation.h")


def why_not() -> str:
    """Why kernels cannot be emulated on this machine; "" if they can."""
    return "" if shutil.which(COMPILER) else f"the emulation needs {COMPILER}, which is not installed"


def cache_folder() -> Path:
    """Where builds are kept: `gpunet/emulation` in `XDG_CACHE_HOME`, which is ~/.cache by default."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "gpunet" / "emulation"


@functools.cache
def _compiler() -> str:
    return subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout.split("\n", 1)[0]


@functools.cache
def poisons_registers() -> bool:
    """Whether registers that were never set hold large numbers, which g++ 12 and later can see to."""
    run = subprocess.run([COMPILER, "-dumpversion"], capture_output=True, text=True, check=True)
    return int(run.stdout.split(".")[0]) >= 12


def _flags() -> list[str]:
    poison = ["-ftrivial-auto-var-init=pattern"] if poisons_registers() else []
    machine = ["-march=x86-64-v3"] if platform.machine() == "x86_64" else []
    return [*_FLAGS, *poison, *machine]


def build(text: str, signatures: Iterable[Signature]) -> ctypes.CDLL:
    """The kernels of an inlined source as a library of functions `emu_<kernel>`.

    Raises:
        RuntimeError: if the compiler is missing or reports errors, with its output.
    """
    if why_not():
        raise RuntimeError(why_not())
    entries = "\n".join(map(_entry, signatures))
    program = f'{_HEADER.read_text(encoding="utf-8")}\n{text}\n#line 1 "entries"\n{entries}\n'
    key = hashlib.sha256("\0".join([program, _compiler(), *_flags()]).encode()).hexdigest()[:24]
    library = cache_folder() / f"{key}.so"
    if not library.exists():
        _compile(program, library)
    return ctypes.CDLL(str(library))


def _compile(program: str, library: Path) -> None:
    """Build beside the final place and rename, so that two processes may build the same."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        source, built = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        source.write_text(program, encoding="utf-8")
        run = subprocess.run([COMPILER, *_flags(), str(source), "-o", str(built)], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"{COMPILER} could not build a kernel for the emulation:\n{run.stderr[:4000]}")
        os.replace(built, library)


_ENTRY = """
static const void* const* emu_arguments_of_NAME;
static void emu_body_of_NAME() {
    const void* const* emu_arguments = emu_arguments_of_NAME;
    NAME(VALUES);
}
extern "C" __attribute__((visibility("default"))) const char* emu_NAME(
    const unsigned* grid, const unsigned* block, int schedule, int races, unsigned long long seed,
    const void* const* arguments) {
    emu_arguments_of_NAME = arguments;
    return emu::launch("NAME", grid, block, schedule, races, seed, emu_body_of_NAME);
}
"""


def _entry(signature: Signature) -> str:
    """A C function that launches a kernel on an array of pointers to its arguments."""
    values = []
    for i, p in enumerate(signature.parameters):
        if p.is_array:
            values.append(f'emu::global<{"const " if p.is_const else ""}{p.c_type}>(emu_arguments[{i}], "{p.name}")')
        else:
            values.append(f"*static_cast<const {p.c_type}*>(emu_arguments[{i}])")
    name = signature.name
    return _ENTRY.replace("NAME", name).replace("VALUES", ", ".join(values))
