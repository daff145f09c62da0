"""What monitoring finds is acted upon in Airflow: notifiers of its own are called, and a rollback is an event."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session
from click.testing import CliRunner, Result
from ml_pipeline_airflow import assets, notices
from ml_pipeline_airflow.builder import build_dag
from sqlalchemy import select

from ml_pipeline import discovery
from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.cli import main
from ml_pipeline.discovery import find
from ml_pipeline.errors import NothingToDo, UsageError
from ml_pipeline.lineage.results import stored_results
from ml_pipeline.stages import tasks
from tests.contrary import BAD, reign

ALERTS = '''\
"""Notifiers of a team: they write down what they would send."""

import json
from pathlib import Path

from airflow.sdk import BaseNotifier


class Note(BaseNotifier):
    template_fields = ("text",)

    def __init__(self, file, text):
        super().__init__()
        self.file, self.text = file, text

    def notify(self, context):
        with Path(__file__).with_name(self.file).open("a") as file:
            file.write(json.dumps([context["ti"].task_id, self.text]) + "\\n")


class Broken(BaseNotifier):
    def notify(self, context):
        raise ValueError("the channel is gone")


TEXT = "{{ monitoring.use_case }} {{ monitoring.severity }}: {{ monitoring.urgent | join(' ') }} {{ monitoring.page }}"
broken, all, urgent = Broken(), Note("all", TEXT), Note("urgent", TEXT)
number = 5
'''
MONITORED = """\
monitoring:
  least: 20
  rollback: automatic
  notify: {team_alerts.broken: ok, team_alerts.gone: ok, team_alerts.all: ok, team_alerts.urgent: act}
