"""Tiles of matrix products: the shapes that are compiled, and which of them a product takes.

The choice is a function of the product's shape alone, so that results have the same bits on every GPU.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import FLOAT16, FLOAT32, FLOAT64

_BLOCKS_AT_ONCE = 256  # of a large GPU: what the choice of a tile reckons with
_STEP_COST = 24  # elements of k that a block's start and end cost


def accumulator(dtype: np.dtype) -> np.dtype:
    """What sums of a storage type are made in: float32 for float16."""
    return FLOAT32 if dtype == FLOAT16 else dtype


def storage(dtype: np.dtype) -> dict[str, object]:
    """The macros TYPE and SUM of the kernels that make sums of products."""
    return {"TYPE": C_TYPES[dtype], "SUM": C_TYPES[accumulator(dtype)]}


class Tile(NamedTuple):
    """A block's share of a product.

    `width_a` and `width_b` elements of the operands move at once, `efficiency` is that of the inner loop.
    """

    m: int
    n: int
    k: int
    micro_m: int
    micro_n: int
    width_a: int
    width_b: int
    efficiency: float

    def defines(self, dtype: np.dtype) -> dict[str, object]:
        """The macros of igemm.cuh."""
        return {
            **storage(dtype),
            "TILE_M": self.m,
            "TILE_N": self.n,
            "TILE_K": self.k,
            "MICRO_M": self.micro_m,
            "MICRO_N": self.micro_n,
            "WIDTH_A": self.width_a,
            "WIDTH_B": self.width_b,
        }


TILES: dict[np.dtype, tuple[Tile, ...]] = {
    FLOAT32: (
        Tile(128, 128, 8, 8, 8, 4, 4, 1.0),
        Tile(128, 64, 8, 8, 8, 4, 4, 0.9),
        Tile(64, 64, 16, 8, 4, 4, 4, 0.75),
        Tile(128, 32, 16, 8, 4, 4, 4, 0.7),
        Tile(32, 32, 16, 4, 4, 4, 4, 0.45),
        Tile(64, 64, 8, 8, 4, 1, 4, 0.6),  # stems, whose one or three channels are gathered one by one
        Tile(64, 64, 8, 4, 4, 1, 1, 0.4),
        Tile(32, 32, 8, 4, 4, 1, 1, 0.3),
    ),
    FLOAT64: (
        Tile(64, 64, 8, 4, 4, 1, 1, 1.0),
        Tile(32, 32, 8, 4, 4, 1, 1, 0.8),
    ),
    # Storage only: as many tiles as are worth their compile time, for few, middling and odd channels.
    FLOAT16: (
        Tile(128, 64, 8, 8, 8, 4, 4, 0.9),
        Tile(64, 64, 16, 8, 4, 4, 4, 0.75),
        Tile(64, 64, 8, 4, 4, 1, 1, 0.4),
    ),
}
# Volumes are rarer: fewer tiles for convolutions with three spatial axes.
VOLUME_TILES = {
    FLOAT32: (TILES[FLOAT32][2], TILES[FLOAT32][6]),
    FLOAT64: (TILES[FLOAT64][0],),
    FLOAT16: (TILES[FLOAT16][2],),
}


class Plan(NamedTuple):
    """How a product is cut: `splits` parts of k, each `depth` deep, and the blocks that it takes."""

    tile: Tile
    splits: int
    depth: int
    blocks: int

    def fields(self, rows: int, columns: int) -> dict[str, int]:
        """The struct Tiles of igemm.cuh."""
        return {
            "columns": math.ceil(columns / self.tile.n),
            "rows": math.ceil(rows / self.tile.m),
            "splits": self.splits,
            "depth": self.depth,
        }


def cut(tile: Tile, rows: int, columns: int, depth: int, batch: int, splits: int) -> Plan:
    """The plan for a tile and at most so many parts of k."""
    part = tile.k * math.ceil(max(depth, 1) / (tile.k * splits))
    splits = math.ceil(max(depth, 1) / part)
    blocks = math.ceil(rows / tile.m) * math.ceil(columns / tile.n) * splits * batch
    return Plan(tile, splits, part, blocks)


def _cost(plan: Plan, out_size: int) -> float:
    """Time in arbitrary units: rounds of blocks, and the traffic of parts that have to be summed."""
    tile = plan.tile
    rounds = max(1.0, plan.blocks / _BLOCKS_AT_ONCE)
    rounds = math.ceil(rounds) if rounds < 8 else rounds
    block = tile.m * tile.n * (plan.depth + _STEP_COST) / tile.efficiency
    reduction = 32.0 * out_size * plan.splits / _BLOCKS_AT_ONCE if plan.splits > 1 else 0.0
    return rounds * block + reduction


@functools.lru_cache(4096)
def choose(
    shapes: tuple[Tile, ...], wide: tuple[bool, bool], rows: int, columns: int, depth: int, batch: int, can_split: bool
) -> Plan:
    """The cheapest plan for `batch` products of (rows, depth) and (depth, columns).

    Args:
        shapes: the tiles there are.
        wide: for each operand, whether neighbours come in multiples of four, so that pieces of four can be moved.
        can_split: whether k may be cut into parts.
    """
    splits = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128] if can_split else [1]
    plans = [
        cut(tile, rows, columns, depth, batch, parts)
        for tile in shapes
        if (wide[0] or tile.width_a == 1) and (wide[1] or tile.width_b == 1)
        for parts in splits
        if parts == 1 or depth >= parts * 128
    ]
    return min(plans, key=lambda plan: _cost(plan, rows * columns * batch))
