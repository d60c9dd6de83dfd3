"""Values of arrays between their elements: map_coordinates, and affine, perspective and elastic transforms."""

from __future__ import annotations

import itertools
import math
from typing import Any

from gpunet.ops import elementwise as el
from gpunet.ops.image.layout import as_batch, as_before, as_floats, check_choice, constant
from gpunet.ops.indexing import take
from gpunet.ops.operands import cast_to, operand
from gpunet.ops.views import expand_dims, reshape
from gpunet.symbolic.ops import symbolic_op

INTERPOLATIONS = {"nearest": 0, "bilinear": 1}
FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


@symbolic_op
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0.0
) -> Any:
    """The values of an array at coordinates between its elements.

    Args:
        inputs: an array of n axes.
        coordinates: (n, ...): one coordinate per axis.
        order: 0 takes the nearest element, 1 interpolates linearly.
        fill_mode: how the array goes on beyond its edges: "constant", "nearest" (the edge), "wrap", "mirror" (without
            the edge) or "reflect" (with it).
        fill_value: of "constant".

    Returns:
        The values, of the shape of one coordinate. Gradients flow to the inputs, and for order 1 to the coordinates.

    Raises:
        ValueError: if the ranks do not fit, or on other orders and modes.
    """
    inputs, coordinates = operand(inputs), operand(coordinates)
    if coordinates.ndim < 2:
        raise ValueError(
            f"Invalid coordinates rank: expected at least rank 2. Received input with shape: {coordinates.shape}"
        )
    if coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            f"First dim of `coordinates` must be the same as the rank of `inputs`. Received inputs with shape: "
            f"{inputs.shape} and coordinate leading dim of {coordinates.shape[0]}"
        )
    check_choice(fill_mode, FILL_MODES, "fill_mode")
    check_choice(order, (0, 1), "order")
    axes = [coordinates[k] for k in range(inputs.ndim)]
    flat = reshape(as_floats(inputs), (-1,))
    return as_before(sample(flat, inputs.shape, axes, order, fill_mode, fill_value), inputs.dtype)


def sample(flat: Any, sizes: Any, axes: Any, order: int, fill_mode: str, fill_value: float, start: Any = None) -> Any:
    """The elements of an array whose axes `sizes` are flattened to the first, at one coordinate array per axis.

    `start` is the index of the first element for each of the coordinates, 0 where None. The result is of the
    coordinates' shape, followed by the rest of the array's.
    """
    nodes = [_nodes(x, n, order, fill_mode) for x, n in zip(axes, sizes)]
    strides = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
    total: Any = None
    for corner in itertools.product(*nodes):
        index: Any = start
        for (place, _, _), stride in zip(corner, strides):
            part = place if stride == 1 else el.multiply(place, stride)
            index = part if index is None else el.add(index, part)
        values = take(flat, index, axis=0)
        values = _filled(values, [inside for _, inside, _ in corner], fill_value)
        weights = [_beside(w, values) for _, _, w in corner if w is not None]
        for weight in weights:
            values = el.multiply(values, weight)
        total = values if total is None else el.add(total, values)
    return total


def _nodes(x: Any, n: int, order: int, fill_mode: str) -> list[tuple[Any, Any, Any]]:
    """For each neighbour of a coordinate: its place in [0, n), whether it is inside (None: always), and its weight."""
    if order == 0:
        lower, weights = _rounded(x), [None]
    else:
        lower = el.floor(x)
        upper = el.subtract(x, el.stop_gradient(lower))
        weights = [el.subtract(1.0, upper), upper]
    found = []
    for k, weight in enumerate(weights):
        place = cast_to(lower, "int32") if k == 0 else el.add(cast_to(lower, "int32"), 1)
        inside = None
        if fill_mode == "constant":
            inside = el.logical_and(el.greater_equal(place, 0), el.less(place, n))
        found.append((_PLACES[fill_mode](place, n), inside, weight))
    return found


def _rounded(x: Any) -> Any:
    """The nearest integer, halves away from 0."""
    return el.multiply(el.sign(x), el.floor(el.add(el.absolute(x), 0.5)))


