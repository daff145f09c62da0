"""What is particular to stages as processes; `test_runners` has what they share with all others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from airflow.sdk.exceptions import AirflowFailException
from ml_pipeline_airflow.process_operator import ProcessStageOperator

STAND_IN = Path(__file__).with_name("stand_in.py")


class Operator(ProcessStageOperator):
    command = (sys.executable, str(STAND_IN), "stage")


@pytest.fixture
def operator(demo: Path, store: Path) -> Operator:
    made = Operator(task_id="split", use_case="demo", mode="offline", stages=["split"])
    made.as_of, made.airflow_run = "2013-09-01", "r:1"
    return made


def test_the_stage_sees_nothing_of_airflows_own_settings(
    operator: Operator, store: Path, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "hush")
    operator.execute(context())
    (found,) = store.glob("demo/runs/*/split/result.json")
    environment = msgspec.json.decode(found.read_bytes())["metrics"]["environment"]
    assert not [name for name in environment if "AIRFLOW" in name]


def test_parameters_that_are_wrong_fail_before_anything_starts(operator: Operator, context: Callable[..., Any]) -> None:
    with pytest.raises(AirflowFailException, match="splitt"):
        operator.execute(context(parameters={"splitt.test": "90d"}))
