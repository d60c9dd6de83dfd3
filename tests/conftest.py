"""Threads of the tests, and what a test run prints besides its results."""

import os

# Of several workers each computes with one thread: more would wait for each other on the same cores. Set before NumPy
# and OpenMP are loaded, by the import below.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from gpunet.backend.report import kernel_share


def pytest_terminal_summary(terminalreporter):
    served, missing = kernel_share()
    terminalreporter.write_line(f"CUDA kernels, run emulated, for {served} of {served + len(missing)} primitives")
