"""Settings for all tests."""

import os

# Of several workers each computes with one thread: more would wait for each other on the same cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
