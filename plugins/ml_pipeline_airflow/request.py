"""From a DAG run to the order that a stage gets: which moment, which run, which attempt."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml_pipeline.errors import UsageError

AS_OF = "{{ params.as_of or (logical_date if logical_date is defined else none) or dag_run.run_after }}"
"""Template of the as-of moment: as asked, else the logical date, else (a run without one) when it was due."""

PASSED_ON = (
    "ML_PIPELINE_STORE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
"""Settings without secrets that a stage in a container needs to find the store."""


def run_name(mode: str, airflow_run: str) -> str:
    """Airflow's run id as one safe folder name; two different ids never share a name.

    >>> run_name("offline", "nightly_7")
    'offline-nightly_7'
    >>> run_name("offline", "manual__2013-09-01T00:00:00+00:00")
    'offline-manual__2013-09-01T00-00-00-00-00-89eef232'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", airflow_run)
    unique = "" if safe == airflow_run else "-" + hashlib.sha256(airflow_run.encode()).hexdigest()[:8]
    return f"{mode}-{safe}{unique}"


def forced(stages: Iterable[str], force: Iterable[str]) -> bool:
    """Whether any of the steps is named, by itself (`prepare.weather`) or by its stage (`prepare`)."""
    return any({step, step.partition(".")[0]} & set(force) for step in stages)


def store_uri(uri: str = "") -> str:
    """The object store that is named, or that this Airflow works with; a local folder as an absolute path.

    Raises:
        UsageError: the environment names none.
    """
    uri = uri or os.environ.get("ML_PIPELINE_STORE", "")
    if not uri:
        raise UsageError(
            "Airflow was started without an object store",
            expected="the environment variable ML_PIPELINE_STORE, such as s3://bucket or a folder",
            do="set it where Airflow is started; `ml-pipeline store start` starts a store on this machine",
        )
    folder = local_folder(uri)
    return str(folder) if folder else uri


def local_folder(uri: str) -> Path | None:
    """The folder that a store's URI means, none for a store that is reached over the network."""
    if "://" in uri and not uri.startswith("file://"):
        return None
    return Path(uri.removeprefix("file://")).expanduser().absolute()


def settings() -> dict[str, str]:
    """The part of Airflow's environment that a stage may see in a container."""
    return {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}


def attempt(context: Any) -> str:
    """A string that no other try of any task has."""
    ti = context["ti"]
    return f"{ti.id}-{ti.try_number}"
