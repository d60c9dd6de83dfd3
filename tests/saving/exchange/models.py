"""Random models: stacks, graphs of several inputs and outputs, shared and nested models, and how they are compiled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tests.saving.exchange.blocks import BLOCKS, dense, flat, smaller
from tests.saving.exchange.draw import Draw
from tests.saving.exchange.operations import operation

SAMPLES = 4
TOKENS = 7  # integers of inputs are below this


class Case(NamedTuple):
    """A model, data for it, and what may be compared."""

    model: Any
    x: Any
    y: Any
    tolerance: float
    trains: bool  # whether its training can be compared: it draws no random numbers, say


def build(keras: Any, seed: int) -> Case:
    """The model of a seed, compiled, the same with Keras and with gpunet; its weights are not."""
    g = Draw(keras, seed)
    g.noisy = g.chance(0.1)
    policy = g.pick(*["float32"] * 12, "float64", "mixed_bfloat16", "mixed_float16")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = g.random.choice([_sequential, _functional, _functional, _functional])(g)
        _compile(g, model)
    finally:
        keras.config.set_dtype_policy(before)
    inputs, outputs = structures(model)
    x = keras.tree.map_structure(lambda t: _input_array(t, seed), inputs)
    y = keras.tree.map_structure(lambda t: _target_array(t, seed), outputs)
    sixteen = g.cast or "16" in policy
    comparable = not (g.noisy or sixteen or os.environ.get("KERAS_BACKEND") in g.untrusted)
    return Case(model, x, y, 3e-2 if sixteen else 1e-5, comparable)


def structures(model: Any) -> tuple[Any, Any]:
    """The symbolic inputs and outputs of a model, as it takes and gives them."""
    if type(model).__name__ == "Sequential":
        return model.inputs[0], model.outputs[0]
    return model.input, model.output


def _input_array(x: Any, seed: int) -> np.ndarray:
    """Numbers or words for an input, which depend on its shape alone: libraries walk through dicts in other orders."""
    shape = (SAMPLES, *(5 if size is None else size for size in x.shape[1:]))
    random = np.random.RandomState([seed, *shape])
    if "int" not in str(x.dtype):
        return random.uniform(-1, 1, shape).astype("float32")
    tokens = random.randint(1, TOKENS, shape).astype("int32")
    tokens[::2, -2:] = 0
    return tokens


def _target_array(y: Any, seed: int) -> np.ndarray:
    shape = (SAMPLES, *y.shape[1:])
    return np.random.RandomState([seed, 1, *shape]).uniform(0, 1, shape).astype("float32")


def _input(g: Draw, name: str | None = None, kinds: str = "vsitw") -> Any:
    """A symbolic input: a vector, a sequence, an image, time and image, or words."""
    kind = g.random.choice(kinds)
    shape: Any = {
        "v": (g.size(2, 5),),
        "s": (g.pick(4, 5, None), g.size(2, 3)),
        "i": (g.size(4, 6), 4, g.size(1, 3)),
        "t": (3, 4, 4, g.size(1, 2)),
        "w": (g.pick(4, 5),),
    }[kind]
    options: dict[str, Any] = {"name": name} if name else {}
    if kind == "w":
        options["dtype"] = "int32"
    elif g.chance(0.05):
        options["dtype"] = "float64"
    if g.chance(0.15):
        return g.keras.Input(batch_shape=(SAMPLES, *shape), **options)
    return g.keras.Input(shape, **options)


def _first(g: Draw, x: Any) -> Any:
    """Words as vectors, and signals with a mask now and then; all else as it is."""
    make = g.layers
    if "int" in str(x.dtype):
        if g.chance(0.15):
            mode = g.pick("multi_hot", "count")
            return make.CategoryEncoding(TOKENS, output_mode=mode)(x)
        options = g.some(0.3, embeddings_initializer=g.initializer, embeddings_regularizer=g.regularizer)
        return make.Embedding(TOKENS, g.size(2, 4), mask_zero=g.pick(True, True, False), **options)(x)
    if len(x.shape) == 3 and g.chance(0.2):
        return make.Masking(mask_value=g.pick(0.0, 0.5))(x)
    return x


def _grow(g: Draw, x: Any) -> Any:
    """One more block on a tensor."""
    x = smaller(g, x)
    rank = len(x.shape) - 1
    if rank > 4 or rank < 1:
        return flat(g, x) if rank < 1 else g.layers.Flatten()(x)
    if g.chance(0.25):
        return operation(g, x)
    return g.random.choice(list(BLOCKS[rank].values()))(g, x)


def _head(g: Draw, x: Any, name: str | None = None) -> Any:
    x = flat(g, x)
    while len(x.shape) > 2:
        x = flat(g, x)
    return dense(g, name=name, units=g.size(1, 3), activity_regularizer=None, dtype="float32")(x)


def _functional_part(g: Draw, shape: Any, depth: int, dtype: Any = None) -> Any:
    """A model to be used as a layer, perhaps with another one in it."""
    x = inputs = g.keras.Input(shape, dtype=dtype)
    for _ in range(g.size(1, 2)):
        x = _grow(g, x)
    if depth > 0 and g.chance(0.5):
        x = _part(g, x, depth - 1)
    outputs = g.pick(x, g.late(lambda: [x, flat(g, x)]), g.late(lambda: {"a": x, "b": x * 2}))
    return g.keras.Model(inputs, outputs, name=g.pick(None, f"part_{g.size(0, 999)}"))


def _sequential_part(g: Draw, shape: Any) -> Any:
    stack = [g.keras.Input(shape)] if g.chance(0.6) else []
    quiet = {"activity_regularizer": None}  # Keras on JAX counts the last of several calls only
    return g.keras.Sequential([*stack, dense(g, **quiet), g.layers.Dropout(g.rate()), dense(g, units=3, **quiet)])


def _part(g: Draw, x: Any, depth: int = 1) -> Any:
    """A nested model on a tensor, called once or twice."""
    if None in x.shape[1:]:
        return dense(g)(x)
    if g.chance(0.4):
        part = _sequential_part(g, x.shape[1:])
        return part(x) if g.chance(0.7) else g.layers.Add()([part(x), part(x * 0.5)])
    part = _functional_part(g, x.shape[1:], depth, str(x.dtype).rpartition(".")[2] if g.chance(0.2) else None)
    found = part(x)
    if isinstance(found, dict):
        return found["a"] + found["b"]
    if isinstance(found, list | tuple):
        return found[g.size(0, 1)]
    return found


def _sequential(g: Draw) -> Any:
    """A stack of layers that take and give one tensor, which the blocks choose on a trial graph."""
    keras = g.keras
    inputs = x = _input(g)
    x = _first(g, x)
    for _ in range(g.size(1, 4)):
        rank = len(x.shape) - 1
        if rank > 4:
            break
        x = g.random.choice(list(BLOCKS[rank].values()))(g, smaller(g, x))
    x = _head(g, x)
    chain = []
    for layer, sources in _made_by(x, inputs):
        if len(sources) != 1 or not isinstance(layer, g.layers.Layer) or layer in chain:
            return keras.Model(inputs, x, name=g.pick(None, "graph"))
        chain.insert(0, layer)
    first = [keras.Input(batch_shape=inputs.shape, dtype=inputs.dtype)] if g.chance(0.8) else []
    model = keras.Sequential([*first, *chain], name=g.pick(None, "stack"))
    if not first:
        model.build(inputs.shape)
    return model


def _made_by(x: Any, inputs: Any) -> Iterator[tuple[Any, list]]:
    """The operations that lead to a tensor, the last one first, each with the tensors it takes."""
    while x is not inputs:
        history = x._keras_history
        node = history[0] if hasattr(history[0], "operation") else history[0]._inbound_nodes[history[1]]
        sources = list(getattr(node, "input_tensors", None) or node.inputs)
        yield node.operation, sources
        x = sources[0]


def _functional(g: Draw) -> Any:
    """A graph with one to three inputs and outputs in any structure."""
    keras = g.keras
    count = g.pick(1, 1, 2, 2, 3)
    named = g.chance(0.5)
    inputs = [_input(g, f"in_{'xyz'[i]}" if named else None) for i in range(count)]
    pool = [_first(g, x) for x in inputs]
    for _ in range(g.size(2, 7)):
        place = g.random.randrange(len(pool))
        x = pool[place]
        y = _part(g, x) if g.chance(0.15) else _grow(g, x)
        if g.chance(0.3):
            pool.append(y)
        else:
            pool[place] = y
    shared = g.layers.Dense(3, activation="tanh", name=g.pick(None, "shared"))
    vectors = [g.layers.Dense(4)(flat_fully(g, x)) for x in pool]
    joined = g.layers.Add()(vectors) if len(vectors) > 1 else vectors[0]
    mixed = [shared(v) for v in [joined, *vectors][:2]]
    body = g.layers.Concatenate()([*mixed, joined])
    structure = g.pick("one", "one", "list", "dict", "nested")
    names = ["out_b", "out_a", "out_c"]
    heads = [_head(g, body, names[i] if structure == "dict" or g.chance(0.3) else None) for i in range(3)]
    outputs = {
        "one": heads[0],
        "list": heads[: g.size(1, 3)],
        "dict": {"out_b": heads[0], "out_a": heads[1]},
        "nested": [heads[0], {"deep": heads[1], "more": [heads[2]]}],
    }[structure]
    return keras.Model(_arranged(g, inputs, named), outputs, name=g.pick(None, "graph"))


def flat_fully(g: Draw, x: Any) -> Any:
    """A vector of a tensor of any rank."""
    while len(x.shape) != 2:
        x = flat(g, x) if len(x.shape) < 6 else g.layers.Flatten()(x)
    return x


def _arranged(g: Draw, inputs: list, named: bool) -> Any:
    if len(inputs) == 1:
        return g.pick(inputs[0], inputs)
    if named and g.chance(0.5):
        return {x.name: x for x in inputs}
    if len(inputs) == 3 and g.chance(0.3):
        return [inputs[0], {"b": inputs[1], "c": inputs[2]}] if g.chance(0.5) else [inputs[:2], inputs[2]]
    return inputs


def _optimizer(g: Draw) -> Any:
    o = g.keras.optimizers
    s = o.schedules
    rate = g.pick(
        0.01,
        0.003,
        g.late(lambda: s.ExponentialDecay(0.01, 2, 0.5, staircase=g.pick(True, False))),
        g.late(lambda: s.CosineDecay(0.01, 20, warmup_steps=2, warmup_target=0.02)),
        g.late(lambda: s.PiecewiseConstantDecay([1, 3], [0.01, 0.005, 0.002])),
        g.late(lambda: s.PolynomialDecay(0.01, 9)),
        g.late(lambda: s.InverseTimeDecay(0.01, 2, 0.5)),
        g.late(lambda: s.CosineDecayRestarts(0.01, 3)),
    )
    more: dict[str, Any] = {}
    if g.chance(0.25):
        more |= g.pick({"clipnorm": 1.0}, {"clipvalue": 0.5}, {"global_clipnorm": 1.0})
    if g.chance(0.15):
        more |= {"use_ema": True, "ema_momentum": 0.9, **g.some(0.5, ema_overwrite_frequency=lambda: 2)}
    if g.chance(0.15):
        more["gradient_accumulation_steps"] = 2
    if g.chance(0.2):
        more["weight_decay"] = 0.01
    kinds = "SGD Adam RMSprop Adagrad Adadelta Adamax Nadam Ftrl Lion Lamb Adafactor AdamW".split()
    kind = g.random.choice(kinds)
    own: dict[str, Any] = {
        "SGD": lambda: g.some(0.5, momentum=lambda: 0.9, nesterov=lambda: True),
        "Adam": lambda: g.some(0.3, amsgrad=lambda: True),
        "RMSprop": lambda: g.some(0.4, momentum=lambda: 0.5, centered=lambda: True),
    }.get(kind, dict)()
    optimizer = getattr(o, kind)(rate, **own, **more)
    scaled = g.chance(0.1) and kind != "Nadam"  # a part of whose state Keras then leaves out of its files
    return o.LossScaleOptimizer(optimizer, initial_scale=256.0, dynamic_growth_steps=2) if scaled else optimizer


def _loss(g: Draw) -> Any:
    k = g.keras.losses
    return g.pick(
        "mse",
        "mean_absolute_error",
        "huber",
        "log_cosh",
        g.late(lambda: k.MeanSquaredError(reduction=g.pick("sum", "sum_over_batch_size", "mean"), name="named")),
        g.late(lambda: k.Huber()),
        k.mean_squared_error,
        g.custom["quartic"],
    )


def _metric(g: Draw) -> Any:
    m = g.keras.metrics
    return g.pick(
        "mae", "mse", m.mean_squared_error, g.late(lambda: m.RootMeanSquaredError(name="rmse")), g.custom["quartic"]
    )


def _compile(g: Draw, model: Any) -> None:
    outputs = structures(model)[1]
    if isinstance(outputs, dict):
        losses: Any = {name: _loss(g) for name in outputs}
        options = g.some(
            0.5,
            loss_weights=lambda: {name: g.pick(0.5, 1.0, 2.0) for name in outputs},
            metrics=lambda: {name: [_metric(g)] for name in outputs},
        )
    elif isinstance(outputs, list) and not any(isinstance(y, dict | list) for y in outputs):
        losses = [_loss(g) for _ in outputs]
        options = g.some(
            0.5,
            loss_weights=lambda: [g.pick(0.5, 1.0, 2.0) for _ in outputs],
            metrics=lambda: [[_metric(g)] for _ in outputs],
        )
    else:
        losses, options = (_loss(g) if not isinstance(outputs, list) else "mse"), {}
        if not isinstance(outputs, list):
            options = g.some(0.5, metrics=lambda: [_metric(g)], weighted_metrics=lambda: [_metric(g)])
    model.compile(optimizer=_optimizer(g), loss=losses, **options)
