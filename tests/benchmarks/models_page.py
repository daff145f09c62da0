"""How long the page Models takes to its first byte where there are 10,000 models, promotions and runs of monitoring.

    python -m tests.benchmarks.models_page [how many]

Airflow's own API server is started, once over a folder and once over the embedded S3 server; each page is asked as a
browser asks it. `first` is the first time after the server was started, the other is the middle one of nine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import httpx

from ml_pipeline.artifacts import embedded
from ml_pipeline.artifacts.store import Store
from tests.airflow.models_site import ModelsSite, models_site
from tests.benchmarks.registry import COUNT, USE_CASE, _fill, _version

RUNS = """
import datetime as dt
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
with create_session() as session:
    for day in range({count}):
        moment = dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(day)
        for dag in ("offline_training", "online_scoring", "monitoring"):
            name = dict(dag_id="{use_case}." + dag, run_id=f"scheduled__{{moment:%Y%m%d}}", run_type="scheduled")
            session.add(DagRun(**name, run_after=moment, state="success"))
"""


def main(count: int) -> None:
    """Fill, start, ask, print; of both stores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'page':10} {'folder: first':>14} {'then':>8} {'S3: first':>14} {'then':>8}   ms to the first byte")
        local = _measure(folder / "local", str(folder / "store"), count)
        endpoint = embedded.start(folder / "embedded")
        try:
            os.environ.update(endpoint.environment)
            remote = _measure(folder / "remote", endpoint.uri, count)
        finally:
            embedded.stop(folder / "embedded")
    for page in local:
        print(f"{page:10} {local[page][0]:14.0f} {local[page][1]:8.0f} {remote[page][0]:14.0f} {remote[page][1]:8.0f}")


def _measure(folder: Path, store: str, count: int) -> Mapping[str, tuple[float, float]]:
    """Page -> milliseconds: the first time, and the middle one of the others."""
    folder.mkdir()
    _fill(Store(store).within(USE_CASE), count)
    with models_site(folder, folder, store) as site:
        site.python(RUNS.format(count=count, use_case=USE_CASE))
        return dict(_asked(site, count))


def _asked(site: ModelsSite, count: int) -> Iterator[tuple[str, tuple[float, float]]]:
    some, other = _version(count // 2), _version(count)
    pages = {
        "use cases": "",
        "use case": USE_CASE,
        "model": f"{USE_CASE}/models/{some}",
        "compare": f"{USE_CASE}/compare?old={some}&new={other}",
        "graph": f"{USE_CASE}/graphs/models",
    }
    with httpx.Client(base_url=site.url, timeout=60) as browser:
        login = {"username": "admin", "password": site.passwords["admin"]}
        browser.cookies.set("_token", browser.post("/auth/token", json=login).json()["access_token"])
        for page, path in pages.items():
            first, *others = (_first_byte(browser, f"/ml-pipeline/{path}") for _ in range(10))
            yield page, (first, median(others))


def _first_byte(browser: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    with browser.stream("GET", path) as answer:
        parts = answer.iter_raw()
        next(parts)
        took = time.perf_counter() - began
        list(parts)
        assert answer.status_code == 200, path
    return took * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
