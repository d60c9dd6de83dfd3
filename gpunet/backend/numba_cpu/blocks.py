"""What loops call that Numba has no words for, since it keeps vectors in registers: LLVM code, written through Numba.

`product(a, panels, out)` is out = a·b for a matrix b packed in panels (count, inner, `VECTORS`·`lanes()`). It goes
block by block, of a few rows by a few panels, whose sums stay in registers from the first product to the last. Each sum
is taken in the order of `inner` alone, so that a row's result does not depend on the block that it is in.

`total(row)` and `largest(row)` are over contiguous rows, in as many lanes as a vector has. `power_of_two(n)` is 2ⁿ.
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
NAMES = ("fma", "product", "power_of_two", "total", "largest")


@functools.cache
def lanes() -> int:
    """Numbers in the processor's vectors."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return next((lanes for name, lanes in (("avx512f", 16), ("avx", 8)) if features.get(name)), 4)


def functions(numba: Any) -> dict[str, Any]:
    """By the names that loops use."""
    over_rows = {name: _reduction(numba, name) for name in ("total", "largest")}
    return {"fma": _fma(numba), "product": _product(numba), "power_of_two": _power_of_two(numba)} | over_rows


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


def _power_of_two(numba: Any) -> Any:
    @numba.extending.intrinsic
    def power_of_two(typing: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word = values[0].type
            exponent = builder.shl(builder.add(values[0], word(127)), word(23))
            return builder.bitcast(exponent, context.get_value_type(numba.types.float32))

        return numba.types.float32(numba.types.int32), generate

    return power_of_two


def _reduction(numba: Any, name: str) -> Any:
    @numba.extending.intrinsic
    def reduce(typing: Any, row: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _Reduction(builder, context.make_array(row)(context, builder, values[0])).write(name)

        return numba.types.float32(row), generate

    return reduce


def _product(numba: Any) -> Any:
    @numba.extending.intrinsic
    def product(typing: Any, a: Any, panels: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [context.make_array(t)(context, builder, v) for t, v in zip(signature.args, values)]
            _Product(builder, *arrays).write()
            return context.get_dummy_value()

        return numba.types.void(a, panels, out), generate

    return product


class _Code:
    """What writes code with vectors has in common. Addresses are 64-bit integers."""

    def __init__(self, builder: Any):
        from llvmlite import ir
        from numba.core import cgutils

        self.ir, self.builder, self.utils = ir, builder, cgutils
        self.word, self.number = ir.IntType(64), ir.FloatType()
        self.vector = ir.VectorType(self.number, lanes())

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

    def _shuffled(self, first: Any, second: Any, order: list[int]) -> Any:
        kind = self.ir.VectorType(self.ir.IntType(32), len(order))
        return self.builder.shuffle_vector(first, second, self.ir.Constant(kind, order))


class _Reduction(_Code):
    """Writes the code of a sum or a maximum over a contiguous row. NaN is no maximum."""

    def __init__(self, builder: Any, row: Any):
        super().__init__(builder)
        self.row = builder.ptrtoint(row.data, self.word)
        self.size = self.utils.unpack_tuple(builder, row.shape)[0]

    def write(self, name: str) -> Any:
        builder = self.builder
        combine = builder.fadd if name == "total" else self._larger
        start = 0.0 if name == "total" else float("-inf")
        whole = builder.sub(self.size, builder.srem(self.size, self._word(lanes())))
        first = self.ir.Constant(self.vector, [start] * lanes())
        vector = self._over(self._word(0), whole, lanes(), first, combine)
        return self._over(whole, self.size, 1, self._across(vector, combine), combine)

    def _larger(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def _over(self, start: Any, stop: Any, step: int, first: Any, combine: Any) -> Any:
        """All of the row between start and stop, a vector or a number at a time."""
        builder, before = self.builder, self.builder.basic_block
        test, loop, end = (builder.append_basic_block(name) for name in ("test", "loop", "end"))
        builder.branch(test)
        builder.position_at_end(test)
        i, found = self._carried(self.word, before, start), self._carried(first.type, before, first)
        builder.cbranch(builder.icmp_signed("<", i, stop), loop, end)
        builder.position_at_end(loop)
        found.add_incoming(combine(self._load(self._at(self.row, i, _BYTES), first.type), found), loop)
        i.add_incoming(builder.add(i, self._word(step)), loop)
        builder.branch(test)
        builder.position_at_end(end)
        return found

    def _across(self, vector: Any, combine: Any) -> Any:
        """The lanes of a vector into one: halves, their halves, and so on."""
        width = lanes()
        while width > 1:
            width //= 2
            low, high = (self._shuffled(vector, vector, list(range(i, i + width))) for i in (0, width))
            vector = combine(low, high)
        return self.builder.extract_element(vector, self.ir.Constant(self.ir.IntType(32), 0))


class _Product(_Code):
    """Writes the code of a product.

    Args:
        a: (rows, inner).
        panels: (count, inner, width), contiguous.
        out: (rows, count·width). Of all three the last axis is contiguous.
    """

    def __init__(self, builder: Any, a: Any, panels: Any, out: Any):
        super().__init__(builder)
        unpack = self.utils.unpack_tuple
        self.a, self.panels, self.out = (builder.ptrtoint(array.data, self.word) for array in (a, panels, out))
        self.a_step, self.out_step = (unpack(builder, array.strides)[0] for array in (a, out))
        self.rows, self.inner = unpack(builder, a.shape)
        self.count = unpack(builder, panels.shape)[0]
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
            number = self._spread(self._load(self._at(row, k, _BYTES), self.number))
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

    def _spread(self, number: Any) -> Any:
        """A number in all lanes."""
        empty, first = self.ir.Constant(self.vector, self.ir.Undefined), self.ir.Constant(self.ir.IntType(32), 0)
        return self._shuffled(self.builder.insert_element(empty, number, first), empty, [0] * lanes())


@contextlib.contextmanager
def _indices(loop: Any) -> Iterator[Any]:
    with loop as (index, _):
        yield index
