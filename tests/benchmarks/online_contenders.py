"""Who is measured under load: the servers, how each is started, and what is asked of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import online_bodies as bodies
from tests.benchmarks.jobs import Kind
from tests.benchmarks.online_bodies import Reader, Words
from tests.benchmarks.online_model import FLIGHTS, USE_CASE, USE_CASES

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-online/bin"
MODULES, MODELS = "tests.benchmarks.online_peers", "ONLINE_PEERS_MODELS"
QUIET = ("--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools")


class Place(NamedTuple):
    """What servers find: the product's store, the peers' models, and an empty folder of the server's own."""

    store: str
    models: Path
    own: Path


class Start(NamedTuple):
    """A command with its environment, and the path that answers once the server is ready."""

    command: list[str]
    environment: dict[str, str]
    ready: str


Starts = Callable[[Place, int, int, list[int]], Start]
"""From the place, how many workers, the port and two more that are free."""


class Contender(NamedTuple):
    """What is asked of a server: bodies in its `words`, at a `path`. `reads` finds the probabilities in an answer."""

    name: str
    kind: Kind
    server: str
    path: str
    words: Words
    reads: Reader | None
    records: str = USE_CASE


def product(use_case: str) -> Starts:
    """The product's own command."""

    def start(place: Place, workers: int, port: int, _: list[int]) -> Start:
        named = ("--use-case", use_case, "--port", str(port), "--workers", str(workers))
        environment = {"ML_PIPELINE_USE_CASES": str(USE_CASES), "ML_PIPELINE_STORE": place.store}
        return Start([sys.executable, "-m", "ml_pipeline", "api", *named], environment, "/ready")

    return start


def uvicorn(python: str, module: str, ready: str) -> Starts:
    """An ASGI application of `online_peers`."""

    def start(place: Place, workers: int, port: int, _: list[int]) -> Start:
        named = (f"{MODULES}.{module}:app", "--port", str(port), "--workers", str(workers))
        return Start([python, "-m", "uvicorn", *named, *QUIET], {MODELS: str(place.models)}, ready)

    return start


def bentoml(place: Place, workers: int, port: int, _: list[int]) -> Start:
    """BentoML's own command."""
    environment = {
        MODELS: str(place.models),
        "ONLINE_PEERS_WORKERS": str(workers),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(place.own),
    }
    command = [str(PEERS / "bentoml"), "serve", f"{MODULES}.bento:Scorer", "--host", "127.0.0.1", "--port", str(port)]
    return Start(command, environment, "/readyz")


def mlserver(place: Place, workers: int, port: int, more: list[int]) -> Start:
    """MLServer's own command: one process that does all, or one that hands on to as many as there are cores."""
    settings = {
        "debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": more[0], "metrics_port": more[1],
        "parallel_workers": workers if workers > 1 else 0, "metrics_dir": str(place.own / "metrics"),
    }  # fmt: skip
    (place.own / "settings.json").write_text(json.dumps(settings))
    for name in ("records", "numbers"):
        model = {
            "name": name, "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(place.models / f"of_{name}.joblib")},
        }  # fmt: skip
        (place.own / name).mkdir()
        (place.own / name / "model-settings.json").write_text(json.dumps(model))
    return Start([str(PEERS / "mlserver"), "start", str(place.own)], {}, "/v2/health/ready")


SERVERS: dict[str, Starts] = {
    "echo": uvicorn(sys.executable, "echo", "/"),
    "ml-pipeline": product(USE_CASE),
    "ml-pipeline flights": product(FLIGHTS),
    "MLServer": mlserver,
    "BentoML": bentoml,
    "FastAPI": uvicorn(str(PEERS / "python"), "fast_api", "/docs"),
}
OURS, SERVE, REAL = "ml-pipeline", "ml-pipeline, serve alone", "ml-pipeline, flights"
ECHO, ECHO_FEATURES = "limit: ASGI echo", "limit: ASGI echo of features"
CONTENDERS = (
    Contender(ECHO, "limit", "echo", "/", bodies.raw, None),
    Contender(ECHO_FEATURES, "limit", "echo", "/", bodies.columns, None),
    Contender(OURS, "product", "ml-pipeline", f"/{USE_CASE}/online/serve", bodies.raw, bodies.of_predictions),
    Contender(SERVE, "product", "ml-pipeline", f"/v2/models/{USE_CASE}/infer", bodies.columns, bodies.of_outputs),
    Contender(REAL, "product", "ml-pipeline flights", f"/{FLIGHTS}/online/serve", bodies.raw, None, FLIGHTS),
    Contender("MLServer, numbers", "peer", "MLServer", "/v2/models/numbers/infer", bodies.tensor, bodies.of_outputs),
    Contender("MLServer, records", "peer", "MLServer", "/v2/models/records/infer", bodies.frame, bodies.of_outputs),
    Contender("BentoML, numbers", "peer", "BentoML", "/numbers", bodies.in_array, bodies.of_list),
    Contender("BentoML, records", "peer", "BentoML", "/records", bodies.in_records, bodies.of_list),
    Contender("FastAPI, pandas, scikit-learn", "peer", "FastAPI", "/score", bodies.listed, bodies.of_list),
)
