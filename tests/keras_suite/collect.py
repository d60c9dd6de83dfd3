"""A pytest plugin that collects Keras's test files through the adapter and notes what became of each test.

`KERAS_SUITE_LIBRARY` names the library under test, `KERAS_SUITE_RESULT` the JSON file for the outcomes.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.keras_suite.names import Adapter, suite_folder

# What gpunet does not claim, by name: low-rank adaptation, quantisation and what belongs to one backend of Keras.
EXCLUDED = re.compile(r"lora|quant|int4|int8|fp8|float8|gptq|awq|sparse_tensor|ragged|orbax|distribut", re.IGNORECASE)

LIMIT = 60.0

_adapter: Adapter | None = None
_outcomes: dict[str, str] = {}


class SuiteModule(pytest.Module):
    """A test file of Keras, loaded by the adapter."""

    def _getobj(self) -> Any:
        assert _adapter is not None
        return _adapter.load(self.path)


def pytest_configure(config: pytest.Config) -> None:
    global _adapter
    folder = suite_folder()
    assert folder is not None, "Keras is not installed"
    _adapter = Adapter(os.environ["KERAS_SUITE_LIBRARY"], folder)
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: a mark of Keras's tests")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> SuiteModule:
    return SuiteModule.from_parent(parent, path=module_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if EXCLUDED.search(item.name)])
    items[:] = [item for item in items if not EXCLUDED.search(item.name)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that does not end fails, after so much time of the processor that no test of Keras needs it."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {LIMIT} s of processor time")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        test = report.nodeid.replace(" ", "")  # as names of arguments have them; the list of names parts there
        _outcomes.setdefault(test, "failed" if report.failed else report.outcome)
        if report.failed:
            _outcomes[test] = "failed"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        Path(os.environ["KERAS_SUITE_RESULT"]).write_text(json.dumps(_outcomes, indent=0, sort_keys=True))
