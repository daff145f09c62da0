"""A use case that learns online has a DAG for it, and no other has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from ml_pipeline_airflow.builder import build_dag, build_dags

from ml_pipeline import discovery
from ml_pipeline.cli import main
from ml_pipeline.discovery import find
from ml_pipeline.stages import tasks
from tests.airflow.conftest import CAREFUL, PIPELINE, _forget, _install
from tests.airflow_site import ROOT, settings

LEARNS = """\
learning: {test: 30%, least: 500}
services: {learning: {data: [ingest, prepare, combine, split]}}
"""
SCHEDULE = "schedule: {learning: 0 5 * * *}\n"


@pytest.fixture
def keen(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A use case that learns, every morning and after a person has agreed."""
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    kept = [
        line for line in CAREFUL.splitlines(keepends=True) if not line.startswith(("schedule", "services", "  online"))
    ]
    _install(demo, "keen", "".join(kept) + LEARNS + SCHEDULE)
    _forget(discovery)
    yield "keen"
    for folder in demo.glob("keen*"):
        shutil.rmtree(folder)
    _forget(discovery)


def test_only_those_that_learn_have_the_dag(keen: str) -> None:
    found = build_dags("learning")
    assert {"keen"} <= found.keys()
    assert not {"demo", "careful"} & found.keys()
    assert found["keen"].dag_id == "keen.online_learning"


def test_its_tasks_follow_from_the_table_and_a_person_is_asked(keen: str) -> None:
    dag = build_dag("keen", "learning")
    table = tasks(find("keen").config, "learning")
    assert [task.name for task in table] == ["data", "train", "evaluate", "promote"]
    assert set(dag.task_dict) == {task.name for task in table} | {"approve"}
    assert dag.task_dict["train"].upstream_task_ids == {"data"}
    assert dag.task_dict["promote"].upstream_task_ids == {"train", "evaluate", "approve"}
    assert [asset.uri for asset in dag.task_dict["promote"].outlets] == ["ml-pipeline://keen/champion"]
    assert dag.task_dict["approve"].mode == "learning"


def test_it_runs_as_pipeline_yaml_says_and_alone(keen: str) -> None:
    dag = build_dag("keen", "learning")
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 5 * * *", "America/New_York")
    assert dag.max_active_runs == 1
    assert "promote" in dag.params


def test_the_page_says_what_it_does_and_links_the_others(keen: str) -> None:
    page = build_dag("keen", "learning").doc_md or ""
    assert (
        "It goes on from the champion with the rows whose label became known since; 30% of the keys judge both." in page
    )
    assert "[keen.offline_training](/dags/keen.offline_training) and [keen.online_scoring]" in page
    assert "[keen.online_learning](/dags/keen.online_learning)" in (build_dag("keen", "offline").doc_md or "")


def test_one_that_cannot_be_read_is_told_of_elsewhere(keen: str, demo: Path) -> None:
    (demo / "keen_case/pipeline.yaml").write_text(PIPELINE + "nonsense: 1\n")
    assert "keen" not in build_dags("learning")
    assert list(build_dags("offline")["keen"].task_dict) == ["broken"]


def test_airflow_runs_it_and_the_new_model_is_champion(tmp_path: Path) -> None:
    """`airflow dags test` on the use case of the scaffold, of which three weeks became known since it was trained."""
    cases, store = tmp_path / "use_cases", tmp_path / "store"
    cases.mkdir()
    environment = settings(
        tmp_path,
        ML_PIPELINE_STORE=str(store),
        ML_PIPELINE_USE_CASES=str(cases),
        ML_PIPELINE_RETRIES="0",
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
    )
    own = {name: environment[name] for name in ("ML_PIPELINE_STORE", "ML_PIPELINE_USE_CASES")}
    _ok(CliRunner().invoke(main, ["new", "shop", "--folder", str(cases)]))
    pipeline = cases / "shop/pipeline.yaml"
    # On so few rows a floor would be luck.
    learns = "learning: {test: 40%, least: 100}\nschedule: {offline"
    pipeline.write_text(pipeline.read_text().replace("schedule: {offline", learns).replace("0.55", "0.4"))
    _run([sys.executable, "-m", "ml_pipeline", "run", "shop", "offline", "--as-of", "2024-05-20"], environment)
    airflow = str(Path(sys.executable).with_name("airflow"))
    _run([airflow, "db", "migrate"], environment)
    _run([airflow, "dags", "test", "shop.online_learning", "--conf", '{"as_of": "2024-06-10"}'], environment)
    log = json.loads(_run([sys.executable, "-m", "ml_pipeline", "models", "log", "shop", "--json"], environment))
    assert [entry["run"].partition("-")[0] for entry in log] == ["offline", "learning"]
    (learnt,) = (entry for entry in log if entry["run"].startswith("learning"))
    shown = CliRunner(env=own).invoke(main, ["models", "show", "shop", learnt["to"], "--json"])
    assert json.loads(_ok(shown))["start"] == learnt["previous"]


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def _ok(result: object) -> str:
    assert result.exit_code == 0, result.output  # type: ignore[attr-defined]
    return str(result.output)  # type: ignore[attr-defined]
