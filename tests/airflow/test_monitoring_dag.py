"""A use case that is monitored has a DAG for it, and no other has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import CronTriggerTimetable
from click.testing import CliRunner, Result
from ml_pipeline_airflow.builder import build_dag, build_dags

from ml_pipeline import discovery
from ml_pipeline.artifacts.store import Store
from ml_pipeline.cli import main
from ml_pipeline.lineage.results import stored_results
from tests.airflow.conftest import CAREFUL, _forget, _install

WATCHED = """\
monitoring: {least: 20}
"""


@pytest.fixture
def watchful(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A use case that is monitored, every morning."""
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    scheduled = CAREFUL.replace("online: promotion", 'online: promotion, monitoring: "0 6 * * *"')
    _install(demo, "watchful", scheduled + WATCHED)
    _forget(discovery)
    yield "watchful"
    for folder in demo.glob("watchful*"):
        shutil.rmtree(folder)
    _forget(discovery)


def test_only_those_that_are_monitored_have_the_dag(watchful: str) -> None:
    found = build_dags("monitoring")
    assert {"watchful"} <= found.keys()
    assert not {"demo", "careful"} & found.keys()
    assert found["watchful"].dag_id == "watchful.monitoring"


def test_it_asks_the_source_that_drives_for_the_truth_and_nobody_else(watchful: str) -> None:
    dag = build_dag("watchful", "monitoring")
    assert set(dag.task_dict) == {"ingest.orders", "prepare.orders", "monitor"}
    assert dag.task_dict["monitor"].upstream_task_ids == {"prepare.orders"}
    assert "promote" not in dag.params
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 6 * * *", "America/New_York")


def test_training_that_runs_every_night_also_runs_when_it_is_asked_for(watchful: str) -> None:
    (asset,) = build_dag("watchful", "monitoring").task_dict["monitor"].outlets
    assert (asset.name, asset.uri) == ("watchful.retrain", "ml-pipeline://watchful/retrain")
    timetable = build_dag("watchful", "offline").timetable
    assert [own.uri for own in timetable.asset_condition.objects] == [asset.uri]
    assert timetable.timetable.expression == "0 2 * * *"
    assert isinstance(build_dag("demo", "offline").timetable, CronTriggerTimetable)


def test_a_backfill_orders_that_nothing_is_gone_back_to(
    watchful: str, store: Path, context: Callable[..., dict[str, Any]]
) -> None:
    monitor, backfill = build_dag("watchful", "monitoring").task_dict["monitor"], context()
    monitor.as_of, monitor.airflow_run = "2024-01-31", "r"
    assert monitor.order(backfill).request.parameters == {}
    backfill["dag_run"].run_type = "backfill"
    assert monitor.order(backfill).request.parameters == {"monitoring.rollback": "propose"}


def test_the_page_says_what_it_does(watchful: str) -> None:
    page = build_dag("watchful", "monitoring").doc_md or ""
    assert "It looks again at what was predicted within `30d`, as truth comes late" in page
    assert "[watchful.monitoring](/dags/watchful.monitoring)" in (build_dag("watchful", "offline").doc_md or "")


@pytest.mark.filterwarnings("ignore")
def test_airflow_runs_it_and_its_verdict_is_stored(
    airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the use case of the scaffold: its last days are scored, and judged once its file tells their labels."""
    cases, store = tmp_path / "use_cases", tmp_path / "store"
    cases.mkdir()
    for name, value in {"STORE": store, "USE_CASES": cases, "RUNNER": "process", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"ML_PIPELINE_{name}", str(value))
    _ok(CliRunner().invoke(main, ["new", "shop", "--folder", str(cases)]))
    pipeline, records = cases / "shop/pipeline.yaml", cases / "shop/data/visits.csv"
    pipeline.write_text(pipeline.read_text().replace("0.55", "0.4") + WATCHED)
    for mode in ("offline", "online"):
        _ok(CliRunner().invoke(main, ["run", "shop", mode, "--as-of", "2024-06-16"]))
    lines = records.read_text().splitlines()
    records.write_text(
        "".join(f"{line}{number % 3 % 2}\n" if line[-1] == "," else f"{line}\n" for number, line in enumerate(lines))
    )
    done = build_dag("shop", "monitoring").test(run_conf={"as_of": "2024-06-20"})
    states = {task.task_id: str(task.state) for task in done.get_task_instances()}
    assert states == dict.fromkeys(("ingest.shop", "prepare.shop", "monitor"), "success")
    (result,) = stored_results(Store(str(store)).within("shop"), "monitor")
    assert result.verdict
    assert result.verdict["reasons"][0].endswith(
        f"{result.rows_in} of {result.rows_in} predictions have come true or not."
    )
    assert result.synthetic == ("shop",)
    assert "SYNTHETIC DATA" in (store / "shop/monitoring/20240620T000000Z/report.html").read_text()


def _ok(result: Result) -> None:
    assert result.exit_code == 0, result.output
