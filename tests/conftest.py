"""The use case `parcels`: a package of its own, found by its entry point, with records that a test may spoil.

Offline its records are known from 2024-01-01 on; every day has 50 parcels, and the roads of three depots are measured
every hour. Truth: slow roads and heavy parcels make late.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from ml_pipeline import discovery
from ml_pipeline.artifacts import embedded, versions
from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store, _client
from ml_pipeline.cli import main
from ml_pipeline.columns import Category, Column, Columns, concat, take
from ml_pipeline.contract import Mode, StageRequest, StageResult
from ml_pipeline.data.joins import Join, Reference
from ml_pipeline.data.rejects import set_apart
from ml_pipeline.discovery import find
from ml_pipeline.durations import duration
from ml_pipeline.models.explanation import reasons
from ml_pipeline.realtime.service import ScoringService
from ml_pipeline.run import default_run_id, run

# How long an example takes says nothing about whether it is right.
settings.register_profile("patient", deadline=None, max_examples=25)
settings.load_profile("patient")

PACKAGE = Path(__file__).with_name("parcels")
SOURCE = versions._source
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3")
LONGEST = (
    "e2e/test_main_job.py",
    "e2e/test_main_job_trials.py",
    "stack/test_stack.py",
    "e2e/test_guide.py",
    "faults/test_campaign.py",
    "e2e/test_granularity.py",
    "e2e/test_versions_dags.py",
    "containers/test_use_case_images.py",
    "e2e",
    "containers",
    "airflow",
    "use_cases",
    "api",
)
"""What takes minutes, longest first."""
DAYS, PER_DAY = 40, 50
DEPOTS = ("north", "south", "west")
AS_OF = dt.datetime(2024, 2, 4, 23, tzinfo=dt.UTC)
"""Midnight in Amsterdam, 35 days after the first parcel."""


class Parcels:
    """The use case in a folder of its own (`site`), and a store for its runs."""

    as_of, next_night, run_id = AS_OF, AS_OF + dt.timedelta(days=1), default_run_id

    def __init__(self, site: Path, store: str) -> None:
        self.site, self.folder, self.store = site, site / "parcels", store

    @property
    def room(self) -> Store:
        """The use case's part of the store."""
        return Store(self.store).within("parcels")

    @property
    def registry(self) -> Registry:
        """Its models."""
        return Registry(self.room)

    def path(self, name: str) -> Path:
        """A file of the package; a name without suffix is that of a source."""
        return self.folder / (name if "." in name else f"data/{name}.csv")

    def lines(self, name: str) -> list[str]:
        """The lines of a file."""
        return self.path(name).read_text().splitlines()

    def write(self, name: str, lines: list[str]) -> None:
        """Replace a file."""
        self.path(name).write_text("".join(f"{line}\n" for line in lines))
        self.forget()

    def add(self, name: str, *lines: str) -> None:
        """Append lines to a file."""
        self.write(name, [*self.lines(name), *lines])

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text that is there."""
        content = self.path(name).read_text()
        assert old in content
        self.path(name).write_text(content.replace(old, new))
        self.forget()

    def forget(self) -> None:
        """What this process knows of the package; the next run reads it again, as a new process does."""
        for module in [module for module in sys.modules if module.partition(".")[0] == "parcels"]:
            del sys.modules[module]
        shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)
        discovery._packages.cache_clear()
        versions._installed.cache_clear()

    def request(self, mode: Mode, *stages: str, as_of: dt.datetime = AS_OF, **more: Any) -> StageRequest:
        """An order; the run has the name it gets by default."""
        named = {"run_id": default_run_id(mode, as_of), "store": self.store, **more}
        return StageRequest("parcels", mode, stages, as_of=as_of, **named)

    def run(self, mode: Mode, *stages: str, as_of: dt.datetime = AS_OF, **more: Any) -> dict[str, StageResult]:
        """Step -> what it did."""
        return {result.stage: result for result in run(self.request(mode, *stages, as_of=as_of, **more))}

    def datasets(self, results: Mapping[str, StageResult], name: str) -> list[Dataset]:
        """The datasets that a run left under a name."""
        left = [artifact for result in results.values() for artifact in result.artifacts if artifact.name == name]
        return [open_dataset(self.room, artifact.key) for artifact in left]

    def dataset(self, results: Mapping[str, StageResult], name: str) -> Dataset:
        """The one dataset that a run left under a name."""
        (found,) = self.datasets(results, name)
        return found

    def objects(self, folder: str = "") -> list[str]:
        """Keys of everything that is stored."""
        return self.room.keys(folder)

    def visible(self) -> list[str]:
        """Steps whose result is stored, and names of the datasets that are whole."""
        manifests = [key.removesuffix("/manifest.yaml") for key in self.objects() if key.endswith("/manifest.yaml")]
        names = {open_dataset(self.room, key).manifest.name for key in manifests}
        return sorted({*names, *(key.split("/")[2] for key in self.objects("runs/"))})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever runs parcels takes long, all together. The longest begin, so that none is left over at the end."""
    for item in items:
        if "template" in getattr(item, "fixturenames", ()):
            item.add_marker("long")
    turns = {path: _turn(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: turns[item.path])


def _turn(path: Path) -> int:
    """The place in LONGEST of a file or its folder."""
    name = path.relative_to(Path(__file__).parent).as_posix()
    return next((turn for turn, own in enumerate(LONGEST) if name == own or name.startswith(f"{own}/")), len(LONGEST))


def quarantined(dataset: Dataset) -> list[tuple[str, Any]]:
    """Reason and record of all that was set aside."""
    rows = [row for part in dataset.manifest.quarantine for row in dataset.table(part).to_pylist()]
    return [(row["reason"], json.loads(row["record"])) for row in rows]


def one_by_one(name: str, room: Store, results: Mapping[str, StageResult], rows: range) -> Iterator[dict[str, Column]]:
    """Raw records of a scoring run, each alone through preparation, join, model and postprocessing.

    The rank compares a record with all others, so it is taken from the run.
    """
    use_case, registry = find(name), Registry(room)
    config, version = use_case.config, registry.champion()
    model, parameters = use_case.load(config.model), registry.parameters(version)

    def load(wanted: str) -> dict[str, Column]:
        left = [artifact for result in results.values() for artifact in result.artifacts if artifact.name == wanted]
        return concat([open_dataset(room, artifact.key).columns() for artifact in left])

    references = [
        Reference.of(source, load(f"prepared.{source}"), own.join) for source, own in config.sources.items() if own.join
    ]
    now = np.datetime64(next(iter(results.values())).as_of.replace(tzinfo=None), "us")
    driving, postprocess = config.driving("online"), use_case.load(config.postprocess)
    prepare = use_case.load(config.sources[driving].prepare)
    raw, ranks = load(f"new.{driving}"), load("scored")["rank"]
    for row in rows:
        record, _ = set_apart(prepare.transform(take(raw, slice(row, row + 1))))
        moment = np.minimum(np.asarray(record[config.time]) - duration(config.horizon), now)
        joined = Join.transform({**record, "moment": moment}, {"references": references})
        why = reasons(model, joined, parameters, config.explain) if config.explain else {}
        said = {"prediction": model.transform(joined, parameters), "model_version": Category.of([version]), **why}
        yield postprocess.transform({**joined, **said, "rank": ranks[row : row + 1]})


def plain(columns: Columns) -> list[dict[str, Any]]:
    """Rows; of a number its very bits."""
    values = {
        name: column.values() if isinstance(column, Category) else [own.tobytes() for own in column]
        for name, column in columns.items()
    }
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _source(folder: Path, skip: tuple[str, ...]) -> dict[str, str]:
    """As the original, which reads a folder once; a test may change that of the use case meanwhile."""
    return SOURCE(folder, skip) if folder == versions.PACKAGE else SOURCE.__wrapped__(folder, skip)


OTHERS: set[str] = set()
"""Folders of packages that a fixture leaves installed until the end."""


@contextmanager
def installed(site: Path) -> Iterator[None]:
    """The packages of a folder can be imported, and their use cases found; those of `OTHERS` are as if not there.

    What is installed belongs to a model's version, and another process would not have them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(site), *(own for own in sys.path if own not in OTHERS)])
        importlib.invalidate_caches()
        patch.setattr(versions, "_source", _source)
        Parcels(site, "").forget()
        yield
    Parcels(site, "").forget()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with its records, to be copied."""
    site = tmp_path_factory.mktemp("template") / "site"
    shutil.copytree(PACKAGE, site, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "parcels/data").mkdir()
    for name, lines in _records(np.random.default_rng(7)).items():
        (site / f"parcels/data/{name}.csv").write_text("".join(f"{line}\n" for line in lines))
    return site


@pytest.fixture(scope="session")
def trained(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which parcels is trained as of AS_OF, and has a champion; to be copied."""
    store = tmp_path_factory.mktemp("trained") / "store"
    with installed(template):
        results = Parcels(template, str(store)).run("offline")
    assert {result.status for result in results.values()} == {"done"}
    return store


@pytest.fixture
def parcels(template: Path, tmp_path: Path) -> Iterator[Parcels]:
    """The use case with an empty store."""
    site = shutil.copytree(template, tmp_path / "site")
    with installed(site):
        yield Parcels(site, str(tmp_path / "store"))


@pytest.fixture
def champion(parcels: Parcels, trained: Path) -> Parcels:
    """The use case, trained: the model is champion, and the offline run is there."""
    shutil.copytree(trained, parcels.store)
    return parcels


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One S3 server for all tests that ask for it, on a port of its own."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "S3_PORT", 0)
        endpoint = embedded.start(folder)
    yield endpoint
    embedded.stop(folder)


@pytest.fixture
def s3(server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty folder of the server's bucket, reached with its own keys."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    _client.cache_clear()
    yield Store(server.uri).within(tmp_path.name)
    _client.cache_clear()


@pytest.fixture
def set_aside() -> Callable[[Dataset], list[tuple[str, Any]]]:
    """Reason and record of all that a dataset's writer set aside."""
    return quarantined


@pytest.fixture(scope="session")
def in_memory() -> Callable[..., list[tuple[dict[str, Any], dict[str, Any]]]]:
    """For some rows of a scoring run: what a record gets alone, and what it got in the batch, to the last bit."""

    def compare(name: str, room: Store, results: Mapping[str, StageResult], rows: range) -> Any:
        key = results["postprocess"].artifacts[0].key
        batch = plain(open_dataset(room, key).columns())
        alone = [plain(answer)[0] for answer in one_by_one(name, room, results, rows)]
        return [(own, batch[row]) for own, row in zip(alone, rows, strict=True)]

    return compare


@pytest.fixture
def started() -> Iterator[Callable[[ScoringService], ScoringService]]:
    """Starts services, and closes them at the end."""
    running: list[ScoringService] = []

    def start(service: ScoringService) -> ScoringService:
        service.start()
        running.append(service)
        return service

    yield start
    for service in running:
        service.close()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """The command line, as a user types it, in this process; signals and logs are as before afterwards."""
    logger = logging.getLogger("ml_pipeline")
    before = (logger.handlers, logger.propagate, logger.level, signal.getsignal(signal.SIGTERM))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.delenv("ML_PIPELINE_STORE", raising=False)
    yield lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])
    logger.handlers, logger.propagate = before[0], before[1]
    logger.setLevel(before[2])
    signal.signal(signal.SIGTERM, before[3])


