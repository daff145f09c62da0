"""However stages are grouped into services, and through whichever door, they leave the same content."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from ml_pipeline_airflow import images, mounts

from ml_pipeline.api import exposure
from ml_pipeline.api.settings import Bounds, Settings
from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category
from ml_pipeline.discovery import find
from tests.airflow_site import PATIENCE, settings
from tests.api_site import await_true, live
from tests.granularity import AS_OF as DAYS
from tests.granularity import GRANULARITIES, MODES, prepared, routes, services

pytestmark = [pytest.mark.airflow, pytest.mark.records]

ROOT = Path(__file__).parents[2]
CONTAINERS = "three-docker"
INTERIM = {"combined", "train", "validation", "test"}
FOUND = {"combined", "model", "predictions", "scored"}
NAMES_THE_MODEL = frozenset({"verdict", "promotion", "predictions", "scored"})
"""Artifacts that hold the model's version."""
Content = dict[tuple[str, str, str], list[tuple[str, int]]]
"""(mode, step, name) -> digest and rows of each."""


def results(room: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(room.glob("runs/*/*/result.json"))]


def contents(room: Path) -> Content:
    found: Content = {}
    for result in results(room):
        for own in result["artifacts"]:
            found.setdefault((result["mode"], result["stage"], own["name"]), []).append((own["digest"], own["rows"]))
    return found


def passed(room: Path) -> set[str]:
    """Names of what stayed in memory."""
    artifacts = [own for result in results(room) for own in result["artifacts"]]
    return {own["name"] for own in artifacts if own["uri"].startswith("memory:")}


def same(rooms: list[Path], but: frozenset[str] = frozenset()) -> None:
    """All of them hold the same, but for some names."""
    first, *others = map(contents, rooms)
    assert {name for _, _, name in first} >= FOUND
    for other in others:
        assert other.keys() == first.keys()
        assert not [key for key in first if other[key] != first[key] and key[2] not in but]


def same_but_for_the_version(rooms: list[Path]) -> None:
    """All of them hold the same, where each has a model version of its own."""
    same(rooms, NAMES_THE_MODEL)
    first, *others = map(predicted, rooms)
    assert len(first["prediction"]) > 0
    for other in others:
        assert other.pop("model_version") != first["model_version"]
        assert first == {**other, "model_version": first["model_version"]}


@pytest.fixture(scope="module")
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Use case -> a folder with the store of each granularity: an Airflow for each use case, both at a time."""
    asked = [*GRANULARITIES]
    here = [item for item in request.session.items if item.path == request.path]
    if any(item.get_closest_marker("containers") for item in here):
        asked.append(CONTAINERS)
    folder = tmp_path_factory.mktemp("granularity")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # a container's user reads what is mounted
    started = {use_case: _start(folder / use_case, use_case, asked) for use_case in DAYS}
    codes = {use_case: process.wait() for use_case, process in started.items()}
    for use_case, code in codes.items():
        assert code == 0, (folder / use_case / "log").read_text()[-3000:]
    return {use_case: folder / use_case for use_case in DAYS}


def _start(folder: Path, use_case: str, asked: list[str]) -> subprocess.Popen[bytes]:
    folder.mkdir()
    more = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow/airflow.db",
        "ML_PIPELINE_RETRIES": "0",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
    }
    program = [sys.executable, "-W", "ignore", "-m", "tests.granularity", use_case, str(folder), *asked]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(program, cwd=ROOT, env=settings(folder, **more), stdout=log, stderr=log)


@pytest.mark.parametrize("use_case", DAYS)
class TestThroughAirflow:
    def test_every_granularity_has_the_same_content(self, airflow: dict[str, Path], use_case: str) -> None:
        same([airflow[use_case] / name / use_case for name in GRANULARITIES])

    def test_what_lies_within_a_service_stays_in_memory(self, airflow: dict[str, Path], use_case: str) -> None:
        found = {name: passed(airflow[use_case] / name / use_case) for name in GRANULARITIES}
        assert found["single"] == set()
        assert found["three"] & INTERIM == {"combined"}
        assert found["one"] >= INTERIM
        assert not found["one"] & {"predictions", "scored"}

    @pytest.mark.containers
    def test_in_containers_it_is_the_same_too(self, airflow: dict[str, Path], use_case: str) -> None:
        """The version differs, because images count in one, and installed packages in the other."""
        rooms = [airflow[use_case] / name / use_case for name in ("three", CONTAINERS)]
        same_but_for_the_version(rooms)
        assert passed(rooms[0]) == passed(rooms[1])


SCORE = """
import datetime, json, sys
from importlib.util import find_spec
from ml_pipeline.discovery import find
from ml_pipeline.realtime.service import ScoringService
service = ScoringService(find("flights"), sys.argv[1])
service.start()
try:
    as_of = datetime.datetime.fromisoformat(sys.argv[2])
    answer = json.loads(service.score_json(json.dumps(service.example()).encode(), as_of=as_of))
