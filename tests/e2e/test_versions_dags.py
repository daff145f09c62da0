"""A promotion under a real scheduler: asked for, allowed or refused by a person, told to the online DAG; backfills."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.airflow_site import PATIENCE, wait
from tests.shop_site import NOW, OFFLINE, ONLINE, Site, day, site_of_shop

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of_shop(tmp_path_factory.mktemp("site")) as site:
        yield site


def _statuses(site: Site, stage: str) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in site.stored(f"runs/offline-*/{stage}/result.json")]


def test_a_rejected_model_is_not_promoted_and_nothing_follows(site: Site) -> None:
    wait(lambda: bool(site.runs(OFFLINE)), PATIENCE, lambda: "no run was due")
    (run,) = (run["dag_run_id"] for run in site.runs(OFFLINE) if run["run_type"] == "scheduled")
    site.answer(run, "Reject", "not before the holidays")
    states = site.finished(run)
    assert (states["approve"], states["promote"]) == ("success", "skipped")
    assert (site.events(), site.runs(ONLINE), site.stored("promotions/*")) == ([], [], [])


def test_an_approved_model_is_promoted_and_starts_the_online_dag(site: Site) -> None:
    run = site.trigger()
    site.answer(run, "Approve", "better on mobiles")
    assert set(site.finished(run).values()) == {"success"}
    wait(lambda: bool(site.runs(ONLINE)), PATIENCE, lambda: "no run followed")
    (scoring,) = site.runs(ONLINE)
    assert (scoring["run_type"], scoring["logical_date"]) == ("asset_triggered", None)
    assert set(site.finished(scoring["dag_run_id"], ONLINE).values()) == {"success"}
    (event,) = site.events()
    assert set(event["extra"]) == {"model_version", "previous", "metrics", "as_of", "run_id", "synthetic"}
    assert (event["extra"]["previous"], event["extra"]["synthetic"]) == ("", ["shop"])
    assert event["extra"]["as_of"] >= NOW.isoformat()
    assert 0.5 < event["extra"]["metrics"]["roc_auc"] < 1
    (result,) = (json.loads(path.read_text()) for path in site.stored("runs/online-*/serve/result.json"))
    assert result["model_version"] == event["extra"]["model_version"]
    (entry,) = (path.read_text() for path in site.stored("promotions/*"))
    assert "actor: admin\n" in entry
    assert "better on mobiles" in entry


def test_a_cleared_task_reuses_what_is_stored(site: Site) -> None:
    run, before = site.runs(OFFLINE)[0]["dag_run_id"], len(site.stored("models/*/model.yaml"))
    order = {"dag_run_id": run, "task_ids": ["train"], "only_failed": False, "dry_run": False}
    site.ask(f"/api/v2/dags/{OFFLINE}/clearTaskInstances", order)
    wait(lambda: "reused" in _statuses(site, "train"), PATIENCE, lambda: str(site.states(run)))
    assert set(site.finished(run).values()) <= {"success", "skipped"}
    assert len(site.stored("models/*/model.yaml")) == before


def test_a_backfill_trains_a_model_a_day_and_promotes_none(site: Site) -> None:
    before = len(site.stored("models/*/model.yaml"))
    backfilled = site.backfill(day(7), day(3), "--max-active-runs", "3")
    assert len(backfilled) == 5
    for run in backfilled:
        states = site.finished(run)
        assert (states["train"], states["approve"], states["promote"]) == ("success", "skipped", "skipped")
    assert len(site.stored("models/*/model.yaml")) == before + 5
    assert (len(site.events()), len(site.stored("promotions/*"))) == (1, 1)


def test_a_backfill_of_the_same_days_reuses_their_models(site: Site) -> None:
    before, reused = len(site.stored("models/*/model.yaml")), _statuses(site, "train").count("reused")
    site.backfill(day(3), day(3), "--reprocess-behavior", "completed")
    wait(lambda: _statuses(site, "train").count("reused") == reused + 1, PATIENCE, lambda: str(site.runs(OFFLINE)))
    assert len(site.stored("models/*/model.yaml")) == before


def test_a_model_of_a_backfill_is_made_again_to_the_byte(site: Site) -> None:
    oldest = min(site.models("list", "shop"), key=lambda model: str(model["as_of"]))
    assert site.models("reproduce", "shop", oldest["version"])["outcome"] == "same bytes"


def test_a_backfill_that_may_promote_asks_and_promotes(site: Site) -> None:
    """On a day whose verdict passes; which ones do depends on the hour, for it decides which visits are known."""
    passed = {model["as_of"][:10] for model in site.models("list", "shop") if model["passed"]}
    chosen = next(own for own in map(day, range(4, 8)) if own.isoformat() in passed)
    before = {run["dag_run_id"] for run in site.runs(OFFLINE) if run["state"] == "success"}
    site.backfill(chosen, chosen, "--reprocess-behavior", "completed", "--dag-run-conf", '{"promote": true}')
    (run,) = {run["dag_run_id"] for run in site.runs(OFFLINE) if run["state"] != "success"}
    assert run in before, "not a run of the backfill before, done again"
    site.answer(run, "Approve", "as it was days ago")
    assert site.finished(run)["promote"] == "success"
    assert len(site.stored("promotions/*")) == 2
