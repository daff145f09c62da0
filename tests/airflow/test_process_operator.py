from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from ml_pipeline_airflow.process_operator import ProcessStageOperator

from ml_pipeline.errors import StageError

STAND_IN = Path(__file__).with_name("stand_in.py")


class Operator(ProcessStageOperator):
    command = (sys.executable, str(STAND_IN), "stage")


@pytest.fixture
def operator(demo: Path, store: Path) -> Operator:
    made = Operator(task_id="split", use_case="demo", mode="offline", stages=["split"])
    made.as_of, made.airflow_run = "2013-09-01", "r:1"
    return made


def seen(store: Path) -> dict[str, Any]:
    (found,) = store.glob("demo/runs/*/split/result.json")
    return msgspec.json.decode(found.read_bytes())["metrics"]


def test_the_stage_gets_its_order_and_the_task_its_result(
    operator: Operator, store: Path, context: Callable[..., Any]
) -> None:
    summary = operator.execute(context(try_number=2, force=["split"], parameters={"split.test": "90d"}))
    order = seen(store)["request"]
    assert order["as_of"] == "2013-09-01T04:00:00Z"
    assert order["attempt"] == "0198-ti-2"
    assert order["parameters"] == {"split.test": "90d"}
    assert order["force"] is True
    assert order["run_id"].startswith("offline-r-1-")
    assert summary["steps"]["split"]["rows_out"] == 3


def test_the_stage_sees_nothing_of_airflows_own_settings(
    operator: Operator, store: Path, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "hush")
    operator.execute(context())
    assert not [name for name in seen(store)["environment"] if "AIRFLOW" in name]


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("nothing", AirflowSkipException, "no new records"),
        ("usage", AirflowFailException, "there is no such stage. Given: this. Expected: that. To do: mend it"),
        ("broken", AirflowException, "the stage broke"),
        ("dumb", AirflowException, r"(?s)exit code 7.*a warning"),
        ("silent", StageError, "without the result it owes"),
        ("stale", StageError, "of-another-try"),
    ],
)
def test_every_end_has_its_exception(
    operator: Operator, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, how: str, kind: type, words: str
) -> None:
    monkeypatch.setenv("STAND_IN", how)
    with pytest.raises(kind, match=words):
        operator.execute(context())


def test_parameters_that_are_wrong_fail_before_anything_starts(operator: Operator, context: Callable[..., Any]) -> None:
    with pytest.raises(AirflowFailException, match="splitt"):
        operator.execute(context(parameters={"splitt.test": "90d"}))


@pytest.mark.parametrize("how", ["hang", "stubborn"])
def test_a_killed_task_is_not_green_and_leaves_no_process(
    operator: Operator, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("STAND_IN", how)
    pids: list[int] = []
    original = operator.start

    def remember(order: Any) -> Any:
        manager = original(order)
        operator.log.info("starting")
        return _Remembering(manager, pids)

    monkeypatch.setattr(type(operator), "start", lambda self, order: remember(order))
    threading.Thread(
        target=lambda: (_until(lambda: bool(pids)), time.sleep(0.7), operator.on_kill()), daemon=True
    ).start()
    with pytest.raises(AirflowException, match="killed"):
        operator.execute(context())
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


class _Remembering:
    def __init__(self, manager: Any, pids: list[int]) -> None:
        self.manager, self.pids = manager, pids

    def __enter__(self) -> Any:
        process = self.manager.__enter__()
        self.pids.append(process.child.pid)
        return process

    def __exit__(self, *raised: Any) -> Any:
        return self.manager.__exit__(*raised)


def _until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.01)
