"""Libraries in processes of their own, with budgets so small that the figures mean nothing."""

import subprocess

import pytest

from benchmarks import machine, peers
from benchmarks.peers import VARIANTS, Variant
from benchmarks.results import Findings
from benchmarks.turns import Budget, Case, Worker, WorkerError, measure, record

TINY = Budget(rounds=2, turn=0.001, warm=0.001, patience=120)
NETWORK = {"network": {"mlp": [4, 2], "inputs": 3}, "batch": 2}


@pytest.mark.parametrize("key", ["gpunet-numpy", "gpunet-numpy-recorded", "gpunet-numpy-eager"])
@pytest.mark.parametrize("task", ["training", "inference"])
def test_gpunet_is_measured_in_every_mode(key, task):
    rows, failed = measure(Case("tiny", task, NETWORK, {"flops": 7}), [key], TINY)
    assert failed == {}
    (row,) = rows
    assert row["case"] == "tiny"
    assert row["variant"] == key
    assert row["flops"] == 7
    assert len(row["values"]) == 2
    assert all(value > 0 for value in [*row["values"], row["first_s"], row["import_s"], row["peak_bytes"]])


@pytest.mark.parametrize("resident", [True, False])
def test_a_library_that_fails_is_reported_and_the_others_go_on(monkeypatch, resident):
    broken = Variant("broken", "no_such_peer", "eager")
    monkeypatch.setitem(VARIANTS, "broken", broken)
    case = Case("product", "product", {"size": 4}, resident=resident)
    rows, failed = measure(case, ["broken", "numpy"], TINY)
    assert [row["variant"] for row in rows] == ["numpy"]
    assert len(rows[0]["values"]) == 2
    assert list(failed) == ["broken"]
    assert "no_such_peer" in failed["broken"]


def test_a_task_that_fails_says_why():
    with pytest.raises(WorkerError, match="integer"):
        Worker(VARIANTS["numpy"], Case("product", "product", {"size": "large"}), TINY)


def test_a_process_that_does_not_answer_counts_as_failed():
    with pytest.raises(WorkerError, match="no answer"):
        Worker(VARIANTS["numpy"], Case("product", "product", {"size": 4}), TINY._replace(patience=0.001))


def test_a_library_that_is_not_installed_is_missing(monkeypatch):
    monkeypatch.setitem(VARIANTS, "absent", Variant("absent", "absent_peer", "eager", ("no_such_library",)))
    ready, missing = peers.installed(["numpy", "absent"])
    assert ready == ["numpy"]
    assert missing == {"absent": "no_such_library not installed"}


def test_a_library_that_does_not_answer_is_not_waited_for_again():
    findings = Findings()
    case = Case("product", "product", {"size": 4})
    record(case, ["numpy"], TINY._replace(patience=0.001), findings)
    assert findings.stuck == {"numpy"}
    assert findings.failures == {"product: NumPy": "no answer in 0.001 s"}
    record(case, ["numpy"], TINY, findings)
    assert findings.rows == []


def test_settings_for_other_processors_are_left_out_and_named(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("GPUNET_TEST_SETTING", "stays")
    assert "OPENBLAS_CORETYPE" not in machine.environment()
    assert machine.environment()["GPUNET_TEST_SETTING"] == "stays"
    assert "OPENBLAS_CORETYPE=Prescott" in machine.describe()["left_out_of_environment"]
    found = {}
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **how: found.update(how["env"]) or started(*given, **how))
    Worker(VARIANTS["numpy"], Case("product", "product", {"size": 4}), TINY).close()
    assert found["GPUNET_TEST_SETTING"] == "stays"
    assert "OPENBLAS_CORETYPE" not in found
