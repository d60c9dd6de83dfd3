"""Functions written twice, for PyTorch and for gpunet, on the same arrays in PyTorch's layout.

A case holds what makes its arrays, and the two functions. PyTorch is handed in, so that this module does not need it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet import ops


@dataclass
class Case:
    """`torch(torch, *tensors)` and `gpunet(*tensors)` of the same arrays; the first few are `differentiated`."""

    name: str
    draw: Callable[[np.random.Generator], list[np.ndarray]]
    torch: Callable
    gpunet: Callable
    differentiated: int

    def arrays(self, seed: int) -> list[np.ndarray]:
        return self.draw(np.random.default_rng([seed, *self.name.encode()]))


CASES: list[Case] = []


def case(name: str, shapes: list, torch: Callable, gpunet: Callable, draw: Callable | None = None, more: Any = None):
    """Add a case of normal arrays of these shapes, changed by `draw`; `more(rng)` makes arrays without a gradient."""

    def arrays(rng):
        found = [rng.standard_normal(s) for s in shapes]
        return [*(map(draw, found) if draw else found), *(more(rng) if more else [])]

    CASES.append(Case(name, arrays, torch, gpunet, len(shapes)))


def cotangent(shape: tuple[int, ...]) -> np.ndarray:
    """The weights of a result's elements in the scalar that is differentiated."""
    return np.cos(np.arange(np.prod(shape, dtype=int), dtype=np.float64) * 0.7 + 0.3).reshape(shape)


def _kernel(w):
    """(out, in, *window) as (*window, in, out), and a transposed (in, out, *window) as (*window, out, in)."""
    return ops.transpose(w, (*range(2, w.ndim), 1, 0))


def _conv(*, stride=1, padding=0, dilation=1):
    def run(x, w, b=None):
        options = {"strides": stride, "padding": padding, "dilation_rate": dilation, "bias": b}
        return ops.conv(x, _kernel(w), data_format="channels_first", **options)

    return run


for name, x, w, options in (
    ("1d", (2, 3, 7), (2, 3, 3), {}),
    ("1d strided dilated", (1, 2, 9), (3, 2, 3), {"stride": 2, "padding": 2, "dilation": 2}),
    ("2d", (2, 2, 4, 5), (3, 2, 3, 2), {}),
    ("2d padded", (1, 2, 4, 3), (2, 2, 3, 3), {"padding": 1}),
    ("2d strided", (1, 2, 5, 6), (2, 2, 2, 3), {"stride": (2, 3), "padding": (1, 0)}),
    ("2d dilated", (1, 2, 6, 5), (2, 2, 3, 2), {"dilation": (2, 3)}),
    ("2d stride > kernel", (1, 2, 7, 7), (2, 2, 2, 2), {"stride": 3}),
    ("2d padding ≥ kernel", (1, 1, 3, 3), (2, 1, 2, 2), {"padding": 2, "stride": 2}),
    ("2d groups", (1, 4, 4, 4), (4, 2, 3, 3), {"groups": 2, "padding": 1}),
    ("2d depthwise", (1, 3, 5, 4), (6, 1, 2, 3), {"groups": 3, "stride": 2}),
    ("2d 1×1", (2, 3, 3, 3), (4, 3, 1, 1), {}),
    ("3d", (1, 2, 3, 4, 3), (2, 2, 2, 2, 2), {"padding": (1, 0, 1), "stride": (1, 2, 1)}),
):
    rank = len(x) - 2
    case(
        f"conv {name}",
        [x, w],
        lambda torch, x, w, rank=rank, options=options: getattr(torch.nn.functional, f"conv{rank}d")(x, w, **options),
        _conv(**{k: v for k, v in options.items() if k != "groups"}),
    )
