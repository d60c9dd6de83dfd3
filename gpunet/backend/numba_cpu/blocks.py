"""What loops call that Numba has no words for: vectors held in registers. LLVM code, written by way of Numba.

A block is `block(a, panels, out)`: out = a·panels for a few rows of a, and panels of a packed matrix, which are
(panels, inner, `LANES`·2) and contiguous. Its sums stay in registers from the first product to the last, and each is
taken in the order of `inner` alone, so that a row's result does not depend on the block that it is in.
"""

from __future__ import annotations

import functools
from typing import Any

_BYTES = 4  # float32
VECTORS = 2  # to a panel's row
_SHAPES = {"rows8": (8, 1), "rows4": (4, 1), "row_of_4": (1, 4), "row": (1, 1)}  # (rows, panels)
NAMES = ("fma", *_SHAPES)


@functools.cache
def lanes() -> int:
    """Numbers in the processor's vectors."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return next((lanes for name, lanes in (("avx512f", 16), ("avx", 8)) if features.get(name)), 4)


def functions(numba: Any) -> dict[str, Any]:
    """By the names that loops use."""
    return {"fma": _fma(numba)} | {name: _block(numba, *shape) for name, shape in _SHAPES.items()}


def _fused(builder: Any, kind: Any, suffix: str) -> Any:
    """LLVM's x·y + z, rounded once where the processor can."""
    from llvmlite import ir
    from numba.core import cgutils

    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.{suffix}f32"
    )


def _fma(numba: Any) -> Any:
    @numba.extending.intrinsic
    def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
        number = numba.types.float32

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.call(_fused(builder, values[0].type, ""), values)

        return number(number, number, number), generate

    return fma


def _block(numba: Any, rows: int, panels: int) -> Any:
    @numba.extending.intrinsic
    def block(typing: Any, a: Any, packed: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [context.make_array(t)(context, builder, v) for t, v in zip(signature.args, values)]
            _Block(builder, *arrays).write(rows, panels)
            return context.get_dummy_value()

        return numba.types.void(a, packed, out), generate

    return block


class _Block:
    """Writes the code of a block.

    Args:
        arrays: a (rows, inner), the panels and out (rows, columns), whose last axes are contiguous.
    """

    def __init__(self, builder: Any, *arrays: Any):
        from llvmlite import ir
        from numba.core import cgutils

        self.ir, self.builder = ir, builder
        self.word = ir.IntType(64)
        self.vector = ir.VectorType(ir.FloatType(), lanes())
        self.a, self.packed, self.out = (builder.ptrtoint(array.data, self.word) for array in arrays)
        self.a_step, self.out_step = (cgutils.unpack_tuple(builder, x.strides)[0] for x in (arrays[0], arrays[2]))
        self.inner = cgutils.unpack_tuple(builder, arrays[0].shape)[1]
        self.fused = _fused(builder, self.vector, f"v{lanes()}")

    def write(self, rows: int, panels: int) -> None:
        builder, before = self.builder, self.builder.basic_block
        loop, end = builder.append_basic_block("products"), builder.append_basic_block("stores")
        row_bytes = VECTORS * lanes() * _BYTES
        starts = [self._plus(self.packed, builder.mul(self.inner, self._word(p * row_bytes))) for p in range(panels)]
        rows_of_a = [self._plus(self.a, builder.mul(self.a_step, self._word(r))) for r in range(rows)]
        builder.branch(loop)
        builder.position_at_end(loop)
        k = self._phi(self.word, before, self._word(0))
        nothing = self.ir.Constant(self.vector, [0.0] * lanes())
        sums = [[self._phi(self.vector, before, nothing) for _ in range(VECTORS * panels)] for _ in range(rows)]
        offset = builder.mul(k, self._word(row_bytes))
        factors = [
            self._load(self._plus(self._plus(start, offset), self._word(v * lanes() * _BYTES)), self.vector)
            for start in starts
            for v in range(VECTORS)
        ]
        found = [
            [builder.call(self.fused, [self._spread(start, k), factor, s]) for factor, s in zip(factors, row)]
            for start, row in zip(rows_of_a, sums)
        ]
        self._repeat(k, loop, end)
        for row, new in zip(sums, found):
            for s, value in zip(row, new):
                s.add_incoming(value, loop)
        self._store(found)

    def _repeat(self, k: Any, loop: Any, end: Any) -> None:
        following = self.builder.add(k, self._word(1))
        k.add_incoming(following, loop)
        self.builder.cbranch(self.builder.icmp_signed("<", following, self.inner), loop, end)
        self.builder.position_at_end(end)

    def _store(self, found: list[list[Any]]) -> None:
        for r, row in enumerate(found):
            start = self._plus(self.out, self.builder.mul(self.out_step, self._word(r)))
            for v, value in enumerate(row):
                place = self._plus(start, self._word(v * lanes() * _BYTES))
                self.builder.store(value, self._pointer(place, self.vector), align=_BYTES)

    def _word(self, n: int) -> Any:
        return self.ir.Constant(self.word, n)

    def _plus(self, a: Any, b: Any) -> Any:
        return self.builder.add(a, b)

    def _phi(self, kind: Any, before: Any, value: Any) -> Any:
        phi = self.builder.phi(kind)
        phi.add_incoming(value, before)
        return phi

    def _pointer(self, address: Any, kind: Any) -> Any:
        return self.builder.inttoptr(address, self.ir.PointerType(kind))

    def _load(self, address: Any, kind: Any) -> Any:
        return self.builder.load(self._pointer(address, kind), align=_BYTES)

    def _spread(self, start: Any, k: Any) -> Any:
        """a[r, k] in all lanes."""
        value = self._load(self._plus(start, self.builder.mul(k, self._word(_BYTES))), self.ir.FloatType())
        empty, first = self.ir.Constant(self.vector, self.ir.Undefined), self.ir.Constant(self.ir.IntType(32), 0)
        order = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), lanes()), [0] * lanes())
        return self.builder.shuffle_vector(self.builder.insert_element(empty, value, first), empty, order)
