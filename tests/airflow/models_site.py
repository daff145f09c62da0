"""Airflow's API server at work, with the page Models over a store in which parcels is trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.airflow_site import PATIENCE, ROOT, settings, wait

USERS = {"admin": "admin", "visitor": "viewer"}
"""Name -> role."""


class ModelsSite(NamedTuple):
    """Its address, and what it works with."""

    url: str
    folder: Path
    environment: Mapping[str, str]

    @property
    def passwords(self) -> dict[str, str]:
        """Name -> password."""
        return {name: f"secret of {name}" for name in USERS}

    def python(self, code: str) -> str:
        """What a program prints that works with this Airflow."""
        return self._said([sys.executable, "-c", code])

    def airflow(self, *words: str) -> str:
        """What a command of Airflow prints."""
        return self._said(["airflow", *words])

    def _said(self, command: list[str]) -> str:
        own = dict(self.environment)  # a whole run is a dozen processes, one after the other: it needs more patience
        done = subprocess.run(command, check=False, env=own, capture_output=True, text=True, timeout=3 * PATIENCE)
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout


@contextmanager
def models_site(folder: Path, site: Path, store: str) -> Iterator[ModelsSite]:
    """The API server alone; its database holds the DAGs of the use case whose package lies in `site`."""
    found = ModelsSite("", folder, _environment(folder, site, store))
    (folder / "airflow").mkdir()
    (folder / "passwords.json").write_text(json.dumps(found.passwords))
    found.airflow("db", "migrate")
    found.airflow("dags", "reserialize")
    port = found.environment["AIRFLOW__API__PORT"]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        command = ["airflow", "api-server", "--host", "127.0.0.1", "--port", port]
        server = subprocess.Popen(command, env=dict(found.environment), stdout=log, stderr=log)
    try:
        wait(lambda: _answers(url), PATIENCE, (folder / "log").read_text)
        yield found._replace(url=url)
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _environment(folder: Path, site: Path, store: str) -> dict[str, str]:
    own = settings(
        folder,
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=",".join(f"{name}:{role}" for name, role in USERS.items()),
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(folder / "passwords.json"),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{folder / 'airflow/airflow.db'}",
        AIRFLOW__API__WORKERS="1",
        ML_PIPELINE_STORE=store,
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins"), str(site)])
    return own | {"PYTHONPATH": path, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/version", timeout=PATIENCE):
            return True
    except OSError:
        return False