case(
    "conv 2d bias relu",
    [(1, 2, 4, 4), (3, 2, 3, 3), (3,)],
    lambda torch, x, w, b: torch.relu(torch.nn.functional.conv2d(x, w, b, padding=1)),
    lambda x, w, b: ops.conv(x, _kernel(w), 1, 1, "channels_first", bias=b, activation="relu"),
)
for name, x, w, stride, extra in (
    ("1d", (1, 2, 4), (2, 3, 3), 1, 0),
    ("2d", (1, 2, 3, 3), (2, 2, 3, 2), 2, 0),
    ("2d output_padding", (1, 2, 3, 2), (2, 2, 2, 3), (2, 3), (1, 2)),
    ("3d", (1, 2, 2, 2, 2), (2, 1, 2, 3, 2), 2, 0),
):
    rank = len(x) - 2
    case(
        f"conv_transpose {name}",
        [x, w],
        lambda torch, x, w, rank=rank, stride=stride, extra=extra: getattr(
            torch.nn.functional, f"conv_transpose{rank}d"
        )(x, w, stride=stride, output_padding=extra),
        lambda x, w, stride=stride, extra=extra: ops.conv_transpose(
            x, _kernel(w), stride, "valid", extra, "channels_first"
        ),
    )

for kind, function in (("max", ops.max_pool), ("avg", ops.average_pool)):
    for name, x, window, stride, padding in (
        ("1d", (2, 2, 7), 2, 2, 0),
        ("2d", (1, 2, 5, 4), 2, 2, 0),
        ("2d overlapping", (1, 2, 6, 5), (3, 2), (2, 1), (1, 1)),
        ("2d stride > window", (1, 1, 8, 8), 2, 3, 1),
        ("3d", (1, 1, 4, 4, 3), 2, (2, 1, 1), 0),
    ):
        rank = len(x) - 2
        extra = {} if kind == "max" else {"count_include_pad": False}
        case(
            f"{kind}_pool {name}",
            [x],
            lambda torch, x, kind=kind, rank=rank, a=(window, stride, padding), extra=extra: getattr(
                torch.nn.functional, f"{kind}_pool{rank}d"
            )(x, *a, **extra),
            lambda x, function=function, a=(window, stride, padding): function(x, *a, "channels_first"),
        )
case(
    "max_pool ties",
    [(1, 1, 6, 6)],
    lambda torch, x: torch.nn.functional.max_pool2d(x, 3, 2),
    lambda x: ops.max_pool(x, 3, 2, data_format="channels_first"),
    draw=np.rint,
)
for name, x, a in (
    ("1d", (2, 2, 7), (2, 2, 0)),
    ("2d overlapping", (1, 2, 6, 5), ((3, 2), (2, 1), (1, 1))),
    ("3d", (1, 1, 4, 4, 3), (2, (2, 1, 1), 0)),
    ("ties", (1, 1, 6, 6), (3, 2, 0)),
):
    rank = len(x) - 2
    case(
        f"min_pool {name}",
        [x],
        lambda torch, x, rank=rank, a=a: -getattr(torch.nn.functional, f"max_pool{rank}d")(-x, *a),
        lambda x, a=a: ops.min_pool(x, *a, "channels_first"),
        **({"draw": np.rint} if name == "ties" else {}),
    )

for name, x in (("2d", (5, 3)), ("3d", (3, 2, 4)), ("4d", (2, 3, 2, 2))):
    case(
        f"batch_norm training {name}",
        [x, (x[1],), (x[1],)],
        lambda torch, x, g, b: torch.nn.functional.batch_norm(x, None, None, g, b, True, 0.1, 1e-3),
        lambda x, g, b: ops.batch_norm_training(x, g, b, axis=1)[0],
    )
case(
    "batch_norm inference",
    [(3, 2, 4), (2,), (2,)],
    lambda torch, x, g, b, m, v: torch.nn.functional.batch_norm(x, m, v, g, b, False, 0.1, 1e-3),
    lambda x, g, b, m, v: ops.batch_normalization(x, m, v, 1, b, g),
    more=lambda rng: [rng.standard_normal(2), rng.uniform(0.3, 2, 2)],
)


def _labels(rows, classes):
    return lambda rng: [rng.integers(0, classes, rows)]