finally:
    service.close()
answer["absent"] = [name for name in ("pandas", "sklearn", "scipy", "airflow") if find_spec(name) is None]
print(json.dumps(answer))
"""


@pytest.mark.containers
def test_the_image_of_the_door_scores_records_as_the_batch_did_without_what_others_need(
    airflow: dict[str, Path],
) -> None:
    store = airflow["flights"] / CONTAINERS
    own = ["--user", f"{mounts.user()}:{mounts.user()}", "--mount", f"type=bind,src={store},dst=/store"]
    held = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", *own]
    program = ["--entrypoint", "python", images.reference("api"), "-c", SCORE, "/store", f"{DAYS['flights']}T05:00:00Z"]
    done = subprocess.run(["docker", "run", *held, *program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["absent"] == ["pandas", "sklearn", "scipy", "airflow"]
    batch = predicted(store / "flights")
    keys, numbers = batch["flight_id"], np.frombuffer(batch["prediction"])
    assert len(answer["predictions"]) == 2
    for row in answer["predictions"]:
        assert row["prediction"] == numbers[keys.index(row["flight_id"])]
        assert row["model_version"] == batch["model_version"][0]


def predicted(room: Path) -> dict[str, Any]:
    """The columns of the table that people use."""
    (key,) = {own["key"] for result in results(room) for own in result["artifacts"] if own["name"] == "scored"}
    columns = open_dataset(Store(str(room)), key).columns()
    return {
        name: tuple(column.values()) if isinstance(column, Category) else column.tobytes()
        for name, column in columns.items()
    }


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Granularity -> a store that both use cases have filled, ordered over REST, both at a time."""
    folder = tmp_path_factory.mktemp("rest")
    return {name: _ordered(folder / name, name) for name in GRANULARITIES}


def _ordered(folder: Path, name: str) -> Path:
    """As in Airflow, parameters say what pipeline.yaml would: the routes are those of a server that has read them."""
    store = str(folder / "store")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(DAYS)) as pool:
        patch.setenv("ML_PIPELINE_STORE", store)
        own = {use_case: prepared(use_case, folder / use_case) | services(name) for use_case in DAYS}
        patch.setattr(exposure, "find", lambda use_case: find(use_case, own[use_case]))
        patient = Bounds(lost_after=PATIENCE)
        with live(Settings(use_cases=tuple(DAYS), store=store, bounds=patient)) as url:
            orders = [pool.submit(order_all, url, use_case, name, own[use_case]) for use_case in DAYS]
            for order in orders:
                order.result()
    return folder / "store"


def order_all(url: str, use_case: str, granularity: str, parameters: dict[str, Any]) -> None:
    """Every service of both modes, one after the other, as an outside orchestrator does."""
    no_rest = httpx.Limits(max_keepalive_connections=0)  # on a busy machine a connection rests longer than it may
    with httpx.Client(base_url=url, timeout=60, limits=no_rest) as client:
        for mode in MODES:
            run_id = f"{mode}-1"
            body = {"as_of": DAYS[use_case], "run_id": run_id, "parameters": parameters}
            for service, stages in routes(granularity, mode).items():
                # Without a run id, this route takes records.
                named = {"run_id": run_id} if service == "serve" else {}
                run = client.post(f"/{use_case}/{mode}/{service}", params=named, json=body)
                assert run.status_code == 202, run.text
                done = await_true(partial(_over, client, run.headers["location"]), PATIENCE)
                assert done["state"] == "done", done
                found = [own["stage"].partition(".")[0] for own in done["results"]]
                assert list(dict.fromkeys(found)) == stages


def _over(client: httpx.Client, path: str) -> dict[str, Any] | None:
    run: dict[str, Any] = client.get(path).json()
    return None if run["state"] in ("queued", "running") else run


@pytest.mark.parametrize("use_case", DAYS)
class TestOverRest:
    def test_every_granularity_has_the_content_that_it_has_through_airflow(
        self, airflow: dict[str, Path], rest: dict[str, Path], use_case: str
    ) -> None:
        same([airflow[use_case] / "single" / use_case, *(store / use_case for store in rest.values())])

    def test_what_lies_within_a_service_stays_in_memory(self, rest: dict[str, Path], use_case: str) -> None:
        found = [passed(rest[name] / use_case) & INTERIM for name in GRANULARITIES]
        assert found == [set(), {"combined"}, INTERIM]
