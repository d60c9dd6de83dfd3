"""`model.summary()`: a table of layers, output shapes and parameters, as Keras prints it."""

from __future__ import annotations

import itertools
import math
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gpunet import tree
from gpunet.models.op_config import class_name
from gpunet.symbolic import OpCall

# Title, alignment and right end of each column, as a share of the width.
_CHAIN = (("Layer (type)", "left", 0.45), ("Output Shape", "left", 0.8), ("Param #", "right", 1.0))
_GRAPH = (
    ("Layer (type)", "left", 0.3),
    ("Output Shape", "left", 0.56),
    ("Param #", "right", 0.74),
    ("Connected to", "left", 1.0),
)
_WIDTHS = {_CHAIN: 88, _GRAPH: 108}
_TRAINABLE = 12  # characters for another column


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Print a model's layers; see `Model.summary`."""
    graph = hasattr(model, "_nodes") and not _is_chain(model)
    layers = model.operations if hasattr(model, "operations") else model.layers
    table = _empty_table(_GRAPH if graph else _CHAIN, positions, line_length, show_trainable)
    for layer in layers[_chosen(layers, layer_range)]:
        for depth, row in _rows(layer, expand_nested):
            name = "   " * depth + "└ " * bool(depth) + row.name
            cells = [f"{escape(name)} ({_colored(escape(_class_name(row)), 33)})", _shape_text(row), _count_text(row)]
            cells += [_connections(row, model)] if graph else []
            cells += [_trainable_text(row)] if show_trainable else []
            table.add_row(*cells)
    _emit([f'[bold]Model: "{escape(model.name)}"[/]', table, *_totals(model)], table.width or 0, print_fn)


def _emit(lines: list[Any], width: int, print_fn: Callable[[str], Any] | None) -> None:
    console = Console(highlight=False) if print_fn is None else Console(highlight=False, color_system=None)
    console.width = max(console.width, width)
    if print_fn is not None:
        console.begin_capture()
    for line in lines:
        console.print(line)
    if print_fn is not None:
        print_fn(console.end_capture())


def _empty_table(columns: tuple, positions: Any, line_length: int | None, show_trainable: bool) -> Table:
    ends = list(positions or [end for _, _, end in columns])
    titles = [(title, justify) for title, justify, _ in columns]
    width = _WIDTHS[columns]
    if show_trainable:
        ends = [end * 0.9 for end in ends] + [1.0]
        titles.append(("Trainable", "center"))
        width += _TRAINABLE
    width = line_length or min(width, shutil.get_terminal_size().columns - 4)
    edges = [0, *(int(end * width) for end in ends)]
    widths = [right - left for left, right in itertools.pairwise(edges)]
    if min(widths) < 4:
        raise ValueError("Insufficient console width to print summary.")
    made: list[Any] = [Column(title, justify=justify, width=w) for (title, justify), w in zip(titles, widths)]
    return Table(*made, width=width, show_lines=True)


def _chosen(layers: list[Any], layer_range: Any) -> slice:
    """From the first layer that matches the first pattern to the last that matches the second."""
    if layer_range is None:
        return slice(None)
    if len(layer_range) != 2 or not all(isinstance(pattern, str) for pattern in layer_range):
        raise ValueError(f"layer_range must be a list or tuple of two names. Received: layer_range={layer_range!r}")
    lower, upper = ([i for i, layer in enumerate(layers) if re.match(p, layer.name)] for p in layer_range)
    if not lower or not upper:
        raise ValueError(f"Passed layer_names do not match the layer names in the model. Received: {layer_range}")
    if lower[0] > upper[-1]:
        return slice(upper[0], lower[-1] + 1)
    return slice(lower[0], upper[-1] + 1)


def _is_chain(model: Any) -> bool:
    """True if every layer has one input and is used once, so that the order says it all."""
    nodes = model._nodes
    return (
        len(model.inputs) == 1
        and len({id(node.operation) for node in nodes}) == len(nodes)
        and all(
            len(node.inputs) == 1 and (i == 0 or node.inputs[0]._keras_history[0] is nodes[i - 1])
            for i, node in enumerate(nodes)
        )
    )


def _rows(layer: Any, expand_nested: bool, depth: int = 0) -> Iterator[tuple[int, Any]]:
    yield depth, layer
    if expand_nested:
        for inner in getattr(layer, "layers", ()):
            yield from _rows(inner, True, depth + 1)


def _class_name(layer: Any) -> str:
    if isinstance(layer, OpCall):
        return class_name(layer.function.__name__)
    return getattr(type(layer), "_declared_class", type(layer)).__name__


def _colored(x: Any, color: int) -> str:
    return f"[color({color})]{x}[/]"


def _number(x: Any) -> str:
    return _colored(x, 45 if x is None else 34)


def _shape_text(layer: Any) -> str:
    """The shape of the layer's last symbolic output, or what it would give for the shape it was built with."""
    shapes = _output_shapes(layer)
    if shapes is None:
        return "?"
    leaves = [f"({', '.join(map(_number, shape))})" for shape in shapes]
    return leaves[0] if len(leaves) == 1 else f"[{', '.join(leaves)}]"


def _output_shapes(layer: Any) -> list[Any] | None:
    """The shapes of the outputs, whatever structure they are in; None where nothing tells."""
    if layer._inbound_nodes:
        return [x.shape for x in tree.flatten(layer._inbound_nodes[-1].outputs)]
    built = getattr(layer, "_shapes_dict", None)
    if not built or not layer.weights:  # layers without weights need no building, so that Keras knows no shape
        return None
    try:
        shape = layer.output_shape if hasattr(layer, "output_shape") else layer.compute_output_shape(**built)
    except (NotImplementedError, TypeError):
        return None
    return None if tree.is_nested(shape) and any(map(tree.is_nested, shape)) else [shape]


def _count_text(layer: Any) -> str:
    if not hasattr(layer, "built"):
        return _number(0)
    return _number(f"{layer.count_params():,}") if layer.built else f"{_number(0)} (unbuilt)"


def _trainable_text(layer: Any) -> str:
    if not getattr(layer, "weights", ()):
        return "[bold]-[/]"
    return "[bold][color(34)]Y[/][/]" if layer.trainable else "[bold][color(9)]N[/][/]"


def _connections(layer: Any, model: Any) -> str:
    """The tensors that this layer reads in the model: layer[call][output]."""
    wanted = {id(node) for node in model._nodes}
    sources = []
    for node in layer._inbound_nodes:
        for x in node.inputs if id(node) in wanted else ():
            origin, index = x._keras_history
            call = origin.operation._inbound_nodes.index(origin)
            sources.append(f"{origin.operation.name}[{_number(call)}][{_number(index)}]")
    return ", ".join(sources) or "-"


def _totals(model: Any) -> list[str]:
    kinds = {"Trainable": model.trainable_weights, "Non-trainable": model.non_trainable_weights}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        kinds["Optimizer"] = optimizer.variables
    everything = {"Total": [v for variables in kinds.values() for v in variables]}
    return [_total(kind, variables) for kind, variables in (everything | kinds).items()]


def _total(kind: str, variables: list[Any]) -> str:
    count = sum(math.prod(v.shape) for v in variables)
    size = sum(math.prod(v.shape) * v.dtype.itemsize for v in variables)
    return f"[bold] {kind} params: [/]{_number(f'{count:,}')} ({_bytes_text(size)})"


def _bytes_text(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} PB"
