from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_pipeline_airflow import lineage
from ml_pipeline_airflow.lineage import Lineage, gather, place
from ml_pipeline_airflow.lineage_events import FACET, lineage_of
from ml_pipeline_airflow.process_operator import ProcessStageOperator
from ml_pipeline_airflow.stage_task import Order

from ml_pipeline.contract import Artifact, StageRequest, StageResult

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in.py")
NIGHT = dt.datetime(2013, 9, 1, tzinfo=dt.UTC)
BUCKET = "s3://lake/ml/demo"


def result(stage: str, **more: Any) -> StageResult:
    common = {"use_case": "demo", "mode": "offline", "run_id": "r1", "as_of": NIGHT, "attempt": "a", "finished": NIGHT}
    return StageResult(**{**common, "stage": stage, "status": "done", "system_version": "s1", **more})


def artifact(name: str, key: str, uri: str = "") -> Artifact:
    return Artifact(name, uri or f"{BUCKET}/{key}", key, f"digest of {key}", rows=3, bytes=70)


@pytest.fixture
def told(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Lineage]:
    """What is gathered of some results, where OpenLineage is switched on."""
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')

    def tell(*results: StageResult, **parameters: Any) -> Lineage:
        stages = tuple(one.stage for one in results) or ("ingest.orders",)
        mode = "online" if "serve" in stages else "offline"
        request = StageRequest("demo", mode, stages, "r1", NIGHT, "/nowhere", parameters=parameters)
        found = gather(Order(request, None, {}), results)  # type: ignore[arg-type]
        assert found
        return found

    return tell


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("s3://lake/ml/demo/raw/orders", ("s3://lake", "ml/demo/raw/orders")),
        ("gs://lake/odd@key?#", ("gs://lake", "odd@key?#")),
        ("s3://lake", ("s3://lake", "/")),
        ("file:///srv/store/demo", ("file", "/srv/store/demo")),
        ("/srv/orders.csv", ("file", "/srv/orders.csv")),
        ("sqlite:/srv/orders.db", ("file", "/srv/orders.db")),
        ("sqlite:s3://lake/orders.db", ("s3://lake", "orders.db")),
        ("postgresql://me:hush@db:6543/trials", ("postgres://db:6543", "trials")),
        ("postgres:///trials?password=hush", ("postgres://localhost:5432", "trials")),
        ("https://me:hush@api.example.org/v2/orders?key=hush#hush", ("https://api.example.org", "v2/orders")),
        ("https://api.example.org", ("https://api.example.org", "/")),
    ],
)
def test_a_place_is_named_as_openlineage_names_it_and_without_its_secrets(address: str, named: tuple[str, str]) -> None:
    assert place(address) == named


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hu/sh@db/trials",
        "postgresql://me:hu?sh@db/trials",
        "postgresql://me:hu#sh@db/trials",
        "https://api.example.org/orders?mail=me@example.org",
        "s3://key:hush@lake/orders",
        "s3://key:hu/sh@lake/orders",
        "somewhere",
        "",
    ],
)
def test_where_a_secret_cannot_be_told_from_the_rest_nothing_is_told(address: str) -> None:
    assert place(address) is None


def test_what_came_from_elsewhere_goes_in_and_what_is_stored_goes_out(told: Callable[..., Lineage]) -> None:
    raw, held = artifact("raw.orders", "raw/orders/1"), artifact("combined", "data/c", "memory:demo/data/c")
    train = artifact("train", "data/t")
    found = told(
        result("prepare.orders", reads=(raw,), artifacts=(held,)),
        result("split", reads=(held,), artifacts=(train,)),
        result("train", reads=(train,), artifacts=(artifact("model", "models/m1/parameters.yaml"),)),
    )
    assert [(thing.namespace, thing.name, thing.called) for thing in found.inputs] == [
        ("s3://lake", "ml/demo/raw/orders/1", "raw.orders")
    ]
    assert [(thing.name, thing.rows) for thing in found.outputs] == [
        ("ml/demo/data/t", 3),
        ("ml/demo/models/m1/parameters.yaml", None),
    ]


def test_what_was_found_stored_goes_out_too(told: Callable[..., Lineage]) -> None:
    found = told(result("split", status="reused", artifacts=(artifact("train", "data/t"),)))
    assert [thing.name for thing in found.outputs] == ["ml/demo/data/t"]
    assert found.facts["steps"] == {"split": "reused"}


def test_ingest_reads_what_pipeline_yaml_names(told: Callable[..., Lineage]) -> None:
    address = {"sources.orders.address": "postgresql://me:hush@db/trials"}
    found = told(result("ingest.orders", artifacts=(artifact("raw.orders", "raw/orders/1"),)), **address)
    assert [(thing.namespace, thing.name, thing.called) for thing in found.inputs] == [
        ("postgres://db:5432", "trials", "orders")
    ]
    assert not told(result("ingest.orders")).inputs
    assert not told(result("split"), **address).inputs


def test_predictions_come_from_the_champion_as_training_wrote_it(told: Callable[..., Lineage]) -> None:
    found = told(result("serve", model_version="m1", artifacts=(artifact("predictions", "data/p"),)))
    assert [(thing.namespace, thing.name) for thing in found.inputs] == [
        ("file", "/nowhere/demo/models/m1/parameters.yaml")
    ]


