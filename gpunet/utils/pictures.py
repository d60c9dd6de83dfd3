"""Pictures of models as graphs, by Graphviz."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from gpunet import tree


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> str:
    """A model as a graph in the DOT language; arguments as for `plot_model`.

    Args:
        subgraph: give the lines of a cluster, to stand within another graph.

    Raises:
        ValueError: if the model is not built.
    """
    if not model.built:
        raise ValueError(
            "This model has not yet been built. Build the model first by calling `build()` or by calling the model on "
            "a batch of data."
        )
    options = {
        "shapes": show_shapes,
        "dtype": show_dtype,
        "names": show_layer_names,
        "activations": show_layer_activations,
        "trainable": show_trainable,
    }
    lines = [
        f'subgraph "cluster_{_escaped(model.name)}" {{' if subgraph else "digraph G {",
        f"  graph [rankdir={rankdir}, dpi={dpi}, splines={splines}];",
        '  node [shape=box, fontname=Helvetica, style=filled, fillcolor="#eef2f7"];',
    ]
    lines += _body(model, options, expand_nested, "  ")
    return "\n".join([*lines, "}", ""])


def _body(model: Any, options: dict[str, bool], expand_nested: bool, indent: str) -> list[str]:
    lines = []
    for layer in getattr(model, "operations", None) or model.layers:
        if expand_nested and hasattr(layer, "layers"):
            lines += [f'{indent}subgraph "cluster_{_key(layer)}" {{', f'{indent}  label="{_escaped(layer.name)}";']
            lines += [*_body(layer, options, True, indent + "  "), f"{indent}}}"]
        else:
            lines.append(f'{indent}"{_key(layer)}" [label="{_label(layer, options)}"];')
    return lines + [f'{indent}"{_key(a)}" -> "{_key(b)}";' for a, b in _edges(model, expand_nested)]


def _key(layer: Any) -> str:
    return str(id(layer))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _label(layer: Any, options: dict[str, bool]) -> str:
    kind = layer.function.__name__ if hasattr(layer, "function") else type(layer).__name__
    parts = [f"{layer.name} ({kind})" if options["names"] else kind]
    activation = getattr(layer, "activation", None)
    if options["activations"] and activation is not None:
        parts.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
    if options["shapes"] and layer._inbound_nodes:
        outputs = tree.flatten(layer._inbound_nodes[-1].outputs)
        parts.append("output: " + ", ".join(str(x.shape) for x in outputs))
    if options["dtype"] and layer._inbound_nodes:
        parts.append("dtype: " + ", ".join(x.dtype.name for x in tree.flatten(layer._inbound_nodes[-1].outputs)))
    if options["trainable"] and getattr(layer, "weights", None):
        parts.append("trainable" if layer.trainable else "frozen")
    return "\\n".join(map(_escaped, parts))


def _edges(model: Any, expand_nested: bool) -> list[tuple[Any, Any]]:
    """Pairs of operations, the first of which gives the second its input; of nested models their ends, if shown."""
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes"):
        layers = model.layers
        return list(itertools.pairwise(layers)) if hasattr(model, "add") else []
    shown = {id(x) for x in (getattr(model, "operations", None) or model.layers)}
    edges = []
    for node in graph._nodes:
        for i, x in enumerate(node.inputs):
            source, target = x._keras_history[0].operation, node.operation
            if id(source) in shown and id(target) in shown:
                edges.append((_end(source, x._keras_history[1], expand_nested), _start(target, i, expand_nested)))
    return list(dict.fromkeys(edges))


def _start(layer: Any, index: int, expand_nested: bool) -> Any:
    """What reads input `index` of a nested model whose layers are shown."""
    if not expand_nested or not hasattr(layer, "layers"):
        return layer
    if hasattr(layer, "add"):
        return _start(layer.layers[0], 0, True)
    if not hasattr(layer, "inputs"):
        return layer.layers[0]
    return layer.inputs[min(index, len(layer.inputs) - 1)]._keras_history[0].operation


def _end(layer: Any, index: int, expand_nested: bool) -> Any:
    if not expand_nested or not hasattr(layer, "layers"):
        return layer
    if hasattr(layer, "add") or not hasattr(layer, "outputs"):
        return _end(layer.layers[-1], 0, True)
    node, inner = layer.outputs[index]._keras_history
    return _end(node.operation, inner, True)


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> str:
    """Draw a model as a graph of its layers; return the path of the picture.

    Args:
        to_file: the picture, in the format of its suffix; `.dot` is the graph itself, which needs no Graphviz.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what to say of each layer.
        rankdir: "TB" from the top to the bottom, "LR" from left to right.
        expand_nested: show the layers of nested models.
        dpi: dots per inch.
        splines: how edges run, as Graphviz names it: "ortho", "curved", "polyline", "line".

    Raises:
        ValueError: if the model is not built.
        ImportError: without the package graphviz or its program `dot`.
    """
    path = Path(os.fspath(to_file))
    text = model_to_dot(
        model,
        show_shapes,
        show_dtype,
        show_layer_names,
        rankdir,
        expand_nested,
        dpi,
        False,
        show_layer_activations,
        show_trainable,
        splines,
    )
    if path.suffix == ".dot":
        path.write_text(text)
        return str(path)
    try:
        import graphviz

        picture = graphviz.Source(text).pipe(format=path.suffix.lstrip(".") or "png")
    except ImportError as error:
        raise ImportError("plot_model needs graphviz: pip install 'gpunet[viz]'") from error
    except graphviz.ExecutableNotFound as error:
        raise ImportError("plot_model needs the program `dot` of Graphviz: https://graphviz.org/download") from error
    path.write_bytes(picture)
    return str(path)
