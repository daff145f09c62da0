"""Which runner fits this machine: `python -m ml_pipeline_airflow.runner`, with `--name` for its name alone."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import NamedTuple

from ml_pipeline.errors import PipelineError
from ml_pipeline.stages import IMAGES
from ml_pipeline_airflow.builder import RUNNER, named_runner


class Choice(NamedTuple):
    """A runner and the reason for it."""

    name: str
    why: str


def choose() -> Choice:
    """As the environment says; else containers where the engine answers and the images are there, else processes."""
    if named := named_runner():
        return Choice(named, f"{RUNNER} says so")
    try:
        return Choice("docker", f"{_engine()} answers and the images are there")
    except PipelineError as error:
        return Choice("process", f"{error.what}: {error.given}")


def _engine() -> str:
    """Name the engine if all it takes is there.

    Raises:
        PipelineError: it is not.
    """
    from ml_pipeline_airflow import images
    from ml_pipeline_airflow.docker_client import Limits, StageHook

    url = os.environ.get("DOCKER_HOST") or "unix://var/run/docker.sock"
    with closing(StageHook(Limits(0, 0), base_url=url).api_client) as client:
        images.resolve(client, {name: images.reference(name) for name in IMAGES})
        return f"Docker {client.version()['Version']}"


def main(arguments: list[str]) -> int:
    """Print the choice in one line."""
    try:
        choice = choose()
    except PipelineError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return error.exit_code
    print(choice.name if "--name" in arguments else f"runner: {choice.name} ({choice.why})")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
