"""Tasks run by Airflow itself, in containers: time limits, credentials, networks, GPUs, and what the log says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import docker
import pytest
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields
from airflow.utils.session import create_session
from ml_pipeline_airflow.engine_task import INGEST_NETWORK, NETWORK
from ml_pipeline_airflow.identity import STORE
from ml_pipeline_airflow.stage_operator import StageOperator
from sqlalchemy import select

from tests.airflow.worker import operator as made_operator

# What Airflow and its database warn of while a run goes on is theirs.
pytestmark = [pytest.mark.airflow, pytest.mark.containers, pytest.mark.filterwarnings("ignore")]
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+1",
    "AWS_SESSION_TOKEN": "planted-token-2",
}
PLANTED = list(SECRETS.values())[1:]
"""The id of a key is no secret."""


class Outcome:
    """A run of a DAG with one task."""

    def __init__(self, run_id: str, state: str, log: str) -> None:
        self.run_id, self.state, self.log = run_id, state, log

    def returned(self) -> str:
        """What Airflow's database holds of what its task returned."""
        with create_session() as session:
            found = session.scalars(select(XComModel.value).where(XComModel.run_id == self.run_id)).all()
            return str(found)


@pytest.fixture
def run(
    engine: docker.DockerClient,
    airflow_database: None,
    operator: Callable[..., StageOperator],
    left: Callable[[], list[Any]],
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Run a DAG with a stand-in for a task."""

    def run_it(how: str, **more: Any) -> Outcome:
        with DAG("demo.offline_training", schedule=None, params={"parameters": {}, "force": [], "as_of": None}) as dag:
            task = made_operator(how, retries=0, **more)
        capfd.readouterr()
        done = dag.test(logical_date=None)
        (state,) = [str(ti.state) for ti in done.get_task_instances()]
        said = capfd.readouterr()
        assert task.task_id == "split"
        return Outcome(done.run_id, state, said.out + said.err)

    return run_it


@pytest.mark.parametrize("how", ["gated", "stubborn"])
def test_a_task_that_takes_too_long_is_stopped_and_says_how_far_it_came(
    run: Callable[..., Outcome], left: Callable[[], list[Any]], how: str
) -> None:
    outcome = run(how, execution_timeout=timedelta(seconds=4))
    assert outcome.state == "failed"
    words = {"gated": "waiting at the gate", "stubborn": "hanging"}[how]
    code = {"gated": 143, "stubborn": 137}[how]
    assert re.search(rf"(?s)AirflowTaskTimeout.*Timeout, PID.*exit code {code}.*Its last lines:.*{words}", outcome.log)
    (kept,) = left()
    assert (kept.status, "-try-" in kept.name) == ("exited", True)


def test_no_secret_is_anywhere_but_in_the_file_of_the_stage(
    run: Callable[..., Outcome],
    left: Callable[[], list[Any]],
    shared: Path,
    engine: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    leaky, fine = run("leaky"), run("done")
    assert (leaky.state, fine.state) == ("failed", "success")
    assert "the credentials are" in leaky.log
    assert PLANTED[0] in json.loads(next(shared.glob("demo/runs/*/split/result.json")).read_text())["metrics"]["secret"]
    inspected = str([engine.api.inspect_container(container.id) for container in left()])
    rendered, returned = str(_serialize_rendered_fields(made_operator("leaky"))), fine.returned()
    assert "STAND_IN" in rendered
    assert "rows_out" in returned
    for secret in PLANTED:
        for where in (leaky.log, fine.log, inspected, rendered, returned):
            assert secret not in where


def test_the_lines_of_a_stage_have_its_levels_and_its_times(run: Callable[..., Outcome]) -> None:
    log = run("done").log
    hello, warning = (next(line for line in log.splitlines() if words in line) for words in ("hello", "a warning"))
    assert "info" in hello
    assert "warning" in warning
    assert hello[:27] < warning[:27]
    assert re.match(r"\S*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", hello)


def test_ingest_may_reach_out_and_all_others_reach_the_store_alone(
    engine: docker.DockerClient,
    operator: Callable[..., StageOperator],
    context: Callable[..., Any],
    shared: Path,
    left: Callable[[], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = engine.networks.create(f"stand-in-{shared.parent.name}-{id(shared)}", internal=True)
    monkeypatch.setenv(NETWORK, inside.name)
    monkeypatch.setenv(INGEST_NETWORK, "bridge")
    monkeypatch.setenv("ML_PIPELINE_STORE", "s3://stand-in")
    found = {}
    try:
        for stage in ("split", "ingest.orders"):
            made = operator("stubborn", stages=[stage])
            container = made._attached(made.order(context()))
            found[stage] = engine.api.inspect_container(container.id)
            container.remove()
    finally:
        inside.remove()
    assert {stage: list(one["NetworkSettings"]["Networks"]) for stage, one in found.items()} == {
        "split": [inside.name],
        "ingest.orders": ["bridge"],
    }
    assert found["split"]["Config"]["Labels"][STORE] == "s3://stand-in"


@pytest.mark.parametrize(("stages", "asked"), [(["train"], True), (["split"], False)])
def test_a_stage_that_computes_with_the_model_asks_for_gpus_and_no_other(
    operator: Callable[..., StageOperator],
    context: Callable[..., Any],
    left: Callable[[], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    stages: list[str],
    asked: bool,
) -> None:
    made, requests = operator(stages=stages), []
    client, parameters = made.cli, {"resources.gpus": 2}
    start = client.start

    def seen(name: str) -> None:
        requests.append(client.inspect_container(name)["HostConfig"]["DeviceRequests"])
        start(name)

    monkeypatch.setattr(client, "start", seen)
    if asked and "nvidia" not in client.info()["Runtimes"]:
        with pytest.raises(AirflowFailException, match=r"no GPU to give.*Expected: 2.*Container Toolkit"):
            made.execute(context(parameters=parameters))
    else:
        made.execute(context(parameters=parameters))
    (request,) = requests
    if asked:
        assert (request[0]["Count"], request[0]["Capabilities"]) == (2, [["gpu"]])
    else:
        assert not request
    assert left() == []
