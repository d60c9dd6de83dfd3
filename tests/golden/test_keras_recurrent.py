"""Recurrent layers against an installed Keras: outputs, states and gradients, for every option."""

import itertools
import os
import warnings

import numpy as np
import pytest

import gpunet

X = np.random.default_rng(0).standard_normal((3, 5, 4))
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
KINDS = {
    "SimpleRNN": [{}, {"use_bias": False, "activation": "sigmoid"}],
    "LSTM": [{}, {"use_bias": False}, {"unit_forget_bias": False, "activation": "relu"}, {"implementation": 1}],
    "GRU": [{}, {"use_bias": False}, {"reset_after": False}, {"recurrent_activation": "hard_sigmoid"}],
}
SHARED = [
    dict(zip(("return_sequences", "go_backwards", "unroll", "zero_output_for_mask"), values))
    for values in ((0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (0, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1))
]
CASES = [(kind, own | {k: bool(v) for k, v in s.items()}) for kind in KINDS for own in KINDS[kind] for s in SHARED]
each = pytest.mark.parametrize(
    ("kind", "options"), CASES, ids=[f"{k}-{i}" for i, (k, _) in zip(itertools.count(), CASES)]
)


@pytest.fixture(scope="module")
def keras(real_keras):
    if os.environ["KERAS_BACKEND"] != "torch":
        pytest.skip("gradients are asked of Keras on PyTorch")
    return real_keras


def weights_of(layer):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(w.shape) * 0.5 for w in layer.get_weights()]


def cotangents(outputs):
    return [np.random.default_rng(i).standard_normal(tuple(y.shape)) for i, y in enumerate(outputs)]


def theirs(keras, kind, options, mask, states):
    import torch

    layer = getattr(keras.layers, kind)(3, return_state=True, dtype="float64", **options)
    layer.build(X.shape)
    layer.set_weights(weights_of(layer))
    leaves = [torch.tensor(a, requires_grad=True) for a in (X, *states)]
    call = {"initial_state": leaves[1:]} if states else {}
    if mask is not None:
        call["mask"] = torch.tensor(mask)
    outputs = layer(leaves[0], **call)
    total = sum((y * torch.tensor(g)).sum() for y, g in zip(outputs, cotangents(outputs)))
    found = torch.autograd.grad(total, [*leaves, *(w.value for w in layer.trainable_weights)])
    return [y.detach().numpy() for y in outputs], [g.numpy() for g in found]


def ours(kind, options, mask, states):
    layer = getattr(gpunet.layers, kind)(3, return_state=True, dtype="float64", **options)
    layer.build(X.shape)
    layer.set_weights(weights_of(layer))
    leaves = [gpunet.Tensor(a) for a in (X, *states)]
    with gpunet.GradientTape() as tape:
        tape.watch(leaves)
        outputs = layer(leaves[0], initial_state=leaves[1:] if states else None, mask=mask)
        total = sum(gpunet.ops.sum(y * g) for y, g in zip(outputs, cotangents(outputs)))
    found = tape.gradient(total, [*leaves, *layer.trainable_weights])
    return [y.numpy() for y in outputs], [g.numpy() for g in found]


@pytest.mark.parametrize("begin", ["zeros", "states"])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@each
def test_outputs_states_and_gradients(keras, kind, options, masked, begin):
    if options["unroll"] and options["go_backwards"] and masked:
        pytest.skip("Keras fails")
    count = (2 if kind == "LSTM" else 1) if begin == "states" else 0
    states = [np.random.default_rng(5 + i).standard_normal((3, 3)) for i in range(count)]
    mask = MASK if masked else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(keras, kind, options, mask, states)
    for found, wanted in zip(ours(kind, options, mask, states), expected):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)
