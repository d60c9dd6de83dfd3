"""Skips for what is not installed, and the providers as they were after each test."""

import pytest

import gpunet.ops  # noqa: F401 - registers the arrays' backends
from gpunet import config


@pytest.fixture(autouse=True)
def same_configuration():
    providers, threads = config.cpu_providers(), config.threads()
    yield
    config.set_cpu_providers(providers)
    if config.threads() != threads:
        config.set_threads(threads)
