"""The images of docker-compose.yaml that no registry has, or that this machine's registry does not answer for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from containers import build, engine

FOLDER = Path(__file__).parent


class Variable(NamedTuple):
    """An image of the stack: the variable that names it, the folder it is built from, the official one if there is."""

    name: str
    folder: str
    official: str = ""


VARIABLES = (
    Variable("AIRFLOW_IMAGE", "airflow"),
    Variable("PROXY_IMAGE", "proxy"),
    Variable("STORE_IMAGE", "store"),
    Variable("POSTGRES_IMAGE", "postgres", "postgres:17"),
    Variable("REDIS_IMAGE", "redis", "redis:7"),
)
ON_ROOT = ("airflow", "store")
"""Built from files all over the project; the others from their own folder."""


def settings(client: Any) -> dict[str, str]:
    """Variable -> image, built now where it is ours to build; what the environment names is taken as it is."""
    base = build.base_image(client)
    return {own.name: os.environ.get(own.name) or _image(client, own, base) for own in VARIABLES}


def _image(client: Any, own: Variable, base: str) -> str:
    """The official base image is there only where a registry answers, so what is official can be had too."""
    if own.official and engine.present(engine.OFFICIAL):
        return own.official
    name = f"{build.REPOSITORY}/{own.folder}:latest"
    if own.folder == "airflow":
        build.build(client, build.Recipe.shared("airflow"), f"{build.REPOSITORY}/base:latest")
    else:
        _build(client, own.folder, base, name)
    return name


def _build(client: Any, folder: str, base: str, name: str) -> None:
    """An image without anything of ours to sign."""
    started, progress = time.monotonic(), build.Progress(folder)
    whole = {"path": str(build.ROOT), "dockerfile": f"containers/{folder}/Dockerfile"}
    context = whole if folder in ON_ROOT else {"path": str(FOLDER / folder)}
    arguments = {"BASE_IMAGE": base, **build.index_arguments(), **build.proxy_arguments()}
    client.images.get(build.run_build(client, progress, buildargs=arguments, **context)).tag(name)
    progress.end(f"built in {time.monotonic() - started:.1f} s")
