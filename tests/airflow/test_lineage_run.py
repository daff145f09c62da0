"""What OpenLineage and Airflow's assets tell of runs, by a real Airflow: its scheduler, its workers, its REST API.

Of one use case a model is trained and records are scored; the database of another cannot be reached.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.airflow_site import PATIENCE, airflow_at_work, settings, wait
from tests.shop_site import Site

pytestmark = [pytest.mark.airflow, pytest.mark.long]
OFFLINE, ONLINE, AWAY, SUBSCRIBER = (
    "shop.offline_training",
    "shop.online_scoring",
    "away.offline_training",
    "subscriber",
)
PASSWORD = "hush-7f3a91"
DAGS = """\
from airflow.sdk import DAG, Asset
from airflow.providers.standard.operators.empty import EmptyOperator
from ml_pipeline_airflow.builder import build_dag

training, scoring, away = build_dag("shop", "offline"), build_dag("shop", "online"), build_dag("away", "offline")
with DAG("subscriber", schedule=[Asset(name="shop.model", uri="ml-pipeline://shop/model")]) as subscriber:
    EmptyOperator(task_id="told")
"""
SERVICES = "schedule: {}\nservices: {offline: {data: [ingest, prepare, combine, split]}}\n"
DATABASE = """\
from ml_pipeline.connectors import SqlQuery

