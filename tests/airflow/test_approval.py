from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped, TaskAwaitingInput
from ml_pipeline_airflow.approval import PromotionApproval
from ml_pipeline_airflow.builder import build_dag
from ml_pipeline_airflow.request import run_name

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.contract import StageResult, run_key

PASSED = {"passed": True, "reasons": ["roc_auc is 0.7100, within its floor of at least 0.7.", "It is not worse."]}
FAILED = {"passed": False, "reasons": ["roc_auc is 0.6100, outside its floor of at least 0.7."]}
METRIC = {"value": 0.71, "low": 0.69, "high": 0.73}


@pytest.fixture
def task(demo: Path, monkeypatch: pytest.MonkeyPatch) -> PromotionApproval:
    """The task as it stands in the DAG."""
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    found: PromotionApproval = build_dag("careful", "offline").task_dict["approve"]
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Questions that reached Airflow."""
    questions: list[dict[str, Any]] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **question: questions.append(question))
    return questions


@pytest.fixture
def evaluated(store: Path) -> Callable[..., None]:
    """Leave what evaluation leaves, about the candidate m1."""

    def leave(verdict: dict[str, Any] | None, champion: str = "", synthetic: tuple[str, ...] = ()) -> None:
        result = StageResult(
            use_case="careful", mode="offline", stage="evaluate", run_id="r", attempt="1", status="done",
            as_of=dt.datetime(2013, 9, 1, 6, tzinfo=dt.UTC), system_version="s", verdict=verdict, synthetic=synthetic,
            finished=dt.datetime(2013, 9, 1, 7, tzinfo=dt.UTC), model_version="m1" if verdict else "",
        )  # fmt: skip
        against = {"roc_auc": METRIC} if champion else {}
        difference = {"roc_auc": {"value": 0.002, "low": -0.001, "high": 0.005}} if champion else {}
        found = {"rows": 1200, "metrics": {"roc_auc": METRIC}, "champion_metrics": against, "difference": difference}
        write(store, run_key(run_name("offline", "r:1"), "evaluate"), msgspec.json.encode(result))
        write(store, "models/m1/metrics.yaml", plain_yaml.dump(found))
        if champion:
            write(store, "promotions/000001.yaml", plain_yaml.dump(entry(champion)))

    return leave


def write(store: Path, key: str, content: bytes) -> None:
    path = store / "careful" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def entry(version: str) -> dict[str, Any]:
    texts = dict.fromkeys(("previous", "actor", "reason", "run", "as_of", "evidence", "at"), "")
    return {"number": 1, "to": version, **texts}


def test_a_person_reads_verdict_versions_metrics_and_where_the_report_is(
    task: PromotionApproval, evaluated: Callable[..., None], asked: list[Any], context: Callable[..., Any], store: Path
) -> None:
    evaluated(PASSED, champion="m0", synthetic=("orders",))
    with pytest.raises(TaskAwaitingInput):
        task.execute(context())
    (question,) = asked
    assert question["subject"] == "Shall this model become champion of careful?"
    assert (question["options"], question["defaults"]) == (["Approve", "Reject"], ["Reject"])
    assert (
        question["body"]
        == f"""\
**The verdict: passed.**

- roc_auc is 0.7100, within its floor of at least 0.7.
- It is not worse.

| 1,200 test rows | candidate | champion | difference |
|---|---|---|---|
| roc_auc | 0.7100 (0.6900 to 0.7300) | 0.7100 (0.6900 to 0.7300) | +0.0020 (-0.0010 to +0.0050) |

- Candidate: m1, trained on what was known on 2013-09-01 06:00 UTC
- Champion: m0
- **Synthetic data**: records of orders are made up
- Report: `file://{store}/careful/models/m1/report.html`

Without an answer within a day the champion stays."""
    )


def test_the_first_candidate_has_nobody_to_be_compared_with(
    task: PromotionApproval, evaluated: Callable[..., None], asked: list[Any], context: Callable[..., Any]
) -> None:
    evaluated(PASSED)
    with pytest.raises(TaskAwaitingInput):
        task.execute(context())
    assert "| 1,200 test rows | candidate |\n|---|---|\n| roc_auc |" in asked[0]["body"]
    assert "Champion: none yet" in asked[0]["body"]


@pytest.mark.parametrize(
    ("verdict", "champion", "words"),
    [
        (FAILED, "m0", "The verdict on m1: not passed. roc_auc is 0.6100, outside its floor"),
        (PASSED, "m1", "m1 is champion already"),
        (None, "", "There is no verdict"),
    ],
)
def test_nobody_is_asked_where_nothing_depends_on_the_answer(
    task: PromotionApproval,
    evaluated: Callable[..., None],
    asked: list[Any],
    context: Callable[..., Any],
    verdict: Any,
    champion: str,
    words: str,
) -> None:
    evaluated(verdict, champion)
    with pytest.raises(AirflowSkipException, match=words):
        task.execute(context())
    assert asked == []


def test_a_backfill_asks_only_if_it_may_promote(
    task: PromotionApproval, evaluated: Callable[..., None], asked: list[Any], context: Callable[..., Any]
) -> None:
    evaluated(PASSED)
    for promote, outcome in ((False, AirflowSkipException), (True, TaskAwaitingInput)):
        backfill = context(promote=promote)
        backfill["dag_run"].run_type = "backfill"
        with pytest.raises(outcome):
            task.execute(backfill)
    assert len(asked) == 1


def test_in_dags_test_the_verdict_alone_decides(
    task: PromotionApproval, evaluated: Callable[..., None], asked: list[Any], context: Callable[..., Any]
) -> None:
    evaluated(PASSED)
    test = context()
    test["dag_run"].triggering_user_name = "dag_test"
    assert task.execute(test) == {"approved_by": "dag_test", "reason": ""}
    assert asked == []


@pytest.mark.parametrize(
    ("user", "reason", "agreed"),
    [
        ({"id": "7", "name": "ada"}, "fresher", {"approved_by": "ada", "reason": "fresher"}),
        ({"id": "7", "name": ""}, None, {"approved_by": "7", "reason": ""}),
    ],
)
def test_a_yes_lets_promote_run_and_says_who_agreed_and_why(
    task: PromotionApproval, context: Callable[..., Any], user: Any, reason: Any, agreed: dict[str, str]
) -> None:
    assert task.execute_complete(context(), answer("Approve", user, reason)) == agreed


@pytest.mark.parametrize("user", [{"id": "7", "name": "ada"}, None])
def test_a_no_and_no_answer_in_time_skip_promote(
    task: PromotionApproval, context: Callable[..., Any], user: Any
) -> None:
    given = {"task": task, **context()}
    given["ti"].xcom_push = lambda **_: None
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        task.execute_complete(given, answer("Reject", user))
    assert list(skipped.value.tasks) == ["promote"]


def answer(option: str, user: Any, reason: str | None = None) -> dict[str, Any]:
    moment = dt.datetime(2013, 9, 1, 8, tzinfo=dt.UTC)
    given = {"params_input": {"reason": reason}, "responded_at": moment, "responded_by_user": user}
    return {"chosen_options": [option], **given}
