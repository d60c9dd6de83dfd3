"""`model.summary()`: a table of layers, output shapes and parameters."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from gpunet import tree


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
    table = Table(show_lines=True, header_style="bold")
    functional = not hasattr(model, "add") and hasattr(model, "inputs") and not _is_chain(model)
    columns = (
        ["Layer (type)", "Output Shape", "Param #"] + ["Connected to"] * functional + ["Trainable"] * show_trainable
    )
    ratios = list(positions or [])
    for i, title in enumerate(columns):
        justify = "right" if title == "Param #" else "left"
        width = {"ratio": max(1, round(100 * ratios[i]))} if i < len(ratios) and line_length else {}
        table.add_column(title, justify=justify, **width)  # type: ignore[arg-type]
    for depth, layer in _rows(model, expand_nested, layer_range):
        cells = [f"{'  ' * depth}{layer.name} ({type(layer).__name__})", _shape_text(layer), _count_text(layer)]
        if functional:
            cells.append(_connections(layer, model))
        if show_trainable:
            cells.append("Y" if layer.trainable else "N")
        table.add_row(*cells)
    _emit(model, table, line_length, print_fn)


def _emit(model: Any, table: Table, line_length: int | None, print_fn: Callable[[str], Any] | None) -> None:
    capture = print_fn is not None
    console = Console(
        file=io.StringIO() if capture else None,
        width=line_length or (80 if capture else None),
        highlight=False,
        soft_wrap=False,
    )
    console.print(f'Model: "{model.name}"', style="bold", markup=False)
    console.print(table)
    for line in _totals(model):
        console.print(line, markup=False)
    if print_fn is not None:
        print_fn(console.file.getvalue())  # type: ignore[attr-defined]


def _is_chain(model: Any) -> bool:
    """True if every layer has one input, so that the order says it all."""
    nodes = getattr(model, "_nodes", [])
    return len(getattr(model, "inputs", [])) == 1 and all(
        len(node.inputs) == 1 and (i == 0 or node.inputs[0]._keras_history[0] is nodes[i - 1])
        for i, node in enumerate(nodes)
    )


def _rows(model: Any, expand_nested: bool, layer_range: Any) -> list[tuple[int, Any]]:
    rows: list[tuple[int, Any]] = []

    def visit(owner: Any, depth: int) -> None:
        for layer in owner.layers:
            rows.append((depth, layer))
            if expand_nested and hasattr(layer, "layers"):
                visit(layer, depth + 1)

    visit(model, 0)
    if layer_range:
        names = [layer.name for _, layer in rows]
        first, last = (names.index(name) for name in layer_range)
        rows = rows[first : last + 1]
    return rows


def _shape_text(layer: Any) -> str:
    """The output shape if all symbolic calls agree on one."""
    if hasattr(layer, "output_shape") and layer.built and getattr(layer, "_functional", True) is not None:
        return str(layer.output_shape)
    shapes = {
        str(tuple(node.outputs.shape))
        if hasattr(node.outputs, "shape")
        else str([t.shape for t in tree.flatten(node.outputs)])
        for node in layer._inbound_nodes
    }
    if len(shapes) == 1:
        return shapes.pop()
    return "multiple" if shapes else "?"


def _count_text(layer: Any) -> str:
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _connections(layer: Any, model: Any) -> str:
    """The layers whose outputs this one reads in the model."""
    wanted = {id(node) for node in model._nodes}
    sources = []
    for node in layer._inbound_nodes:
        if id(node) in wanted:
            for x in node.inputs:
                origin, index = x._keras_history
                sources.append(f"{origin.operation.name}[{index}]")
    return ", ".join(sources) or "-"


def _totals(model: Any) -> list[str]:
    def line(title: str, variables: list[Any]) -> str:
        count = sum(math.prod(v.shape) for v in variables)
        return f" {title}: {count:,} ({_bytes_text(sum(math.prod(v.shape) * v.dtype.itemsize for v in variables))})"

    lines = [
        line("Total params", model.weights),
        line("Trainable params", model.trainable_weights),
        line("Non-trainable params", model.non_trainable_weights),
    ]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        lines.append(line("Optimizer params", optimizer.variables))
    return lines


def _bytes_text(count: int) -> str:
    for unit, size in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:.2f} B"
