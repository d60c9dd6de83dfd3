"""Connectionist temporal classification: all alignments counted one by one, derivatives, replays, bad arguments."""

import itertools

import numpy as np
import pytest

import gpunet
from gpunet import losses, ops
from gpunet.testing import gradients

RANDOM = np.random.default_rng(4)
LOGITS = RANDOM.normal(size=(4, 4, 3))
LABELS = np.array([[1, 2], [1, 1], [2, 0], [0, 0]])
LENGTHS, STEPS = np.array([2, 2, 1, 0]), np.array([4, 3, 4, 2])


def by_enumeration(labels, logits, blank=0):
    """−log of the summed probability of every path over the classes that spells the labels."""
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        spelled = [c for c, _ in itertools.groupby(path) if c != blank]
        total += np.prod(p[np.arange(len(p)), path]) * (spelled == list(labels))
    return -np.log(total)


def test_values():
    found = ops.ctc_loss(LABELS, LOGITS, LENGTHS, STEPS)
    expected = [by_enumeration(y[:n], x[:t]) for y, x, n, t in zip(LABELS, LOGITS, LENGTHS, STEPS)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_another_blank():
    found = ops.ctc_loss(np.array([[0, 1]]), LOGITS[:1], np.array([2]), np.array([4]), mask_index=2)
    np.testing.assert_allclose(found, [by_enumeration([0, 1], LOGITS[0], blank=2)], rtol=1e-6)


def test_too_few_steps_are_impossible():
    found = ops.ctc_loss(np.array([[1, 1, 1]]), LOGITS[:1], np.array([3]), np.array([4]))
    assert float(found[0]) > 1e20
    assert np.isfinite(found).all()


def test_derivatives():
    gradients.check_gradients(lambda x: ops.ctc_loss(LABELS, x, LENGTHS, STEPS), [LOGITS])


def test_a_replay_has_the_bits_of_the_eager_run():
    loss = losses.CTC()
    x = gpunet.Variable(LOGITS.astype("float32"))

    def step():
        with gpunet.GradientTape() as tape:
            value = loss(LABELS, x)
        return value, tape.gradient(value, x)

    eager = [t.numpy() for t in step()]
    recorded = gpunet.function(step)
    for _ in range(4):
        for found, expected in zip(recorded(), eager):
            np.testing.assert_array_equal(found.numpy(), expected)


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"Targets `y_true` .* Received: y_true.shape=\(4,\)"):
        losses.ctc(LABELS[:, 0], LOGITS)
    with pytest.raises(ValueError, match=r"Logits `y_pred` .* Received: y_pred.shape=\(4, 3\)"):
        losses.ctc(LABELS, LOGITS[:, 0])
    with pytest.raises(ValueError, match="ctc_loss expected target"):
        ops.ctc_loss(LABELS[:2], LOGITS, LENGTHS, STEPS)
