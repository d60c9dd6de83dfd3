"""Equalization of images tile by tile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.layers.core.dense import as_units
from gpunet.layers.preprocessing.image_layer import ImageLayer, as_value_range, rescaled
from gpunet.ops.image.layout import as_floats, constant

LEVELS = 256


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Equalizes the histogram of each tile of an image and channel, without steps between tiles (Zuiderveld 1994).

    Args:
        value_range: (smallest, largest) of the images' values.
        clip_limit: how many times the mean a level's count may be; what is above goes to all levels. No limit where 0.
        tile_grid_size: (rows, columns) of tiles.

    Raises:
        ValueError: unless the grid has two positive sizes.
    """

    settings = ("value_range", "clip_limit", "tile_grid_size")
    moves = False

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format, **kwargs)
        self.value_range = as_value_range(value_range)
        self.clip_limit = clip_limit
        if not isinstance(tile_grid_size, list | tuple) or len(tile_grid_size) != 2:
            raise ValueError(f"`tile_grid_size` has two positive sizes. Received: tile_grid_size={tile_grid_size}")
        name = f"{type(self).__name__}: tile_grid_size"
        self.tile_grid_size = tuple(as_units(n, name) for n in tile_grid_size)

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        values = ops.clip(rescaled(ops.cast(as_floats(x), "float32"), self.value_range, (0, 255)), 0.0, 255.0)
        levels = ops.cast(values, "int32")
        sizes = tuple(-(-n // tiles) for n, tiles in zip(x.shape[1:3], self.tile_grid_size))
        found = self._looked_up(self._tables(levels, sizes), levels, sizes)
        return rescaled(found, (0, 255), self.value_range)

    def _tables(self, levels: Any, sizes: tuple[int, ...]) -> Any:
        """What each level becomes in each tile, (batch, rows, columns, channels, 256)."""
        counts = self._counts(levels, sizes)
        area = sizes[0] * sizes[1]
        if self.clip_limit > 0:
            kept = ops.minimum(counts, self.clip_limit * area / LEVELS)
            counts = kept + ops.sum(counts - kept, -1, keepdims=True) / LEVELS
        below = ops.cumsum(counts, -1)
        first = ops.min(below, -1, keepdims=True)
        rest = area - first
        return ops.clip((below - first) * 255.0 / ops.where(ops.equal(rest, 0), 1.0, rest), 0.0, 255.0)

    def _counts(self, levels: Any, sizes: tuple[int, ...]) -> Any:
        """How often each tile has each level; edges are mirrored until tiles are full."""
        (rows, columns), (height, width) = self.tile_grid_size, sizes
        missing = [(0, n * tiles - have) for n, tiles, have in zip(sizes, (rows, columns), levels.shape[1:3])]
        levels = ops.pad(levels, [(0, 0), *missing, (0, 0)], mode="symmetric")
        batch, channels = levels.shape[0], levels.shape[3]
        tiles = ops.reshape(levels, (batch, rows, height, columns, width, channels))
        shape = (batch, rows, 1, columns, 1, channels)
        numbers = np.arange(batch * rows * columns * channels).reshape(batch, rows, 1, columns, 1, channels)
        places = tiles + constant(numbers * LEVELS, levels, "int32")
        flat = ops.reshape(places, (-1, 1))
        ones = ops.cast(ops.ones_like(flat)[:, 0], "float32")
        counts = ops.scatter(flat, ones, (numbers.size * LEVELS,))
        return ops.reshape(counts, (*(n for i, n in enumerate(shape) if i not in (2, 4)), LEVELS))

    def _looked_up(self, tables: Any, levels: Any, sizes: tuple[int, ...]) -> Any:
        """Each pixel in the tables of the four tiles around it, weighted by how near their centres are."""
        tops, bottoms, down = _neighbours(levels.shape[1], sizes[0], self.tile_grid_size[0])
        lefts, rights, across = _neighbours(levels.shape[2], sizes[1], self.tile_grid_size[1])
        batch, pixels = levels.shape[0], math.prod(levels.shape[1:])
        flat = ops.reshape(tables, (batch, math.prod(tables.shape[1:])))

        def at(rows: np.ndarray, columns: np.ndarray) -> Any:
            tiles = rows[:, None, None] * self.tile_grid_size[1] + columns[None, :, None]
            numbers = (tiles * levels.shape[3] + np.arange(levels.shape[3])) * LEVELS
            places = ops.reshape(levels + constant(numbers, levels, "int32"), (batch, pixels))
            return ops.reshape(ops.take_along_axis(flat, places, axis=1), levels.shape)

        right = constant(across[None, None, :, None], levels, "float32")
        lower = constant(down[None, :, None, None], levels, "float32")
        upper = at(tops, lefts) * (1.0 - right) + at(tops, rights) * right
        below = at(bottoms, lefts) * (1.0 - right) + at(bottoms, rights) * right
        return upper * (1.0 - lower) + below * lower


def _neighbours(length: int, size: int, tiles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tiles before and after each place, and how far it is from the centre of the first to that of the other."""
    place = (np.arange(length) - size / 2) / size
    before = np.floor(place).astype(int)
    return np.clip(before, 0, tiles - 1), np.clip(before + 1, 0, tiles - 1), place - before