"""


class Site(NamedTuple):
    """The scaffold's use case in a store of its own, and a folder with the notifiers."""

    folder: Path
    room: Store

    def run(self, **conf: Any) -> dict[str, str]:
        """A run of monitoring by Airflow; the state of every task."""
        done = build_dag("shop", "monitoring").test(run_conf={"as_of": "2024-06-20", **conf})
        return {task.task_id: str(task.state) for task in done.get_task_instances()}

    def told(self, file: str) -> list[list[str]]:
        """What a notifier wrote down: task and text of each call."""
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def made(airflow_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The use case is trained; its champion says the opposite of the model before it, and has scored the last days.

    Truth is what the model before would have said.
    """
    folder = tmp_path_factory.mktemp("notices")
    cases, store = folder / "use_cases", folder / "store"
    cases.mkdir()
    (folder / "team_alerts.py").write_text(ALERTS)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"STORE": store, "USE_CASES": cases, "RUNNER": "process", "RETRIES": "0"}.items():
            patch.setenv(f"ML_PIPELINE_{name}", str(value))
        patch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/ml")
        patch.syspath_prepend(str(folder))
        _ok(CliRunner().invoke(main, ["new", "shop", "--folder", str(cases)]))
        _forget_shop()
        pipeline = cases / "shop/pipeline.yaml"
        pipeline.write_text(pipeline.read_text().replace("0.55", "0.4") + MONITORED)
        room = Store(str(store)).within("shop")
        _ok(CliRunner().invoke(main, ["run", "shop", "offline", "--as-of", "2024-06-16"]))
        reign(Registry(room))
        _ok(CliRunner().invoke(main, ["run", "shop", "online", "--as-of", "2024-06-16"]))
        _come_true(room, cases / "shop/data/visits.csv")
        yield Site(folder, room)
    _forget_shop()


@pytest.fixture
def site(made: Site) -> Site:
    """Nobody was told anything so far."""
    for file in ("all", "urgent"):
        (made.folder / file).unlink(missing_ok=True)
    return made


def _forget_shop() -> None:
    discovery._packages.cache_clear()
    for module in [name for name in sys.modules if name.startswith(("ml_pipeline.use_cases.shop", "team_alerts"))]:
        del sys.modules[module]


@pytest.mark.filterwarnings("ignore")
def test_who_asked_is_told_and_going_back_is_a_promotion(site: Site) -> None:
    good, before = Registry(site.room).promotions()[0].to, len(_events())
    assert set(site.run().values()) == {"success"}  # whatever became of the notifiers that are broken and gone
    (result,) = stored_results(site.room, "monitor")
    assert result.verdict
    assert result.verdict["severity"] == "act"
    ((task, text),) = site.told("all")
    page = "https://airflow.example/ml/plugin/models/ml/ml-pipeline/shop/monitoring/20240620T000000Z"
    assert (task, text) == ("monitor", f"shop act: {' '.join(result.verdict['urgent'])} {page}")
    assert site.told("urgent") == site.told("all")
    assert f"{good} is champion again, by monitoring in entry 3 of the promotion log" in text
    (extra,) = _events()[before:]
    assert (extra["model_version"], extra["previous"], extra["run_id"]) == (good, BAD, result.run_id)
    assert extra["synthetic"] == ["shop"]


@pytest.mark.filterwarnings("ignore")
def test_a_monitoring_that_fails_is_told_too(site: Site) -> None:
    states = site.run(parameters={"monitoring.window": "a while"})
    assert states == {"ingest.shop": "failed", "prepare.shop": "upstream_failed", "monitor": "upstream_failed"}
    for file in ("all", "urgent"):
        ((task, text),) = site.told(file)
        assert task == "ingest.shop"
        assert text.startswith("shop failed: ingest.shop failed: ")
        assert "monitoring.window is not a duration" in text
        assert "https://airflow.example/ml/dags/shop.monitoring/runs/" in text


def test_the_champion_is_an_outlet_only_where_monitoring_may_go_back(site: Site) -> None:
    outlets = {asset.name for asset in build_dag("shop", "monitoring").task_dict["monitor"].outlets}
    assert outlets == {"shop.retrain", "shop.champion"}
    assert "promote" not in build_dag("shop", "monitoring").params
    *_, monitor = tasks(find("shop", {"monitoring.rollback": "propose"}).config, "monitoring")
    assert [asset.name for asset in assets.ports(monitor, "shop")["outlets"]] == ["shop.retrain"]


def test_validate_names_the_notifier_that_is_none(site: Site) -> None:
    with pytest.raises(UsageError, match=r"'team_alerts\.gone', which is no notifier here. Given: AttributeError"):
        notices.check(find("shop"))
    kept = {"monitoring.notify": {"team_alerts.all": "watch", "team_alerts.urgent": "act"}}
    assert notices.check(find("shop", kept)) == "team_alerts.all from watch on, team_alerts.urgent from act on"
    for name, given in {"Note": "team_alerts.Note is a class", "number": "team_alerts.number is int"}.items():
        with pytest.raises(UsageError, match=given):
            notices.load(f"team_alerts.{name}")
    assert notices.check(find("flights")) == "nobody is told"
    with pytest.raises(NothingToDo, match=r"nowhere\.slack cannot be imported here"):
        notices.check(find("shop", {"monitoring.notify": {"nowhere.slack": "act"}}))


@pytest.mark.parametrize(
    ("severity", "least", "told"),
    [
        ("ok", "ok", True),
        ("not enough data", "ok", True),
        ("not enough data", "watch", False),
        ("watch", "watch", True),
        ("not comparable", "watch", True),
        ("not comparable", "act", False),
        ("act", "act", True),
    ],
)
def test_each_is_told_from_the_severity_on_that_it_asked_for(
    monkeypatch: pytest.MonkeyPatch, severity: str, least: str, told: bool
) -> None:
    verdict = {"severity": severity, "reasons": ["It is so."], "urgent": ["It is so."]}
    summary, calls = {"verdict": verdict, "as_of": "2024-06-20T00:00:00+00:00"}, list[Any]()
    monkeypatch.setattr(sys.modules[__name__], "notifier", calls.append, raising=False)
    task = SimpleNamespace(task_id="monitor", xcom_pull=lambda task_ids: summary)
    notices.Notice("shop", f"{__name__}.notifier", least)({"ti": task})  # type: ignore[arg-type]
    assert [call["monitoring"]["severity"] for call in calls] == [severity] * told


def test_a_task_whose_process_is_gone_is_told_of_without_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[Any]()
    monkeypatch.setattr(sys.modules[__name__], "notifier", calls.append, raising=False)
    task = SimpleNamespace(task_id="monitor", log_url="https://airflow.example/log")
    notices.Notice("shop", f"{__name__}.notifier", "act", failed=True)({"ti": task})  # type: ignore[arg-type, typeddict-item]
    (said,) = (call["monitoring"] for call in calls)
    assert (said["severity"], said["page"]) == ("failed", "https://airflow.example/log")
    assert said["urgent"][0].startswith("monitor failed: the process that worked on it is gone")


def _come_true(room: Store, records: Path) -> None:
    """Give the rows that were scored their labels."""
    (result,) = stored_results(room, "serve")
    (key,) = (own.key for own in result.artifacts if own.name == "predictions")
    columns: Any = open_dataset(room, key).columns(["visit", "prediction"])
    middle = sorted(columns["prediction"])[len(columns["prediction"]) // 2]
    labels = dict(zip(columns["visit"].values(), (int(own < middle) for own in columns["prediction"]), strict=True))
    lines = records.read_text().splitlines()
    known = [f"{line}{labels.get(line.partition(',')[0], '') if line.endswith(',') else ''}" for line in lines]
    records.write_text("".join(f"{line}\n" for line in known))


def _events() -> list[dict[str, Any]]:
    """Extras of the events of the champion's asset, with those of all runs before."""
    query = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session() as session:
        found = session.scalars(query.where(AssetModel.uri == "ml-pipeline://shop/champion"))
        return [event.extra for event in found]


def _ok(result: Result) -> None:
    assert result.exit_code == 0, result.output