def _mirrored(place: Any, n: int) -> Any:
    """0 … n − 1 … 1, again and again."""
    last = n - 1
    return el.absolute(el.subtract(el.mod(el.add(place, last), max(1, 2 * last)), last))


_PLACES = {
    "constant": lambda place, n: el.clip(place, 0, n - 1),
    "nearest": lambda place, n: el.clip(place, 0, n - 1),
    "wrap": lambda place, n: el.mod(place, n),
    "mirror": lambda place, n: _mirrored(place, n),
    # Between doubled places, an edge is a place of its own.
    "reflect": lambda place, n: el.floor_divide(
        el.subtract(_mirrored(el.add(el.multiply(place, 2), 1), 2 * n + 1), 1), 2
    ),
}


def _filled(values: Any, inside: list, fill_value: float) -> Any:
    for condition in inside:
        if condition is not None:
            values = el.where(_beside(condition, values), values, float(fill_value))
    return values


def _beside(x: Any, values: Any) -> Any:
    """x with axes of size 1 for those of the values that it does not have."""
    return reshape(x, (*x.shape, *(1,) * (values.ndim - x.ndim)))


def sample_images(x: Any, rows: Any, columns: Any, interpolation: str, fill_mode: str, fill_value: float) -> Any:
    """Images (batch, height, width, channels) at rows and columns (batch, …): (batch, …, channels)."""
    batch, height, width, channels = x.shape
    steps = constant([i * height * width for i in range(batch)], x, "int32")
    start = reshape(steps, (batch, *(1,) * (rows.ndim - 1)))
    flat = reshape(as_floats(x), (batch * height * width, channels))
    order = INTERPOLATIONS[interpolation]
    return as_before(sample(flat, (height, width), (rows, columns), order, fill_mode, fill_value, start), x.dtype)


def _grid(x: Any, dtype: Any) -> tuple[Any, Any]:
    """Columns (1, 1, width) and rows (1, height, 1) of the images' pixels."""
    _, height, width, _ = x.shape
    columns, rows = (constant(range(n), x, dtype) for n in (width, height))
    return reshape(columns, (1, 1, width)), reshape(rows, (1, height, 1))


@symbolic_op
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images moved, turned, scaled and sheared: the pixel (x, y) of the result is that at (x', y') of the image.

    Args:
        images: (batch, height, width, channels) or one image, or channels first.
        transform: (batch, 8) or (8,), the numbers a0, a1, a2, b0, b1, b2, c0, c1 of x' = a0·x + a1·y + a2 and
            y' = b0·x + b1·y + b2; c0 and c1 are not used.
        interpolation: "nearest" or "bilinear".
        fill_mode, fill_value: as in `map_coordinates`.

    Raises:
        ValueError: on other ranks and words.
    """
    check_choice(interpolation, INTERPOLATIONS, "interpolation")
    check_choice(fill_mode, FILL_MODES, "fill_mode")
    x, restored = as_batch(images, data_format)
    t = as_floats(operand(transform))
    if t.ndim not in (1, 2):
        raise ValueError(
            f"Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of transforms). "
            f"Received input with shape: transform.shape={t.shape}"
        )
    t = reshape(t, (-1, 8, 1, 1)) if t.ndim == 2 else reshape(t, (1, 8, 1, 1))
    columns, rows = _grid(x, t.dtype)
    new_columns, new_rows = (
        el.add(el.add(el.multiply(t[:, k], columns), el.multiply(t[:, k + 1], rows)), t[:, k + 2]) for k in (0, 3)
    )
    return restored(sample_images(x, new_rows, new_columns, interpolation, fill_mode, fill_value))


@symbolic_op
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images seen in another perspective: four points of each are where four others were.

    Args:
        images: (batch, height, width, channels) or one image, or channels first.
        start_points, end_points: (batch, 4, 2) or (4, 2): x and y of four points before and after. Neither four
            may have three on a line.
        interpolation: "nearest" or "bilinear".
        fill_value: of what was not in the image.

    Raises:
        ValueError: on other shapes and words.
    """
    check_choice(interpolation, INTERPOLATIONS, "interpolation")
    x, restored = as_batch(images, data_format)
    start, end = (_corners(p, name) for p, name in ((start_points, "start_points"), (end_points, "end_points")))
    if start.shape != end.shape:
        raise ValueError(
            f"start_points and end_points must have the same shape. Received start_points.shape={start.shape}, "
            f"end_points.shape={end.shape}"
        )
    a = [reshape(value, (-1, 1, 1)) for value in homography(start, end)]
    columns, rows = _grid(x, a[0].dtype)

    def line(k):
        found = el.add(el.multiply(a[k], columns), el.multiply(a[k + 1], rows))
        return el.add(found, a[k + 2] if k < 6 else 1.0)

    depth = line(6)
    places = el.divide(line(3), depth), el.divide(line(0), depth)
    return restored(sample_images(x, *places, interpolation, "constant", fill_value))


