"""Reading CUDA sources: headers inlined, macros evaluated, the signatures of kernels and their parameter structs.

Headers are inlined because compilers' caches key on the text and the options, not on what a text includes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpunet.backend.dtypes import as_dtype
from gpunet.backend.kernels import kernel_source

DTYPES = {
    "bool": "bool",
    "signed char": "int8",
    "char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned int": "uint32",
    "uint32": "uint32",
    "long long": "int64",
    "int64": "int64",
    "unsigned long long": "uint64",
    "uint64": "uint64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float": "float32",
    "double": "float64",
}
C_TYPES = {as_dtype(name): c for c, name in reversed(DTYPES.items())}
FAST_DIV = np.dtype([("divisor", "i4"), ("magic", "u4"), ("shift", "u4")], align=True)

_INCLUDE = re.compile(r'^[ \t]*#include\s+"([^"]+)"[^\n]*$', re.MULTILINE)
_DEFINE = re.compile(r"^[ \t]*#define[ \t]+(\w+)[ \t]+(\S[^\n]*)$", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_GENERATOR = re.compile(r"^#define[ \t]+(\w+)\(([^)]*)\)((?:[^\n]*\\\n)*[^\n]*)$", re.MULTILINE)
_KERNEL = re.compile(r"^KERNEL\(([^\n]*?)\)\s*(\w+)\s*\(", re.MULTILINE)
_ARRAY = re.compile(r"(GLOBAL|VECTOR|STRIDED)\(\s*(const\s+)?([\w ]+?)\s*\)\s*(\w+)")
_SCALAR = re.compile(r"(?:const\s+)?([\w ]+?)\s+(\w+)")
_MEMBERS = re.compile(r"(?:const )?((?:(?:unsigned|signed|long) )*\w+) (.*)")
_FIELD = re.compile(r"(\w+)(?:\[([^\]]+)\])?")


@dataclass(frozen=True)
class Parameter:
    """A kernel's parameter: `kind` is "GLOBAL", "VECTOR", "STRIDED" or "value", `c_type` what its macros expand to."""

    name: str
    kind: str
    c_type: str
    dtype: np.dtype
    is_const: bool

    @property
    def is_array(self) -> bool:
        return self.kind != "value"


@dataclass(frozen=True)
class Signature:
    """A kernel: its name, the threads of its launch bounds, and its parameters in order."""

    name: str
    threads: int
    parameters: tuple[Parameter, ...]