shop = SqlQuery({"visit": "string", "came_at": "timestamp", "bought": "float64"}, query="select * from visits")
"""


class Told:
    """All events of OpenLineage, as they lie in files."""

    def __init__(self, folder: Path) -> None:
        self.texts = [path.read_text() for path in sorted(folder.glob("event*"))]
        self.events = [json.loads(text) for text in self.texts]

    def of(self, kind: str, dag: str = "") -> dict[str, dict[str, Any]]:
        """Task -> its event of a kind in the first run of a DAG; events of whole DAG runs are left out."""
        found: dict[str, dict[str, Any]] = {}
        for event in sorted(self.events, key=lambda event: str(event["eventTime"])):
            name = event["job"]["name"]
            if event["eventType"] == kind and name.startswith(f"{dag}.") and name != dag:
                found.setdefault(name.removeprefix(f"{dag}."), event)
        return found


class Run:
    """What was told of one run of each DAG, and what Airflow knows afterwards."""

    def __init__(self, site: Site, told: Told, states: Mapping[str, dict[str, str]]) -> None:
        self.site, self.told, self.states = site, told, states

    def asset_events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.site.ask("/api/v2/assets/events?order_by=timestamp")["asset_events"]
        return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("lineage")
    cases, dags, events = (folder / name for name in ("use_cases", "dags", "events"))
    for made in (cases, dags, events):
        made.mkdir()
    _use_cases(cases)
    (dags / "all.py").write_text(DAGS)
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": "dags-folder", "classpath": local, "kwargs": {"path": str(dags)}}
    environment = settings(
        folder,
        ML_PIPELINE_STORE=str(folder / "store"),
        ML_PIPELINE_USE_CASES=str(cases),
        ML_PIPELINE_RETRIES="0",
        AWS_SECRET_ACCESS_KEY=PASSWORD,
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([bundle]),
        AIRFLOW__OPENLINEAGE__TRANSPORT=json.dumps({"type": "file", "log_file_path": str(events / "event")}),
    )
    with airflow_at_work(folder, environment) as url:
        site = Site(url, folder, environment).signed_in()
        ends = {
            AWAY: _run(site, AWAY, "2024-06-10"),
            OFFLINE: _run(site, OFFLINE, "2024-06-10"),
            ONLINE: _run(site, ONLINE, "2024-06-17"),
            "again": _run(site, OFFLINE, "2024-06-10"),
        }
        yield Run(site, Told(events), ends)


def _use_cases(folder: Path) -> None:
    """Training prepares data in one task, scoring has a task for each stage."""
    command = [Path(sys.executable).with_name("ml-pipeline"), "new", "shop", "--folder", folder]
    subprocess.run(command, check=True, capture_output=True)
    pipeline = folder / "shop/pipeline.yaml"
    text = "".join(line for line in pipeline.read_text().splitlines(True) if not line.startswith("schedule"))
    shutil.copytree(folder / "shop", folder / "away")
    pipeline.write_text(text + SERVICES)
    away = text.replace("data/visits.csv", f"postgresql://me:{PASSWORD}@127.0.0.1:1/visits")
    (folder / "away/pipeline.yaml").write_text(away)
    (folder / "away/sources.py").write_text(DATABASE)


def _run(site: Site, dag: str, as_of: str) -> dict[str, str]:
    """Run a DAG to its end, and return the states of its tasks."""
    wait(lambda: _unpaused(site, dag) and _unpaused(site, SUBSCRIBER), PATIENCE, (site.folder / "log").read_text)
    order = {"logical_date": None, "conf": {"as_of": as_of}}
    run = site.ask(f"/api/v2/dags/{dag}/dagRuns", order)["dag_run_id"]

    def over() -> bool:
        return site.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"] in ("success", "failed")

    wait(over, PATIENCE, lambda: str(site.states(run, dag)))
    return site.states(run, dag)


def _unpaused(site: Site, dag: str) -> bool:
    try:
        return not site.ask(f"/api/v2/dags/{dag}", {"is_paused": False}, "PATCH")["is_paused"]
    except OSError:
        return False


def _names(datasets: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(dataset["namespace"], dataset["name"]) for dataset in datasets}


def test_every_task_tells_of_its_start_and_its_end(ran: Run) -> None:
    for dag in (OFFLINE, ONLINE):
        assert set(ran.states[dag].values()) == {"success"}
        started, ended = ran.told.of("START", dag), ran.told.of("COMPLETE", dag)
        assert started.keys() == ended.keys() == ran.states[dag].keys()
        for task, event in ended.items():
            assert event["run"]["runId"] == started[task]["run"]["runId"]


def test_all_that_was_read_was_written_by_somebody_back_to_the_files_of_the_source(ran: Run) -> None:
    ended = [*ran.told.of("COMPLETE", OFFLINE).values(), *ran.told.of("COMPLETE", ONLINE).values()]
    makers = {name: event for event in ended for name in _names(event["outputs"])}
    records = ("file", str(ran.site.folder / "use_cases/shop/data/visits.csv"))
    assert {name for event in ended for name in _names(event["inputs"])} - makers.keys() == {records}

    behind: set[tuple[str, str]] = set()
    ahead = _names(ran.told.of("COMPLETE", ONLINE)["postprocess"]["outputs"])
    while ahead:
        behind |= ahead
        ahead = {name for made in ahead if made in makers for name in _names(makers[made]["inputs"])} - behind
    stored = {name.removeprefix(f"{ran.site.folder}/store/shop/").partition("/20")[0] for _, name in behind}
    assert "raw/shop.new" in stored
    assert records in behind
    assert any(name.endswith("/parameters.yaml") for _, name in behind)


def test_an_event_says_what_a_dataset_is_and_what_the_run_found(ran: Run) -> None:
    (scored,) = ran.told.of("COMPLETE", ONLINE)["postprocess"]["outputs"]
    manifest = next(path for path in ran.site.stored("data/*/manifest.yaml") if str(path.parent) == scored["name"])
    assert scored["facets"]["version"]["datasetVersion"] in manifest.read_text()
    assert scored["outputFacets"]["outputStatistics"]["rowCount"] == 40
    assert {"rank", "came_at"} <= {field["name"] for field in scored["facets"]["schema"]["fields"]}
    result = ran.told.of("COMPLETE", OFFLINE)["evaluate"]["run"]["facets"]["mlPipeline_result"]
    assert (result["useCase"], result["asOf"], result["synthetic"]) == ("shop", "2024-06-10T00:00:00+00:00", ["shop"])
    assert result["verdict"]["passed"] is True
    assert {ran.site.models("show", "shop", "champion")["version"]} == {result["modelVersion"]}


def test_what_steps_of_one_task_pass_to_each_other_is_not_told(ran: Run) -> None:
    event = ran.told.of("COMPLETE", OFFLINE)["data"]
    assert [dataset["name"].rpartition("/")[2] for dataset in event["inputs"]] == ["visits.csv"]
    made = [dataset["facets"]["tags"]["tags"][1]["value"] for dataset in event["outputs"]]
    assert made == ["raw.shop", "train", "validation", "test"]


def test_events_are_what_the_specification_says(ran: Run) -> None:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    for event in ran.told.events:
        inputs = [InputDataset(*map(one.get, ("namespace", "name", "inputFacets"))) for one in event.get("inputs", [])]
        outputs = [
            OutputDataset(*map(one.get, ("namespace", "name", "outputFacets"))) for one in event.get("outputs", [])
        ]
        parsed = RunEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=Run(**event["run"]),
            job=Job(**event["job"]),
            eventType=RunState(event["eventType"]),
            inputs=inputs,
            outputs=outputs,
        )
        assert parsed.schemaURL == event["schemaURL"]
        for facet in _facets(event):
            assert urlsplit(facet["_producer"]).scheme == urlsplit(facet["_schemaURL"]).scheme == "https"


def _facets(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    holders = [event["run"], event["job"], *event.get("inputs", []), *event.get("outputs", [])]
    for holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from (holder.get(kind) or {}).values()


def test_a_stage_that_fails_says_from_where_it_could_not_read(ran: Run) -> None:
    assert ran.states[AWAY]["ingest.shop"] == "failed"
    failed = ran.told.of("FAIL", AWAY)
    assert failed.keys() == {"ingest.shop"}
    event = failed["ingest.shop"]
    assert _names(event["inputs"]) == {("postgres://127.0.0.1:1", "visits")}
    assert not event.get("outputs")
    assert event["run"]["facets"]["mlPipeline_result"]["steps"] == {}
    assert "cannot be reached" in event["run"]["facets"]["errorMessage"]["message"]


def test_no_secret_is_told(ran: Run) -> None:
    assert not [text for text in ran.told.texts if PASSWORD in text]


def test_what_is_new_is_an_event_of_its_asset_and_what_was_there_is_none(ran: Run) -> None:
    assert set(ran.states["again"].values()) == {"success"}
    events = ran.asset_events()
    assert [event["uri"] for event in events] == [
        "ml-pipeline://shop/model", "ml-pipeline://shop/champion", "ml-pipeline://shop/scored"
    ]  # fmt: skip
    (model, champion, scored) = (event["extra"] for event in events)
    assert model["model_version"] == champion["model_version"] == scored["model_version"]
    assert (scored["rows"], scored["as_of"], scored["status"]) == (40, "2024-06-17T00:00:00+00:00", "done")
    assert (Path(scored["uri"].removeprefix("file://")) / "manifest.yaml").is_file()


def test_a_dag_that_is_scheduled_on_an_asset_runs_once_for_each_event(ran: Run) -> None:
    wait(lambda: bool(ran.site.runs(SUBSCRIBER)), PATIENCE, (ran.site.folder / "log").read_text)
    (run,) = ran.site.runs(SUBSCRIBER)
    assert run["run_type"] == "asset_triggered"
    assert ran.site.finished(run["dag_run_id"], SUBSCRIBER) == {"told": "success"}


def test_airflows_graph_shows_which_task_reads_what_another_makes(ran: Run) -> None:
    assets = {asset["uri"]: asset for asset in ran.site.ask("/api/v2/assets")["assets"]}
    made, read = (
        {uri: {(task["dag_id"], task["task_id"]) for task in asset[way]} for uri, asset in assets.items()}
        for way in ("producing_tasks", "consuming_tasks")
    )
    assert made["ml-pipeline://shop/champion"] == {(OFFLINE, "promote")}
    assert read["ml-pipeline://shop/champion"] == {(OFFLINE, "evaluate"), (ONLINE, "serve")}
    assert made["ml-pipeline://shop/scored"] == {(ONLINE, "postprocess")}
    assert [dag["dag_id"] for dag in assets["ml-pipeline://shop/model"]["scheduled_dags"]] == [SUBSCRIBER]
