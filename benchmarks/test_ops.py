"""Single ops, for pytest-benchmark; the environment variable GPUNET_BENCH_VARIANT names the library's variant.

`python -m pytest benchmarks/test_ops.py -k conv` times gpunet's with all providers.
"""

import importlib
import os

import pytest

from benchmarks.peers import VARIANTS
from benchmarks.peers.task import OPS, Mode

pytest.importorskip("pytest_benchmark")


@pytest.fixture(scope="module")
def peer():
    variant = VARIANTS[os.environ.get("GPUNET_BENCH_VARIANT", "gpunet-eager")]
    module = importlib.import_module(f"benchmarks.peers.{variant.module}")
    mode = Mode(variant.how, variant.device)
    module.set_up(mode)
    return module, mode


@pytest.mark.parametrize("name", OPS)
def test_op(benchmark, peer, name):
    module, mode = peer
    work = module.operation(name, mode)
    for _ in range(3):
        work.run()
    benchmark(work.run)
