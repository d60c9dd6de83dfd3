"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

from gpunet.ops import elementwise as el
from gpunet.ops.factorizations import svd
from gpunet.ops.operands import cast_to, float_operand, normalize_axis
from gpunet.ops.reduction import max as max_
from gpunet.ops.reduction import min as min_
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims, moveaxis
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors, along one axis, or of matrices, along two.

    Args:
        ord: None for the root of the sum of squares. Of vectors: a number p for (Σ|x|^p)^(1/p), ±inf for the largest or
            smallest |x|, 0 for how many are not zero. Of matrices: "fro", "nuc", ±1 and ±inf for the largest or
            smallest sum of a column or row, ±2 for the largest or smallest singular value.
        axis: one axis, a pair, or None for all: flattened where `ord` is None.

    Raises:
        ValueError: on another `ord`, or where x has neither one nor two axes to take it over.
    """
    x = float_operand(x)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, list | tuple) else (axis,)
    axes = tuple(normalize_axis(a, x.ndim) for a in axes)
    if ord is None or (ord in ("fro", "euclidean") and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return el.sqrt(sum_(el.square(x), axes, keepdims))
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: {ord=} needs one axis or two. Received: axis={axis}, shape={tuple(x.shape)}")
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    size = el.absolute(x)
    if isinstance(ord, str) and ord != "inf":
        raise ValueError(f"norm: Invalid `ord` argument for vector norm. Received: ord={ord}")
    if ord in (math.inf, "inf"):
        return max_(size, axis, keepdims)
    if ord == -math.inf:
        return min_(size, axis, keepdims)
    if ord == 0:
        return sum_(cast_to(el.not_equal(x, 0), x.dtype), axis, keepdims)
    if ord == 1:
        return sum_(size, axis, keepdims)
    return el.power(sum_(el.power(size, float(ord)), axis, keepdims), 1.0 / float(ord))


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    x = moveaxis(x, axes, (-2, -1))
    if ord in (1, -1, math.inf, -math.inf):
        sums = sum_(el.absolute(x), -2 if abs(ord) == 1 else -1)
        found = (max_ if ord > 0 else min_)(sums, -1)
    elif ord in (2, -2, "nuc"):
        s = cast_to(svd(x, compute_uv=False), x.dtype)
        found = sum_(s, -1) if ord == "nuc" else (max_ if ord > 0 else min_)(s, -1)
    else:
        raise ValueError(f"norm: Invalid `ord` argument for matrix norm. Received: ord={ord}")
    if not keepdims:
        return found
    for axis in sorted(axes):
        found = expand_dims(found, axis)
    return found
