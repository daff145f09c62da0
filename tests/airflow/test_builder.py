from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.asset import Model
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization
from ml_pipeline_airflow.builder import _connect, build_dag, build_dags

from ml_pipeline.contract import Mode
from ml_pipeline.discovery import find
from ml_pipeline.errors import ConfigError, UsageError
from ml_pipeline.stages import tasks

pytestmark = pytest.mark.usefixtures("demo")
ROOT = Path(__file__).parents[2]
MODES: tuple[Mode, ...] = ("offline", "online")


@pytest.fixture(params=["docker", "process", "swarm", "kubernetes"], autouse=True)
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ML_PIPELINE_RUNNER", request.param)
    return str(request.param)


@pytest.mark.parametrize("mode", MODES)
def test_tasks_and_edges_are_those_of_the_table_of_stages(mode: Mode) -> None:
    dag = build_dag("demo", mode)
    table = tasks(find("demo").config, mode)
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == {
        task.name: set(task.needs) for task in table
    }
    assert {task.task_id: task.stages for task in dag.tasks} == {
        task.name: tuple(step.name for step in task.steps) for task in table
    }


def test_each_task_has_its_image_where_it_is_a_container(runner: str) -> None:
    for task in build_dag("demo", "offline").tasks:
        want = next(one.image for one in tasks(find("demo").config, "offline") if one.name == task.task_id)
        own = {"process": want, "kubernetes": getattr(task, "image_kind", "")}.get(runner) or task.image
        assert own == want
        assert getattr(task, "mount_tmp_dir", False) is False


def test_stages_with_several_sources_are_drawn_as_a_group() -> None:
    groups = build_dag("demo", "offline").task_group.get_task_group_dict()
    assert set(groups) == {None, "ingest", "prepare"}
    assert set(groups["prepare"].children) == {"prepare.orders", "prepare.weather"}


def test_the_dag_runs_every_night_in_the_use_cases_time_zone_and_alone() -> None:
    dag = build_dag("demo", "offline")
    assert dag.dag_id == "demo.offline_training"
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 2 * * *", "America/New_York")
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert build_dag("demo", "online").dag_id == "demo.online_scoring"


def _ports(name: str, mode: Mode) -> dict[str, tuple[list[str], list[str]]]:
    """Task -> names of what it reads and of what it makes that other DAGs can be scheduled on."""
    found = {task.task_id: (task.inlets, task.outlets) for task in build_dag(name, mode).tasks}
    return {
        task: ([asset.name for asset in reads], [asset.name for asset in makes])
        for task, (reads, makes) in found.items()
        if reads or makes
    }


def test_what_others_can_be_scheduled_on_are_models_champion_and_scored_table() -> None:
    assert _ports("demo", "offline") == {
        "train": ([], ["demo.model"]),
        "evaluate": (["demo.model", "demo.champion"], []),
        "promote": (["demo.model"], ["demo.champion"]),
    }
    assert _ports("demo", "online") == {"score": (["demo.champion"], ["demo.scored"])}
    champion = build_dag("demo", "offline").task_dict["promote"].outlets
    assert champion == [Model(name="demo.champion", uri="ml-pipeline://demo/champion")]


def test_scoring_starts_at_its_time_or_with_a_promotion() -> None:
    assert build_dag("demo", "online").timetable.expression == "0 4 * * *"
    condition = build_dag("careful", "online").timetable.asset_condition
    assert [asset.uri for asset in condition.objects] == ["ml-pipeline://careful/champion"]
    assert "whenever a model is promoted" in (build_dag("careful", "online").doc_md or "")


def test_where_a_person_decides_the_question_stands_between_verdict_and_promotion() -> None:
    by_hand, alone = (build_dag(name, "offline") for name in ("careful", "demo"))
    edges = {task.task_id: task.upstream_task_ids for task in by_hand.tasks}
    assert edges.pop("approve") == {"evaluate"}
    edges["promote"] -= {"approve"}
    assert edges == {task.task_id: task.upstream_task_ids for task in alone.tasks}
    assert by_hand.task_dict["approve"].downstream_task_ids == {"promote"}
    assert "approve" not in build_dag("careful", "online").task_dict


def test_one_container_cannot_wait_for_a_person(demo: Path) -> None:
    config = find("careful", {"services": {"offline": {"last": ["evaluate", "promote"]}}}).config
    with pytest.raises(ConfigError, match=r"a person decides in between. Given: services.offline.last"), DAG("x"):
        _connect(tasks(config, "offline"), config, "offline")


def test_a_failed_stage_is_tried_again_as_often_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {task.retries for task in build_dag("demo", "offline").tasks} == {1}
    assert {task.retry_delay for task in build_dag("demo", "offline").tasks} == {timedelta(seconds=10)}
    monkeypatch.setenv("ML_PIPELINE_RETRIES", "0")
    assert {task.retries for task in build_dag("demo", "offline").tasks} == {0}


