"""Settings for all tests, and what a run prints besides its results."""

import os
import warnings

import pytest

# Of several workers each computes with one thread: more would wait for each other on the same cores. NumPy reads this
# when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=0, help="of the random numbers that every test starts with")


@pytest.fixture(autouse=True)
def own_surroundings(request, monkeypatch):
    """What does not depend on the tests before: gpunet's random numbers and dtype policy, and the module's RNG."""
    import numpy as np

    import gpunet
    from gpunet import dtype_policies

    seed = request.config.getoption("seed")
    gpunet.utils.set_random_seed(seed)
    monkeypatch.setitem(dtype_policies._global, "policy", None)
    if hasattr(request.module, "RNG"):
        monkeypatch.setattr(request.module, "RNG", np.random.default_rng(seed))


@pytest.fixture(scope="session")
def real_keras():
    """Keras itself, to compare with."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip(os.environ["KERAS_BACKEND"], reason="Keras's backend is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own
        return pytest.importorskip("keras", reason="Keras is not installed")


def pytest_terminal_summary(terminalreporter):
    from benchmarks import shares

    times = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "compiled" and report.when == "call"
    ]
    if times:
        architectures = ", ".join(sorted({architecture for architecture, _ in times}))
        seconds = sum(seconds for _, seconds in times)
        terminalreporter.write_line(
            f"CUDA kernels compiled: {len(times)} sets for {architectures}, {seconds:.0f} s of compiler time"
        )
    terminalreporter.write_line(shares.emulated())
    terminalreporter.write_line(shares.measured())