def _records(rng: np.random.Generator) -> dict[str, list[str]]:
    hours = 24 * (DAYS + 2)
    speed = 60 + 25 * np.sin(np.arange(hours) / 7)[:, None] + rng.normal(0, 8, (hours, len(DEPOTS)))
    floors = rng.integers(0, 9, 30)
    return {
        "parcels": _parcels(rng, speed),
        "traffic": ["depot,measured_at,speed", *_traffic(speed)],
        "customers": [
            "customer,tier,floor",
            *(f"c{number},{('gold', 'plain')[number % 2]},{floor}" for number, floor in enumerate(floors)),
        ],
    }


def _traffic(speed: Any) -> Iterator[str]:
    for hour, row in enumerate(speed):
        for depot, value in zip(DEPOTS, row, strict=True):
            yield f"{depot},{_moment(60 * hour)},{value:.1f}"


def _parcels(rng: np.random.Generator, speed: Any) -> list[str]:
    rows = DAYS * PER_DAY
    minutes = np.sort(rng.integers(0, DAYS * 1440, rows))
    depot, customer = rng.integers(0, 3, rows), rng.integers(0, 32, rows)
    weight = np.round(rng.gamma(2.0, 3.0, rows), 2)
    score = (60 - speed[minutes // 60, depot]) / 10 + (weight - 6) / 4 + rng.logistic(0, 1, rows)
    delay = np.where(score > 1, 30 + 10 * np.abs(score), 5).round()
    return ["parcel_id,customer,depot,weight,pickup,delay"] + [
        f"p{row},c{customer[row]},{DEPOTS[depot[row]]},{weight[row]},{_moment(minutes[row])},{delay[row]:.0f}"
        for row in range(rows)
    ]


def _moment(minute: int) -> str:
    return f"{dt.datetime(2023, 12, 31, 23, tzinfo=dt.UTC) + dt.timedelta(minutes=int(minute)):%Y-%m-%dT%H:%M:%SZ}"
