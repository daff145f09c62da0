"""Whole runs as services of a swarm: the same content and the same model version as in containers."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from ml_pipeline_airflow import images

from ml_pipeline.discovery import find
from tests.airflow.own_engine import CAN_START, Engine
from tests.airflow_site import settings
from tests.e2e.test_granularity import ROOT, same

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.records,
    pytest.mark.containers,
    pytest.mark.skipif(not CAN_START, reason="only root starts an engine"),
]
USE_CASE = "clinical_trials"


@pytest.fixture
def manager() -> Iterator[tuple[docker.APIClient, str]]:
    """A manager of a swarm of one node that has the images of all stages, and its address."""
    own = Engine(Path(tempfile.mkdtemp(prefix="ml-pipeline-swarm-", dir="/var/tmp")))
    try:
        own.start(live_restore=False)
        save = ["docker", "save", *images.needed(find(USE_CASE)).values()]
        with subprocess.Popen(save, stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "--host", own.url, "load", "--quiet"], stdin=saved.stdout, check=True)
        with closing(docker.APIClient(base_url=own.url, version="1.41")) as client:
            client.init_swarm(advertise_addr="127.0.0.1")
            yield client, own.url
    finally:
        own.clear()


def test_both_dags_leave_the_same_as_in_containers(
    manager: tuple[docker.APIClient, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    client, url = manager
    folder = tmp_path_factory.mktemp("swarm")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # a container's user reads what is mounted
    environment = settings(
        folder,
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{folder}/airflow/airflow.db",
        DOCKER_HOST=url,
        ML_PIPELINE_NETWORK="host",  # the engine has no other
        ML_PIPELINE_RETRIES="0",
        PYTHONPATH=f"{ROOT}:{ROOT / 'plugins'}",
    )
    names = ["three-docker", "three-swarm"]
    program = [sys.executable, "-W", "ignore", "-m", "tests.granularity", USE_CASE, str(folder), *names]
    done = subprocess.run(program, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    began = re.findall(r" (container|service) ml-pipeline-clinical-trials-\S+ (?:\(\w+\) )?started", said)
    assert began.count("service") == began.count("container") > 0
    same([folder / name / USE_CASE for name in names])
    assert client.services() == client.secrets() == []
