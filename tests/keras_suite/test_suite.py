"""gpunet passes what Keras passes of Keras's own tests, where they are installed."""

from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.keras_suite import outcomes

# The rest takes minutes: `python -m tests.keras_suite`.
QUICK = ["activations", "constraints", "initializers", "losses", "metrics", "optimizers", "regularizers"]
SHARE = 0.9


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("absl", reason="Keras's tests need absl-py")
    try:
        installed = version("keras")
    except PackageNotFoundError:
        pytest.skip("Keras is not installed")
    if installed != outcomes.KERAS:
        pytest.skip(f"the list is that of Keras {outcomes.KERAS}; {installed} is installed")
    return outcomes.run("gpunet", QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("folder", QUICK)
def test_share(found, folder):
    wanted = outcomes.wanted([folder])
    lacking = outcomes.lacking(found, [folder])
    assert len(lacking) <= (1 - SHARE) * len(wanted), "\n".join(lacking)


def test_the_list_has_every_folder():
    for folder in outcomes.FOLDERS:
        assert len(outcomes.wanted([folder])) > 10, folder
