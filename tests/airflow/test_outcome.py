from __future__ import annotations

import datetime as dt
import json
import logging
from pathlib import Path

import msgspec
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from ml_pipeline_airflow import outcome
from ml_pipeline_airflow.transcript import Transcript

from ml_pipeline.contract import Artifact, StageRequest, StageResult
from ml_pipeline.errors import ConfigError, SchemaError, StageError, StoreError

REQUEST = StageRequest(
    "demo", "offline", ("split", "train"), "r1", dt.datetime(2013, 9, 1, tzinfo=dt.UTC), "/s", attempt="a1"
)


def said(*lines: str) -> Transcript:
    transcript = Transcript(logging.getLogger("test"))
    for line in lines:
        transcript.add(line)
    return transcript


ERROR = json.dumps({"error": "SchemaError", "what": "no column carrier", "do": "add it"})


def test_done_is_silent() -> None:
    outcome.settle(0, said())


def test_nothing_to_do_is_a_skip() -> None:
    with pytest.raises(AirflowSkipException, match="no column carrier"):
        outcome.settle(99, said(ERROR))


@pytest.mark.parametrize("code", [2, 3, 65])
def test_what_a_retry_cannot_mend_is_not_retried(code: int) -> None:
    with pytest.raises(AirflowFailException, match=r"SchemaError: no column carrier. To do: add it"):
        outcome.settle(code, said(ERROR))


def test_other_failures_may_be_retried() -> None:
    with pytest.raises(AirflowException, match="no column carrier") as caught:
        outcome.settle(69, said(ERROR))
    assert not isinstance(caught.value, AirflowFailException)


def test_a_stage_that_dies_silently_leaves_its_last_lines() -> None:
    with pytest.raises(AirflowException, match=r"(?s)exit code 137.*ran out of memory.*reading part 7"):
        outcome.settle(137, said("12:00:00 INFO reading part 7"), "It ran out of memory.")
    with pytest.raises(AirflowException, match="said nothing"):
        outcome.settle(1, said())


def test_errors_of_the_pipeline_become_airflows_where_a_retry_is_no_use() -> None:
    for error in (ConfigError("line 3"), SchemaError("line 3")):
        with pytest.raises(AirflowFailException, match="line 3"), outcome.in_airflow_terms():
            raise error
    with pytest.raises(StoreError), outcome.in_airflow_terms():
        raise StoreError("away")


def leave(store: Path, step: str, attempt: str) -> None:
    made = Artifact("model", "s3://m", "m", "d1", rows=2)
    result = StageResult(
        use_case="demo",
        mode="offline",
        stage=step,
        run_id="r1",
        as_of=REQUEST.as_of,
        attempt=attempt,
        status="done",
        system_version="s1",
        finished=dt.datetime(2013, 9, 1, 5, tzinfo=dt.UTC),
        artifacts=(made,),
        model_version="m1" if step == "train" else "",
    )
    folder = store / "demo" / "runs" / "r1" / step
    folder.mkdir(parents=True)
    (folder / "result.json").write_bytes(msgspec.json.encode(result))


def test_the_summary_is_small_and_plain(store: Path) -> None:
    request = msgspec.structs.replace(REQUEST, store=str(store))
    for step in request.stages:
        leave(store, step, "a1")
    summary = outcome.summary(request, outcome.results(request))
    assert json.loads(json.dumps(summary)) == summary
    assert summary["model_version"] == "m1"
    assert summary["steps"]["train"]["artifacts"] == {"model": {"uri": "s3://m", "digest": "d1", "rows": 2}}


def test_a_result_of_another_attempt_does_not_count(store: Path) -> None:
    request = msgspec.structs.replace(REQUEST, store=str(store))
    leave(store, "split", "a1")
    leave(store, "train", "a0")
    with pytest.raises(
        StageError, match=r"train ended without the result it owes. Given: the result of the attempt a0"
    ):
        outcome.results(request)


def test_no_result_is_no_success(store: Path) -> None:
    with pytest.raises(StageError, match="nothing at"):
        outcome.results(msgspec.structs.replace(REQUEST, store=str(store)))


def test_a_garbled_result_is_no_success(store: Path) -> None:
    leave(store, "split", "a1")
    (store / "demo/runs/r1/split/result.json").write_text("{}")
    with pytest.raises(StageError, match="something else"):
        outcome.results(msgspec.structs.replace(REQUEST, store=str(store)))
