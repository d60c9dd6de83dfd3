"""Settings for all tests, and what a run prints besides its results."""

import os

# Of several workers each computes with one thread: more would wait for each other on the same cores. NumPy reads this
# when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_terminal_summary(terminalreporter):
    from benchmarks import shares

    terminalreporter.write_line(shares.emulated())
    terminalreporter.write_line(shares.measured())
