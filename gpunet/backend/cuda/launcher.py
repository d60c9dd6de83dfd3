"""Launching kernels: families of specialisations, and the checks and casts between Python and a kernel's parameters.

A family is a .cu file with the macros it may be specialised by. Only listed specialisations can be launched, so the
list is what a compile test has to compile.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gpunet.backend.cuda import source
from gpunet.backend.cuda.runtime import runtime_of

VECTOR_BYTES = 16
LARGEST_GRID = 65535  # blocks along y and z
_FAMILIES: dict[str, Family] = {}


class Family:
    """A CUDA source and its specialisations: `FAMILY(TYPE="float", TILE=64)` is one of them.

    Args:
        file: the name of the .cu file.
        variants: the sets of macros; or
        macros: values for each macro, of which every combination is a variant.
    """

    def __init__(self, file: str, variants: Iterable[Mapping[str, object]] | None = None, **macros: Iterable[object]):
        if file in _FAMILIES:
            raise ValueError(f"a family of {file} exists already: add the macros there")
        if variants is None:
            variants = [dict(zip(macros, values)) for values in itertools.product(*macros.values())]
        self.file = file
        self.variants = {_key(variant): Specialisation(file, variant) for variant in variants}
        _FAMILIES[file] = self

    def __call__(self, **defines: object) -> Specialisation:
        """The specialisation with these macros.

        Raises:
            KeyError: if it is not listed.
        """
        try:
            return self.variants[_key(defines)]
        except KeyError:
            raise KeyError(f"{self.file} has no variant with these macros. Received: {defines}") from None

    def __repr__(self) -> str:
        return f"Family({self.file!r}, {len(self.variants)} variants)"


def _key(defines: Mapping[str, object]) -> tuple:
    return tuple(sorted(defines.items()))


def all_specialisations() -> list[Specialisation]:
    """Every specialisation that the cuda provider can launch."""
    from gpunet.backend.cuda import load

    load()
    return [s for family in _FAMILIES.values() for s in family.variants.values()]


class Specialisation:
    """A CUDA source with its macros settled; its kernels are found by name: `specialisation["relu_grad"]`."""

    def __init__(self, file: str, defines: Mapping[str, object]):
        self.file = file
        self.defines = dict(defines)
        self._kernels: dict[str, Kernel] = {}

    @property
    def name(self) -> str:
        """The file and its macros, for people: `gemm.cu TYPE=float TILE_M=64`."""
        return " ".join([self.file, *(f"{key}={value}" for key, value in self.defines.items())])

    def __repr__(self) -> str:
        return f"Specialisation({self.name!r})"

    def text(self) -> str:
        """The whole source: macros, headers and kernels."""
        return source.specialised(self.file, self.defines)

    def kernels(self) -> dict[str, Kernel]:
        """All kernels by name."""
        if not self._kernels:
            for name, signature in source.signatures(self.file, self.defines).items():
                self._kernels[name] = Kernel(self, signature)
        return self._kernels

    def __getitem__(self, name: str) -> Kernel:
        try:
            return self.kernels()[name]
        except KeyError:
            raise KeyError(f"{self.file} has the kernels {sorted(self._kernels)}. Received: {name!r}") from None


class Kernel:
    """A kernel that can be launched: `kernel(grid, *arguments)`.

    Arrays are checked for type, dtype, layout, alignment and device; Python numbers are cast to the declared C types;
    dicts become the declared structs, with an int for each FastDiv. None is a null pointer.
    """

    def __init__(self, specialisation: Specialisation, signature: source.Signature):
        self.specialisation = specialisation
        self.signature = signature
        self.name = signature.name
        self.threads = signature.threads
        self._convert = [_converter(signature.name, parameter) for parameter in signature.parameters]

    def __repr__(self) -> str:
        return f"Kernel({self.name!r} of {self.specialisation.name!r})"

    def struct(self, parameter: str, **fields: Any) -> np.ndarray:
        """The struct parameter's value, packed once for many launches."""
        dtype = next(p.dtype for p in self.signature.parameters if p.name == parameter)
        return pack(dtype, fields, f"{self.name}: {parameter}")

    def __call__(self, grid: int | tuple[int, ...], *arguments: Any, block: int | tuple[int, ...] = 0) -> None:
        """Launch on the arrays' device and its current stream.

        Args:
            grid: blocks along x, or along up to three axes.
            arguments: one for each parameter.
            block: threads of a block; as many as the launch bounds allow by default.

        Raises:
            TypeError, ValueError: if an argument does not fit its parameter, before anything runs.
        """
        if len(arguments) != len(self._convert):
            names = [parameter.name for parameter in self.signature.parameters]
            raise TypeError(f"{self.name} expected the arguments {names}. Received: {len(arguments)} arguments")
        values = [convert(argument) for convert, argument in zip(self._convert, arguments)]
        grid, block = _three(grid), _three(block or self.threads)
        self._check_size(grid, block)
        runtime = runtime_of(self._one_place(arguments))
        runtime.launch(self, grid, block, values)

    def _check_size(self, grid: tuple[int, int, int], block: tuple[int, int, int]) -> None:
        if block[0] * block[1] * block[2] > self.threads or min(block) < 1:
            raise ValueError(f"{self.name} expected at most {self.threads} threads a block. Received: block={block}")
        if not (0 < grid[0] < 2**31 and 0 < grid[1] <= LARGEST_GRID and 0 < grid[2] <= LARGEST_GRID):
            most = f"(2³¹−1, {LARGEST_GRID}, {LARGEST_GRID})"
            raise ValueError(f"{self.name} expected 1 to {most} blocks. Received: grid={grid}")

    def _one_place(self, arguments: tuple) -> Any:
        """One of the arrays, after checking that all are of one type and on one device."""
        arrays = [a for a, p in zip(arguments, self.signature.parameters) if p.is_array and a is not None]
        first = arrays[0]
        for array in arrays[1:]:
            if type(array) is not type(first) or _device_index(array) != _device_index(first):
                places = [f"{type(a).__module__}.{type(a).__name__} on {_device_index(a)}" for a in arrays]
                raise ValueError(f"{self.name} expected arrays of one kind on one device. Received: {places}")
        return first


