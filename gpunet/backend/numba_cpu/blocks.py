"""What loops call that Numba has no words for, since it keeps vectors in registers: LLVM code, written through Numba.

`product(a, panels, out)` is out = a·b for a matrix b packed in panels (count, inner, `VECTORS`·`lanes()`). It goes
block by block, of a few rows by a few panels, whose sums stay in registers from the first product to the last. Each sum
is taken in the order of `inner` alone, so that a row's result does not depend on the block that it is in.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

_BYTES = 4  # float32
VECTORS = 2  # to a panel's row
_ROWS = (8, 4, 1)  # of blocks, the largest that fit
_PANELS = 4  # in one go by all rows; and the width of a block of one row
NAMES = ("fma", "product")


@functools.cache
def lanes() -> int:
    """Numbers in the processor's vectors."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return next((lanes for name, lanes in (("avx512f", 16), ("avx", 8)) if features.get(name)), 4)


def functions(numba: Any) -> dict[str, Any]:
    """By the names that loops use."""
    return {"fma": _fma(numba), "product": _product(numba)}


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


def _product(numba: Any) -> Any:
    @numba.extending.intrinsic
    def product(typing: Any, a: Any, panels: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [context.make_array(t)(context, builder, v) for t, v in zip(signature.args, values)]
            _Product(builder, *arrays).write()
            return context.get_dummy_value()

        return numba.types.void(a, panels, out), generate

    return product


class _Product:
    """Writes the code of a product. Addresses are 64-bit integers.

    Args:
        a: (rows, inner).
        panels: (count, inner, width), contiguous.
        out: (rows, count·width). Of all three the last axis is contiguous.
    """

    def __init__(self, builder: Any, a: Any, panels: Any, out: Any):
        from llvmlite import ir
        from numba.core import cgutils

        self.ir, self.builder, self.utils = ir, builder, cgutils
        self.word = ir.IntType(64)
        self.vector = ir.VectorType(ir.FloatType(), lanes())
        self.a, self.panels, self.out = (builder.ptrtoint(array.data, self.word) for array in (a, panels, out))
        self.a_step, self.out_step = (cgutils.unpack_tuple(builder, array.strides)[0] for array in (a, out))
        self.rows, self.inner = cgutils.unpack_tuple(builder, a.shape)
        self.count = cgutils.unpack_tuple(builder, panels.shape)[0]
        self.row_bytes = VECTORS * lanes() * _BYTES  # of a panel's row
        self.fused = _fused(builder, self.vector, f"v{lanes()}")

    def write(self) -> None:
        """All of it: panels in groups, which stay near while all rows pass, then those that are left."""
        groups = self.builder.sub(self.count, self.builder.srem(self.count, self._word(_PANELS)))
        self._panels(self._word(0), groups, _PANELS)
        self._panels(groups, self.count, 1)

    def _panels(self, start: Any, stop: Any, together: int) -> None:
        with self._range(start, stop, together) as p:
            row: Any = self._word(0)
            for rows in _ROWS:
                rest = self.builder.srem(self.builder.sub(self.rows, row), self._word(rows))
                stop_row = self.builder.sub(self.rows, rest)
                with self._range(row, stop_row, rows) as r:
                    wide = together if rows == 1 else 1
                    for q in range(0, together, wide):
                        self._block(r, rows, self.builder.add(p, self._word(q)), wide)
                row = stop_row

    def _block(self, row: Any, rows: int, panel: Any, panels: int) -> None:
        builder = self.builder
        panel_bytes = builder.mul(self.inner, self._word(self.row_bytes))
        a = [self._at(self.a, builder.add(row, self._word(r)), self.a_step) for r in range(rows)]
        starts = [self._at(self.panels, builder.add(panel, self._word(p)), panel_bytes) for p in range(panels)]
        sums = self._sums(a, starts)
        column = self._at(self.out, panel, self._word(self.row_bytes))
        for r, vectors in enumerate(sums):
            place = self._at(column, builder.add(row, self._word(r)), self.out_step)
            for v, value in enumerate(vectors):
                builder.store(value, self._pointer(self._at(place, v, lanes() * _BYTES), self.vector), align=_BYTES)

    def _sums(self, a: list, panels: list) -> list[list[Any]]:
        """The vectors of a block's result, for each row those of all panels."""
        builder, before = self.builder, self.builder.basic_block
        loop, end = builder.append_basic_block("products"), builder.append_basic_block("stores")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = self._carried(self.word, before, self._word(0))
        zeros = self.ir.Constant(self.vector, [0.0] * lanes())
        sums = [[self._carried(self.vector, before, zeros) for _ in range(VECTORS * len(panels))] for _ in a]
        factors = [
            self._load(self._at(self._at(panel, k, self.row_bytes), v, lanes() * _BYTES), self.vector)
            for panel in panels
            for v in range(VECTORS)
        ]
        for row, carried in zip(a, sums):
            number = self._spread(self._load(self._at(row, k, _BYTES), self.ir.FloatType()))
            for i, (factor, total) in enumerate(zip(factors, list(carried))):
                carried[i] = builder.call(self.fused, [number, factor, total])
                total.add_incoming(carried[i], loop)
        following = builder.add(k, self._word(1))
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, self.inner), loop, end)
        builder.position_at_end(end)
        return sums

    def _range(self, start: Any, stop: Any, step: int) -> Any:
        return _indices(self.utils.for_range_slice(self.builder, start, stop, self._word(step), self.word))

    def _word(self, n: int) -> Any:
        return self.ir.Constant(self.word, n)

    def _at(self, address: Any, index: Any, step: Any) -> Any:
        index, step = (self._word(n) if isinstance(n, int) else n for n in (index, step))
        return self.builder.add(address, self.builder.mul(index, step))

    def _carried(self, kind: Any, before: Any, value: Any) -> Any:
        phi = self.builder.phi(kind)
        phi.add_incoming(value, before)
        return phi

    def _pointer(self, address: Any, kind: Any) -> Any:
        return self.builder.inttoptr(address, self.ir.PointerType(kind))

    def _load(self, address: Any, kind: Any) -> Any:
        return self.builder.load(self._pointer(address, kind), align=_BYTES)

    def _spread(self, number: Any) -> Any:
        """A number in all lanes."""
        empty, first = self.ir.Constant(self.vector, self.ir.Undefined), self.ir.Constant(self.ir.IntType(32), 0)
        order = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), lanes()), [0] * lanes())
        return self.builder.shuffle_vector(self.builder.insert_element(empty, number, first), empty, order)


@contextlib.contextmanager
def _indices(loop: Any) -> Iterator[Any]:
    with loop as (index, _):
        yield index