def test_a_runner_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "rocket")
    with pytest.raises(UsageError, match="rocket"):
        build_dag("demo", "offline")


OPERATORS = {
    "docker": "StageOperator",
    "process": "ProcessStageOperator",
    "swarm": "SwarmStageOperator",
    "kubernetes": "PodStageOperator",
}


def test_the_environment_names_the_runner_of_all_use_cases(
    runner: str, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _runner_of_demo(demo, "swarm"):
        assert {type(task).__name__ for task in build_dag("demo", "offline").tasks} == {OPERATORS[runner]}


def test_without_it_each_use_case_names_its_own(runner: str, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_PIPELINE_RUNNER")
    with _runner_of_demo(demo, runner):
        assert {type(task).__name__ for task in build_dag("demo", "offline").tasks} == {OPERATORS[runner]}
    assert {type(task).__name__ for task in build_dag("demo", "offline").tasks} == {"StageOperator"}


def test_a_runner_that_is_not_installed_breaks_its_own_use_case_alone(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_PIPELINE_RUNNER")
    monkeypatch.setitem(sys.modules, "ml_pipeline_airflow.pod_operator", None)
    with _runner_of_demo(demo, "kubernetes"):
        dags = build_dags("offline")
    assert "install ml-pipeline[kubernetes]" in (dags["demo"].doc_md or "")
    assert "train" in dags["careful"].task_dict


@contextmanager
def _runner_of_demo(demo: Path, name: str) -> Iterator[None]:
    """Its pipeline.yaml names it meanwhile."""
    text = (demo / "demo_case/pipeline.yaml").read_text()
    (demo / "demo_case/pipeline.yaml").write_text(f"{text}runner: {name}\n")
    try:
        yield
    finally:
        (demo / "demo_case/pipeline.yaml").write_text(text)


def test_the_page_asks_the_question_and_lists_the_chain() -> None:
    page = build_dag("demo", "offline").doc_md or ""
    assert "Will the order be late?" in page
    assert "ingest → prepare → combine → split → train → evaluate → promote" in page
    assert "- **combine**: Join the other sources" in page
    assert "demo.online_scoring" in page


SERIALISE = """
import json, sys
from airflow.serialization.serialized_objects import DagSerialization
import offline_training, online_scoring
dags = {**vars(offline_training), **vars(online_scoring)}
found = [f"{use_case}_{name}" for use_case in ("demo", "careful") for name in ("offline_training", "online_scoring")]
print(json.dumps([DagSerialization.to_dict(dags[name]) for name in found],
                 sort_keys=True))  # as Airflow sorts them before it compares
"""


def _alone(code: str, demo: Path, **more: str) -> str:
    """Run Python with a fresh hash seed, the repository's DAGs and the demo on its path."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "plugins", ROOT / "dags", demo)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": path, **more},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def test_two_parses_serialise_to_the_same_bytes(demo: Path, runner: str) -> None:
    first, second = (_alone(SERIALISE, demo, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    assert len(json.loads(first)) == 4


def test_a_parse_imports_nothing_heavy_and_asks_no_engine(demo: Path, runner: str) -> None:
    heavy = ["numpy", "pandas", "pyarrow", "scipy", "sklearn", "obstore"]
    heavy += ["docker"] * (runner in ("process", "kubernetes"))
    heavy += ["kubernetes"] * (runner != "kubernetes")
    code = f"import airflow.sdk, offline_training, online_scoring, sys; print([m for m in {heavy} if m in sys.modules])"
    assert _alone(code, demo, DOCKER_HOST="tcp://192.0.2.1:1") == "[]"


def test_a_dag_survives_serialisation() -> None:
    again = DagSerialization.from_dict(DagSerialization.to_dict(build_dag("demo", "offline")))
    assert set(again.task_ids) == {task.name for task in tasks(find("demo").config, "offline")}


def test_a_use_case_that_cannot_be_built_says_why_and_hides_no_other(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (demo / "demo_case/pipeline.yaml").read_text()
    (demo / "demo_case/pipeline.yaml").write_text(text + "nonsense: 1\n")
    try:
        dags = build_dags("offline")
    finally:
        (demo / "demo_case/pipeline.yaml").write_text(text)
    assert "train" in dags["flights"].task_dict
    broken = dags["demo"]
    assert (broken.dag_id, list(broken.task_dict), broken.schedule) == ("demo.offline_training", ["broken"], None)
    assert "'nonsense' is not a key here" in (broken.doc_md or "")
    with pytest.raises(AirflowFailException, match=r"ConfigError: pipeline\.yaml of demo, line"):
        broken.task_dict["broken"].execute({})
