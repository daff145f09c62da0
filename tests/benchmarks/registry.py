"""How long questions about models take on a real S3 server that holds 10,000 models and as many promotions.

    python tests/benchmarks/registry.py [how many]

The objects are written directly, as large as those of flights are; then each command is asked as a person asks it, as
a process of its own, and the middle one of three times is printed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from ml_pipeline.artifacts import embedded, plain_yaml, typed_yaml
from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts.promotion_log import Promotion, key_of
from ml_pipeline.artifacts.registry import INDEX, METRICS, MODEL, PARAMETERS, Model, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.artifacts.versions import LENGTH, system_version
from ml_pipeline.discovery import find

USE_CASE, COUNT = "flights", 10_000
START = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
METRIC = {"value": 0.7, "low": 0.6, "high": 0.8}
LINEAR = {f"column {number}": 0.01 * number for number in range(200)}
LEARNT = {
    "features": [],
    "estimator": {"bias": 0.5, "coefficients": LINEAR, "standard_errors": {"coefficients": LINEAR}},
}
EVALUATED = {"test": "d", "rows": 9, "metrics": {"roc_auc": METRIC, "brier": METRIC}}
VERDICT = {"verdict": {"passed": True, "reasons": ["roc_auc is 0.7, within its floor."]}}


def main(count: int) -> None:
    """Fill a store, ask, print."""
    with tempfile.TemporaryDirectory() as folder:
        endpoint = embedded.start(Path(folder))
        try:
            os.environ.update(endpoint.environment)
            _fill(Store(endpoint.uri).within(USE_CASE), count)
            _ask(endpoint.uri, count)
        finally:
            embedded.stop(Path(folder))


def _fill(room: Store, count: int) -> None:
    began = time.perf_counter()
    with ThreadPoolExecutor(16) as writers:
        list(writers.map(lambda own: room.put(*own), _objects(count)))
    print(f"{count:,} models and {count:,} promotions written in {time.perf_counter() - began:.0f} s")


def _objects(count: int) -> Iterator[tuple[str, bytes]]:
    """Keys and contents; a description is dumped once, and only what tells two models apart is replaced."""
    content, metrics = parameters_file.dump(LEARNT, "LatenessModel"), plain_yaml.dump({**EVALUATED, **VERDICT})
    described = typed_yaml.dump(_model(hashlib.sha256(content).hexdigest()))
    for number in range(1, count + 1):
        version, as_of = _version(number), (START + dt.timedelta(days=number)).isoformat()
        own = described.replace(b"VERSION", f"'{version}'".encode()).replace(b"AS-OF", f"'{as_of}'".encode())
        yield Registry.key(version, PARAMETERS), content
        yield Registry.key(version, MODEL), own
        yield Registry.key(version, METRICS), metrics
        yield f"{INDEX}{as_of[:10].replace('-', '')}T000000Z/{version}", b""
        yield key_of(number), typed_yaml.dump(_promotion(number))


def _model(sha256: str) -> Model:
    system = system_version(find(USE_CASE), {})
    return Model(
        version="VERSION", model="models.LatenessModel", system_version=system.digest, as_of="AS-OF", rows=50_000,
        seed=0, snapshots=["VERSION"], made_from={}, system=system.components, synthetic=[], parameters_sha256=sha256,
    )  # fmt: skip


def _promotion(number: int) -> Promotion:
    at = (START + dt.timedelta(days=number)).isoformat()
    return Promotion(
        number=number, to=_version(number), previous=_version(number - 1) if number > 1 else "", actor="gate",
        reason="roc_auc is 0.7, within its floor.", run="r", as_of=at, evidence="e", at=at,
    )  # fmt: skip


def _version(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:LENGTH]


def _ask(store: str, count: int) -> None:
    some, other = _version(count // 2), _version(count // 3)
    moment = (START + dt.timedelta(days=count // 2, hours=5)).isoformat()
    commands = (
        ["--help"],
        ["as-of", moment],
        ["diff", some, other],
        ["diff", some[:8], other[:8]],
        ["diff", "champion", some],
        ["diff", "champion", "candidate"],
        ["show", some],
        ["log"],
        ["list"],
    )
    for word, *more in commands:
        named = [word, *([] if word == "--help" else [USE_CASE, *more, "--store", store])]
        seconds = median(_seconds(named) for _ in range(3))
        print(f"models {' '.join([word, *more]):60} {seconds:6.2f} s")


def _seconds(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ml_pipeline", "models", *words], capture_output=True, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