@functools.cache
def inlined(name: str) -> str:
    """The text of a CUDA source with each of our headers in the place of its first #include."""
    seen: set[str] = set()

    def expand(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        text = kernel_source(name).replace("#pragma once\n", "\n")
        lines = [0]

        def include(match: re.Match) -> str:
            lines[0] = text.count("\n", 0, match.start()) + 2
            return f'{expand(match[1])}\n#line {lines[0]} "{name}"'

        return f'#line 1 "{name}"\n' + _INCLUDE.sub(include, text)

    return expand(name)


def specialised(name: str, defines: Mapping[str, object]) -> str:
    """The inlined text of a source below its macros."""
    return "".join(f"#define {key} {value}\n" for key, value in defines.items()) + inlined(name)


def stripped(text: str) -> str:
    """The text without its // comments, line by line: plain ASCII, and the same when only a comment has changed."""
    return re.sub(r"[ \t]*//[^\n]*", "", text)


def signatures(name: str, defines: Mapping[str, object]) -> dict[str, Signature]:
    """The kernels of a source, specialised by macros.

    Raises:
        ValueError: if a kernel's declaration cannot be understood.
    """
    return signatures_of(inlined(name), defines)


def signatures_of(text: str, defines: Mapping[str, object]) -> dict[str, Signature]:
    """The same for the text of a source without #include."""
    text = _with_generated(_COMMENT.sub(" ", text))
    macros = {**dict(_DEFINE.findall(text)), **{key: str(value) for key, value in defines.items()}}
    found = {}
    for match in _KERNEL.finditer(text):
        declaration = text[match.end() : _closing(text, match.end())]
        parameters = tuple(_parameter(part, text, macros) for part in _split(declaration))
        found[match[2]] = Signature(match[2], evaluate(_split(match[1])[0], macros), parameters)
    return found


def _with_generated(text: str) -> str:
    """The text, and below it what each use of a macro with a KERNEL in its body stands for."""
    generated = []
    for macro, names, body in _GENERATOR.findall(text):
        if "KERNEL(" not in body:
            continue
        body = body.replace("\\\n", " ").replace("KERNEL(", "\nKERNEL(")
        for use in re.finditer(rf"^{macro}\(", text, re.MULTILINE):
            values = dict(zip(_split(names), _split(text[use.end() : _closing(text, use.end())])))
            generated.append(re.sub(r"\s*##\s*", "", _substituted(body, values)))
    return "\n".join([text, *generated])


def _substituted(text: str, values: Mapping[str, str]) -> str:
    """The text with words replaced by their values."""
    return re.sub(r"\w+", lambda m: values.get(m[0], m[0]), text)


def _closing(text: str, start: int) -> int:
    """The place of the parenthesis that closes the one before `start`."""
    depth = 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError(f"unbalanced parentheses in a CUDA source. Received: {text[start : start + 80]!r}")


def _split(declaration: str) -> list[str]:
    """Parameters at the commas outside parentheses."""
    parts, depth = [""], 0
    for letter in declaration:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [" ".join(part.split()) for part in parts if part.strip()]


def _parameter(declaration: str, text: str, macros: Mapping[str, str]) -> Parameter:
    if match := _ARRAY.fullmatch(declaration):
        c_type = _expand_type(match[3], macros)
        return Parameter(match[4], match[1], c_type, _dtype(c_type, text, macros), bool(match[2]))
    if match := _SCALAR.fullmatch(declaration):
        c_type = _expand_type(match[1], macros)
        return Parameter(match[2], "value", c_type, _dtype(c_type, text, macros), True)
    raise ValueError(f"a kernel's parameters must be GLOBAL, VECTOR, STRIDED or values. Received: {declaration!r}")


def _expand_type(c_type: str, macros: Mapping[str, str]) -> str:
    seen = set()
    while c_type in macros and c_type not in seen:
        seen.add(c_type)
        c_type = macros[c_type].strip()
    return c_type


def _dtype(c_type: str, text: str, macros: Mapping[str, str]) -> np.dtype:
    if c_type in DTYPES:
        return as_dtype(DTYPES[c_type])
    if c_type == "FastDiv":
        return FAST_DIV
    match = re.search(rf"\bstruct {re.escape(c_type)}\s*\{{(.*?)\}};", text, re.DOTALL)
    if match is None:
        raise ValueError(f"a CUDA type must be one of {', '.join(DTYPES)} or a struct of them. Received: {c_type!r}")
    fields = [field for line in match[1].split(";") if line.strip() for field in _fields(line, text, macros)]
    return np.dtype(fields, align=True)


def _fields(line: str, text: str, macros: Mapping[str, str]) -> list[tuple]:
    """`int a, b[3]` as fields of a NumPy dtype."""
    declaration = _MEMBERS.fullmatch(" ".join(line.split()))
    fields: list[tuple] = []
    for name in declaration[2].split(",") if declaration else [""]:
        match = _FIELD.fullmatch(name.strip())
        if declaration is None or match is None:
            raise ValueError(f"a parameter struct may hold values and arrays of them. Received: {line.strip()!r}")
        dtype = _dtype(_expand_type(declaration[1], macros), text, macros)
        fields.append((match[1], dtype, (evaluate(match[2], macros),)) if match[2] else (match[1], dtype))
    return fields


def evaluate(expression: str, macros: Mapping[str, str]) -> int:
    """The value of an integer constant expression of + − * / % and macros.

    Raises:
        ValueError: if something else is in it.
    """
    expanded = expression
    for _ in range(10):
        expanded = re.sub(r"[A-Za-z_]\w*", lambda m: f"({macros.get(m[0], m[0])})", expanded)
    if not re.fullmatch(r"[\d\s()+*/%-]+", expanded):
        raise ValueError(f"expected an integer expression of macros. Received: {expression!r}, which is {expanded!r}")
    return int(eval(expanded.replace("/", "//")))