case("softmax", [(3, 5)], lambda torch, x: x.softmax(-1), ops.softmax)
case("softmax axis 1", [(2, 4, 3)], lambda torch, x: x.softmax(1), lambda x: ops.softmax(x, axis=1))
case("log_softmax", [(3, 5)], lambda torch, x: x.log_softmax(-1), ops.log_softmax, draw=lambda x: 20 * x)
case(
    "cross entropy",
    [(4, 5)],
    lambda torch, x, y: torch.nn.functional.cross_entropy(x, y, reduction="none"),
    lambda x, y: ops.sparse_categorical_crossentropy(y, x, from_logits=True),
    draw=lambda x: 3 * x,
    more=_labels(4, 5),
)
case(
    "cross entropy of images",
    [(2, 3, 2, 2)],
    lambda torch, x, y: torch.nn.functional.cross_entropy(x, y, reduction="none"),
    lambda x, y: ops.sparse_categorical_crossentropy(y, x, from_logits=True, axis=1),
    more=_labels((2, 2, 2), 3),
)
case(
    "cross entropy with soft targets",
    [(4, 5)],
    lambda torch, x, t: torch.nn.functional.cross_entropy(x, t, reduction="none"),
    lambda x, t: ops.categorical_crossentropy(t, x, from_logits=True),
    more=lambda rng: [rng.dirichlet(np.ones(5), 4)],
)
case(
    "binary cross entropy",
    [(3, 4)],
    lambda torch, x, t: torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none"),
    lambda x, t: ops.binary_crossentropy(t, x, from_logits=True),
    draw=lambda x: 100 * x,
    more=lambda rng: [rng.random((3, 4)).round()],
)

for name, torch_name, function in (
    ("relu", "relu", ops.relu),
    ("relu6", "relu6", ops.relu6),
    ("leaky_relu", "leaky_relu", lambda x: ops.leaky_relu(x, 0.01)),
    ("elu", "elu", ops.elu),
    ("selu", "selu", ops.selu),
    ("celu", "celu", ops.celu),
    ("gelu", "gelu", lambda x: ops.gelu(x, approximate=False)),
    ("silu", "silu", ops.silu),
    ("mish", "mish", ops.mish),
    ("softplus", "softplus", ops.softplus),
    ("softsign", "softsign", ops.softsign),
    ("log_sigmoid", "logsigmoid", ops.log_sigmoid),
    ("hard_silu", "hardswish", ops.hard_silu),
    ("hard_tanh", "hardtanh", ops.hard_tanh),
    ("tanh_shrink", "tanhshrink", ops.tanh_shrink),
    ("soft_shrink", "softshrink", ops.soft_shrink),
    ("hard_shrink", "hardshrink", ops.hard_shrink),
    ("glu", "glu", ops.glu),
):
    case(name, [(2, 6)], lambda torch, x, n=torch_name: getattr(torch.nn.functional, n)(x), function, lambda x: 2 * x)
case(
    "gelu by tanh",
    [(2, 6)],
    lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"),
    ops.gelu,
)
for name in ("exp", "expm1", "sin", "tanh", "sigmoid", "erf", "arctan", "arcsinh", "square"):
    case(name, [(2, 4)], lambda torch, x, n=name: getattr(torch, n)(x), getattr(ops, name))
for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal"):
    case(name, [(2, 4)], lambda torch, x, n=name: getattr(torch, n)(x), getattr(ops, name), lambda x: np.abs(x) + 0.3)

# PyTorch has no second derivative of these.
case("hard_sigmoid", [(2, 6)], lambda torch, x: torch.clamp(x + 3, 0, 6) / 6, ops.hard_sigmoid, lambda x: 3 * x)
case("absolute", [(2, 4)], lambda torch, x: torch.where(x > 0, x, -x), ops.absolute)

for name, shapes, function in (
    ("add", [(2, 3), (3,)], ops.add),
    ("subtract", [(2, 1), (3,)], ops.subtract),
    ("multiply", [(2, 3, 1), (3, 2)], ops.multiply),
    ("maximum", [(2, 3), (1, 3)], ops.maximum),
    ("minimum", [(2, 3), ()], ops.minimum),
    ("logaddexp", [(2, 3), (3,)], ops.logaddexp),
    ("arctan2", [(2, 3), (3,)], ops.arctan2),
    ("matmul", [(2, 1, 3, 2), (2, 2, 4)], ops.matmul),
    ("matmul", [(3,), (2, 3, 2)], ops.matmul),
    ("outer", [(3,), (2,)], ops.outer),
    ("inner", [(2, 3), (4, 3)], ops.inner),
):
    shown = f"{name} {'·'.join(map(str, shapes))}".replace(" ", "")
    case(shown, shapes, lambda torch, *xs, n=name: getattr(torch, n)(*xs), function)
