"""One stage as a task of Airflow's own DockerOperator and as one of ours; read by Airflow's task runner alone."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import Any

import msgspec
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG
from docker.types import Mount
from ml_pipeline_airflow.identity import STORE
from ml_pipeline_airflow.mounts import user
from ml_pipeline_airflow.stage_operator import StageOperator

from ml_pipeline.contract import StageRequest
from tests.faults.peers_case import (
    ARGUMENTS,
    DAG_ID,
    IMAGE,
    OURS,
    RETRIES,
    RUN,
    SECRETS,
    STAGE,
    STOCK,
    TIMEOUT,
    USE_CASE,
)

SMALL = {"resources.memory": "256MB", "resources.cpus": 1}


def tasks(store: str) -> None:
    """Both tasks: the same image, request, behaviour, store, user, memory, timeout and retries."""
    limit = dt.timedelta(seconds=float(os.environ[TIMEOUT]))
    given: dict[str, Any] = {
        "environment": {"STAND_IN": os.environ[STAGE]},
        "retries": RETRIES,
        "execution_timeout": limit,
    }
    DockerOperator(
        task_id=STOCK,
        image=os.environ[IMAGE],
        command=["stage", _request(store)],
        private_environment={name: os.environ[name] for name in SECRETS},
        mounts=[Mount(store, store, "bind")],
        user=f"{user()}:{user()}",
        mem_limit="256m",
        network_mode="none",
        mount_tmp_dir=False,
        labels={STORE: store},
        **json.loads(os.environ[ARGUMENTS]),
        **given,
    )
    StageOperator(
        task_id=OURS,
        use_case=USE_CASE,
        mode="offline",
        stages=["split"],
        image="data",
        references={"data": os.environ[IMAGE]},
        **given,
    )


def _request(store: str) -> str:
    made = StageRequest(
        use_case=USE_CASE,
        mode="offline",
        stages=("split",),
        run_id=f"offline-{RUN}",
        as_of=dt.datetime(2013, 9, 1, tzinfo=dt.UTC),
        store=store,
        attempt="{{ ti.id }}-{{ ti.try_number }}",
    )
    return msgspec.json.encode(made).decode()


with DAG(DAG_ID, schedule=None, params={"as_of": "2013-09-01", "force": [], "parameters": SMALL, "promote": False}):
    tasks(os.environ["ML_PIPELINE_STORE"])