def test_the_model_that_learning_starts_from_goes_in(told: Callable[..., Lineage]) -> None:
    start = artifact("start.orders", "models/m0/parameters.yaml")
    found = told(result("ingest.orders", artifacts=(artifact("raw.orders", "raw/orders/1"), start)))
    assert [thing.name for thing in found.inputs] == ["ml/demo/models/m0/parameters.yaml"]
    assert [thing.name for thing in found.outputs] == ["ml/demo/raw/orders/1"]


def test_the_facts_of_all_steps_are_told_together(told: Callable[..., Lineage]) -> None:
    verdict = {"passed": False, "reasons": ["It is worse."]}
    facts = told(
        result("prepare.orders", quarantined={"no key": 2}, synthetic=("orders",)),
        result("prepare.weather", quarantined={"no key": 1, "late": 4}),
        result("train", model_version="m1"),
        result("evaluate", model_version="m1", verdict=verdict),
    ).facts
    assert facts["quarantined"] == {"no key": 3, "late": 4}
    assert (facts["synthetic"], facts["verdict"]) == (["orders"], verdict)
    assert (facts["modelVersion"], facts["systemVersion"], facts["pipelineRun"]) == ("m1", "s1", "r1")


def test_of_many_snapshots_the_newest_alone_is_described(told: Callable[..., Lineage]) -> None:
    nights = [artifact("raw.orders", f"raw/orders/{night}") for night in (1, 2, 3)]
    said = lineage_of(told(result("ingest.orders", artifacts=tuple(nights)))).outputs
    assert [one.name.rpartition("/")[2] for one in said] == ["1", "2", "3"]
    assert [sorted(one.facets) for one in said[:2]] == [["version"], ["version"]]
    assert sorted(said[2].facets) == ["dataSource", "tags", "version"]
    assert [bool(one.outputFacets) for one in said] == [False, False, True]


def test_it_is_said_in_openlineages_words(told: Callable[..., Lineage]) -> None:
    from openlineage.client.serde import Serde

    raw = artifact("raw.orders", "raw/orders/1")
    found = told(result("prepare.orders", reads=(raw,), artifacts=(artifact("prepared.orders", "data/p"),)))
    made = found.outputs[0]._replace(columns={"order": "string"})
    said = lineage_of(found._replace(outputs=(made,)))
    written, read = (json.loads(Serde.to_json(one)) for one in (said.outputs[0], said.inputs[0]))
    assert (written["namespace"], written["name"]) == ("s3://lake", "ml/demo/data/p")
    assert written["facets"]["version"]["datasetVersion"] == "digest of data/p"
    assert written["facets"]["schema"]["fields"] == [{"name": "order", "type": "string", "fields": []}]
    assert written["facets"]["dataSource"]["uri"] == "s3://lake"
    statistics = written["outputFacets"]["outputStatistics"], read["inputFacets"]["inputStatistics"]
    assert [(one["rowCount"], one["size"]) for one in statistics] == [(3, 70), (3, 70)]
    assert json.loads(Serde.to_json(said.run_facets[FACET]))["steps"] == {"prepare.orders": "done"}


class Operator(ProcessStageOperator):
    command = (sys.executable, str(STAND_IN), "stage")


@pytest.fixture
def operator(demo: Path, store: Path) -> Operator:
    made = Operator(task_id="split", use_case="demo", mode="offline", stages=["split"])
    made.as_of, made.airflow_run = "2013-09-01", "r:1"
    return made


def test_where_nobody_is_to_be_told_nothing_is_gathered(operator: Operator, context: Callable[..., Any]) -> None:
    from airflow.providers.openlineage.plugins.openlineage import OpenLineageProviderPlugin

    operator.execute(context())
    assert operator.lineage is None
    assert OpenLineageProviderPlugin.listeners == []
    assert not lineage_of(operator.lineage).outputs


def test_what_cannot_be_told_ends_no_task(
    operator: Operator,
    context: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    monkeypatch.setattr(lineage, "_facts", lambda *_: 1 / 0)
    with caplog.at_level(logging.ERROR):
        assert operator.execute(context())["steps"]["split"]["rows_out"] == 3
    assert operator.lineage is None
    assert "what the task read and wrote cannot be told" in caplog.text


def test_a_task_that_failed_tells_what_it_was_going_to_read(
    operator: Operator, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    monkeypatch.setenv("STAND_IN", "broken")
    operator.stages = ("ingest.orders",)
    with pytest.raises(Exception, match="the stage broke"):
        operator.execute(context(parameters={"sources.orders.address": "/srv/orders.csv"}))
    said = operator.get_openlineage_facets_on_complete(None)
    assert [(one.namespace, one.name) for one in said.inputs] == [("file", "/srv/orders.csv")]
    assert not said.outputs


WITHOUT = """
import sys
import airflow.sdk, airflow.configuration  # which look for all providers that are installed
sys.modules |= dict.fromkeys(("airflow.providers.openlineage", "openlineage"))
from ml_pipeline_airflow import lineage, process_operator
print(lineage.gather(None))
"""


def test_the_provider_may_be_absent() -> None:
    path = os.pathsep.join((str(ROOT), str(ROOT / "plugins")))
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT]
    environment = {**os.environ, "PYTHONPATH": path, "AIRFLOW__OPENLINEAGE__TRANSPORT": '{"type": "console"}'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["None"], done.stderr