def _device_index(array: Any) -> int:
    return getattr(getattr(array, "device", None), "id", 0)


def _three(sizes: int | tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*((sizes,) if isinstance(sizes, int) else sizes), 1, 1)[:3]
    return int(x), int(y), int(z)


def _converter(kernel: str, parameter: source.Parameter):
    """A function that checks an argument and returns it as the runtime passes it on."""
    label = f"{kernel}: {parameter.name}"
    if parameter.is_array:
        return _array_converter(label, parameter)
    dtype = parameter.dtype
    if dtype == source.FAST_DIV:
        return lambda value: np.array([fast_divisor(value, label)], dtype)
    if dtype.names:
        return lambda value: value if _is_packed(value, dtype) else pack(dtype, value, label)
    if dtype.kind in "iu":
        return lambda value: cast_integer(dtype, value, label)
    return lambda value: dtype.type(value)


def _array_converter(label: str, parameter: source.Parameter):
    dtype, kind = parameter.dtype, parameter.kind
    alignment = VECTOR_BYTES if kind == "VECTOR" else dtype.itemsize

    def check(array: Any) -> Any:
        if array is None:
            return None
        if not hasattr(array, "dtype") or array.dtype != dtype:
            received = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"{label} must be an array of {dtype}. Received: {received}")
        if kind != "STRIDED" and not array.flags.c_contiguous:
            raise ValueError(f"{label} must be contiguous. Received: shape {array.shape} with strides {array.strides}")
        if address(array) % alignment and array.size:
            raise ValueError(f"{label} must begin at a multiple of {alignment} bytes. Received: {address(array):#x}")
        return array

    return check


def address(array: Any) -> int:
    """The address of an array's first element."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def cast_integer(dtype: np.dtype, value: Any, label: str) -> np.generic:
    """`value` as an integer of the declared width.

    Raises:
        TypeError: if it is not an integer.
        ValueError: if it does not fit.
    """
    if not isinstance(value, int | np.integer):
        raise TypeError(f"{label} must be an integer. Received: {value!r}")
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise ValueError(f"{label} must fit {dtype.name}, at most {limits.max}. Received: {value}")
    return dtype.type(value)


def _is_packed(value: Any, dtype: np.dtype) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype


def pack(dtype: np.dtype, fields: Mapping[str, Any], label: str) -> np.ndarray:
    """A C struct of `dtype` as an array of shape (1,), from a dict with a value for every field.

    Raises:
        TypeError, ValueError: on missing or unknown fields, and on integers that do not fit.
    """
    if not isinstance(fields, Mapping) or set(fields) != set(dtype.names or ()):
        received = sorted(fields) if isinstance(fields, Mapping) else type(fields).__name__
        raise TypeError(f"{label} must have the fields {sorted(dtype.names or ())}. Received: {received}")
    struct = np.zeros(1, dtype)
    for name, value in fields.items():
        _set_field(struct[0], name, dtype[name], value, f"{label}.{name}")
    return struct


def _set_field(struct: Any, name: str, dtype: np.dtype, value: Any, label: str) -> None:
    if not dtype.shape:
        struct[name] = _field(dtype, value, label)
        return
    if np.shape(value) != dtype.shape:
        raise ValueError(f"{label} must have the shape {dtype.shape}. Received: {value!r}")
    for i, item in enumerate(value):
        struct[name][i] = _field(dtype.base, item, label)


def _field(dtype: np.dtype, value: Any, label: str) -> Any:
    if dtype == source.FAST_DIV:
        return fast_divisor(int(value), label)
    if dtype.names:
        return pack(dtype, value, label)[0]
    return cast_integer(dtype, value, label) if dtype.kind in "iu" else value


def fast_divisor(divisor: int, label: str = "divisor") -> tuple[int, int, int]:
    """(divisor, magic, shift) of a FastDiv; see common.cuh.

    Raises:
        ValueError: if it is not a positive int32.
    """
    if not 0 < divisor < 2**31:
        raise ValueError(f"{label} must be a divisor from 1 to 2³¹−1. Received: {divisor}")
    shift = (divisor - 1).bit_length()
    return divisor, ((1 << 32) * ((1 << shift) - divisor)) // divisor + 1, shift
