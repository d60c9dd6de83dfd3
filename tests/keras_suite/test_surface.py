"""What is missing of Keras's public names and arguments is known, and has a reason."""

import fnmatch
import os
import warnings
from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.keras_suite import outcomes, surface


@pytest.fixture(scope="module")
def found():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip(os.environ["KERAS_BACKEND"], reason="Keras's backend is not installed")
    try:
        installed = version("keras")
    except PackageNotFoundError:
        pytest.skip("Keras is not installed")
    if installed != outcomes.KERAS:
        pytest.skip(f"the list is that of Keras {outcomes.KERAS}; {installed} is installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own
        return surface.compare()


def test_what_is_missing_has_a_reason(found):
    assert surface.unexplained(found) == {}


def test_every_reason_is_needed(found):
    unused = [pattern for pattern in surface.known() if not fnmatch.filter(found, pattern)]
    assert unused == []


def test_differences_are_noticed():
    def theirs(x, axis=-1, name="relu", **kwargs): ...

    def same(x, axis=-1, name=None, more=0): ...

    assert surface.difference(theirs, same) is None
    assert surface.difference(theirs, lambda x, name=None: 0) == "no argument axis"
    assert surface.difference(theirs, lambda x, axis=1, name=None: 0) == "axis=1 instead of -1"
    assert surface.difference(theirs, lambda axis=-1, x=0, name=None: 0) == "another place of x"
    assert surface.difference(theirs, lambda x, **options: 0) is None
    assert surface.difference(lambda *args: 0, lambda: 0) == "no *args"
