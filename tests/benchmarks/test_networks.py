"""The descriptions of networks that all libraries build."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.networks import LSTM, MLP, NETWORKS, RESNET20
from benchmarks.peers import VARIANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lstm", 132_874),
        ("gru", 100_362),
        ("transformer", 1000 * 128 + 2 * 198_272 + 1290),
        ("mlp", 101_770),
        ("lenet5", 61_706),
        ("resnet50", 25_557_032),
        ("alexnet", 61_100_840),
        ("vgg-a", 132_863_336),
    ],
)
def test_parameters_are_the_published_ones(name, parameters):
    assert NETWORKS[name].parameters == parameters


def test_flops_of_a_training_step_are_those_of_its_products():
    first, second = 2 * 784 * 128, 2 * 128 * 10
    assert MLP.flops == first + second
    assert MLP.training_flops(50) == 50 * (2 * first + 3 * second)  # no gradient of the input
    projection, recurrence = (2 * 50 * 128 * 512,) * 2
    assert LSTM.training_flops(1) == 2 * projection + 3 * recurrence + 3 * 2 * 128 * 10
    assert RESNET20.flops == pytest.approx(2 * 40.8e6, rel=0.03)  # 40.8 M multiply-adds, and two projections


@pytest.mark.parametrize("key", ["gpunet", "torch", "jax", "keras", "tinygrad"])
def test_every_library_builds_the_described_networks(key):
    variant = VARIANTS[key]
    if variant.missing():
        pytest.skip(variant.missing())
    program = f"""
from benchmarks.networks import GRU, LENET5, LSTM, TRANSFORMER, mlp, resnet
from benchmarks.peers import {variant.module} as peer
others = (LSTM, GRU, TRANSFORMER) if {key != "tinygrad"} else ()
for network in (LENET5, resnet(8, width=4, side=8), mlp(5, 3, batch=1), *others):
    assert peer.parameters(network) == network.parameters, network
"""
    environment = {
        **os.environ,
        **dict(variant.environment),
    }  # in a process of its own: JAX and tests that fork disagree
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