case("divide", [(2, 3), (3,)], lambda torch, a, b: a / b.exp(), lambda a, b: ops.divide(a, ops.exp(b)))
case("power", [(2, 3), (3,)], lambda torch, a, b: a.exp() ** b, lambda a, b: ops.power(ops.exp(a), b))
case("where", [(2, 3), (3,)], lambda torch, a, b: torch.where(a > b, a * b, b), lambda a, b: ops.where(a > b, a * b, b))
for subscripts, shapes in (
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
    ("bqhd,bkhd->bhqk", [(1, 2, 2, 3), (1, 3, 2, 3)]),
    ("...c,c->...", [(2, 2, 3), (3,)]),
    ("ii->i", [(3, 3)]),
    ("ab,bc,cd->ad", [(2, 3), (3, 2), (2, 3)]),
):
    case(
        f"einsum {subscripts}",
        shapes,
        lambda torch, *xs, s=subscripts: torch.einsum(s, *xs),
        lambda *xs, s=subscripts: ops.einsum(s, *xs),
    )

for name, torch_call, function in (
    ("sum", lambda x: x.sum((0, 2)), lambda x: ops.sum(x, (0, 2))),
    ("mean", lambda x: x.mean(1, keepdim=True), lambda x: ops.mean(x, 1, keepdims=True)),
    ("max", lambda x: x.amax((1, 2)), lambda x: ops.max(x, (1, 2))),
    ("min", lambda x: x.amin(0), lambda x: ops.min(x, 0)),
    ("prod", lambda x: x.prod(1), lambda x: ops.prod(x, 1)),
    ("var", lambda x: x.var((0, 1), unbiased=False), lambda x: ops.var(x, (0, 1))),
    ("std", lambda x: x.std(2, unbiased=False), lambda x: ops.std(x, 2)),
    ("logsumexp", lambda x: x.logsumexp((0, 1)), lambda x: ops.logsumexp(x, (0, 1))),
    ("norm", lambda x: x.norm(dim=(1, 2)), lambda x: ops.norm(x, axis=(1, 2))),
    ("cumsum", lambda x: x.cumsum(1), lambda x: ops.cumsum(x, 1)),
    ("cumprod", lambda x: x.cumprod(2), lambda x: ops.cumprod(x, 2)),
    ("flip", lambda x: x.flip((0, 2)), lambda x: ops.flip(x, (0, 2))),
    ("roll", lambda x: x.roll((1, -2), (0, 2)), lambda x: ops.roll(x, (1, -2), (0, 2))),
    ("tril", lambda x: x.tril(1), lambda x: ops.tril(x, 1)),
    ("diagonal", lambda x: x.diagonal(1, 1, 2), lambda x: ops.diagonal(x, 1, 1, 2)),
    ("sort", lambda x: x.sort(-1)[0], ops.sort),
    ("top_k", lambda x: x.topk(2)[0], lambda x: ops.top_k(x, 2)[0]),
    ("getitem", lambda x: x[:, [2, 0, 2], 1:], lambda x: x[:, [2, 0, 2], 1:]),
):
    case(name, [(2, 3, 3)], lambda torch, x, f=torch_call: f(x), function)
for mode, torch_mode in (("constant", "constant"), ("reflect", "reflect"), ("edge", "replicate")):
    case(
        f"pad {mode}",
        [(1, 2, 3, 4)],
        lambda torch, x, m=torch_mode: torch.nn.functional.pad(x, (1, 2, 2, 0), m),
        lambda x, m=mode: ops.pad(x, ((0, 0), (0, 0), (2, 0), (1, 2)), m),
    )
case(
    "take",
    [(5, 3)],
    lambda torch, x, i: torch.nn.functional.embedding(i, x),
    lambda x, i: ops.take(x, i, axis=0),
    more=lambda rng: [rng.integers(0, 5, (2, 3))],
)
case(
    "take_along_axis",
    [(3, 4)],
    lambda torch, x, i: x.gather(1, i),
    lambda x, i: ops.take_along_axis(x, i, 1),
    more=lambda rng: [rng.integers(0, 4, (3, 2))],
)