def _corners(points: Any, name: str) -> Any:
    points = as_floats(operand(points))
    if points.ndim not in (2, 3) or tuple(points.shape[-2:]) != (4, 2):
        raise ValueError(
            f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
            f"Received shape: {points.shape}"
        )
    return points if points.ndim == 3 else expand_dims(points, 0)


def homography(start: Any, end: Any) -> list:
    """The eight numbers, (batch,) each, of the projective map that takes `end` (batch, 4, 2) to `start`.

    Through the unit square (Heckbert, "Fundamentals of texture mapping", 1989): from it to `start`, after the inverse
    of that to `end`.
    """
    to_start, to_end = (_from_square([(p[:, k, 0], p[:, k, 1]) for k in range(4)]) for p in (start, end))
    product = _product(to_start, _adjugate(to_end))
    return [el.divide(value, product[2][2]) for row in product for value in row][:8]


def _from_square(corners: list) -> list[list]:
    """The matrix of the map that takes (0, 0), (1, 0), (1, 1), (0, 1) to four corners."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    dx1, dx2, dx3 = el.subtract(x1, x2), el.subtract(x3, x2), el.add(el.subtract(x0, x1), el.subtract(x2, x3))
    dy1, dy2, dy3 = el.subtract(y1, y2), el.subtract(y3, y2), el.add(el.subtract(y0, y1), el.subtract(y2, y3))
    scale = _cross(dx1, dx2, dy1, dy2)
    g, h = el.divide(_cross(dx3, dx2, dy3, dy2), scale), el.divide(_cross(dx1, dx3, dy1, dy3), scale)
    first = [el.add(el.subtract(x1, x0), el.multiply(g, x1)), el.add(el.subtract(x3, x0), el.multiply(h, x3)), x0]
    second = [el.add(el.subtract(y1, y0), el.multiply(g, y1)), el.add(el.subtract(y3, y0), el.multiply(h, y3)), y0]
    return [first, second, [g, h, el.ones_like(g)]]


def _cross(a: Any, b: Any, c: Any, d: Any) -> Any:
    """a·d − b·c."""
    return el.subtract(el.multiply(a, d), el.multiply(b, c))


def _adjugate(m: list[list]) -> list[list]:
    def cofactor(i, j):
        (a, b), (c, d) = ([m[(i + r) % 3][(j + s) % 3] for s in (1, 2)] for r in (1, 2))
        return _cross(a, b, c, d)

    return [[cofactor(j, i) for j in range(3)] for i in range(3)]


def _product(a: list[list], b: list[list]) -> list[list]:
    def entry(i, j):
        terms = [el.multiply(a[i][k], b[k][j]) for k in range(3)]
        return el.add(el.add(terms[0], terms[1]), terms[2])

    return [[entry(i, j) for j in range(3)] for i in range(3)]


def displaced(
    x: Any, shift_rows: Any, shift_columns: Any, interpolation: str, fill_mode: str, fill_value: float
) -> Any:
    """Images (batch, height, width, channels), each pixel taken from `shift` (batch, height, width) away."""
    columns, rows = _grid(x, shift_rows.dtype)
    places = el.add(rows, shift_rows), el.add(columns, shift_columns)
    return sample_images(x, *places, interpolation, fill_mode, fill_value)
