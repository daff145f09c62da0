"""What a container sees of the machine: its credentials as files, and a store that is a local folder. Nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from docker.types import Mount

from ml_pipeline.errors import UsageError

STAGE_USER = 10001
"""Who stages are in a container where Airflow is root; elsewhere they are who Airflow is."""

SECRETS = "/run/secrets"

FILES = {"AWS_SHARED_CREDENTIALS_FILE": "aws-credentials", "GOOGLE_APPLICATION_CREDENTIALS": "google-credentials"}
"""Variables that name a file with credentials, and that file's name in a container."""


class Secrets(NamedTuple):
    """Files with credentials as a container gets them: the mounts, and the variables that point at them."""

    mounts: list[Mount]
    variables: dict[str, str]


def user() -> int:
    """The user id of stages in containers, never root's."""
    return os.getuid() or STAGE_USER


@contextmanager
def secrets() -> Iterator[Secrets]:
    """A copy of the credentials for one task, readable by its container's user alone, gone afterwards.

    The copy lies in the system's folder for temporary files (`TMPDIR`): where Airflow itself runs in a container, that
    must be a folder which the engine sees at the same path.
    """
    folder = Path(tempfile.mkdtemp(prefix="ml-pipeline-secrets-"))
    try:
        found = {name: content for name in FILES if (content := _content(name))}
        mounts = [_secret(folder / FILES[name], content) for name, content in found.items()]
        yield Secrets(mounts, {name: f"{SECRETS}/{FILES[name]}" for name in found})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def store_mount(folder: Path) -> Mount:
    """A local store at the same path; a new one is given to the stages' user.

    Raises:
        UsageError: the stages' user may not write there.
    """
    if not folder.exists():
        folder.mkdir(parents=True)
        if os.getuid() == 0:
            os.chown(folder, STAGE_USER, STAGE_USER)
    owner = folder.stat().st_uid
    if owner != user() and not folder.stat().st_mode & 0o002:
        raise UsageError(
            "containers may not write to the store's folder",
            given=f"{folder}, which belongs to user {owner}",
            expected=f"a folder of user {user()}, who stages are in containers",
            do=f"run `chown -R {user()} {folder}`, or use an object store (`ml-pipeline store start`)",
        )
    return Mount(str(folder), str(folder), type="bind")


def _content(name: str) -> str:
    """The file that a variable names; AWS keys that stand in the environment itself become such a file."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if name.startswith("AWS") and os.environ.get(keys[0]):
        lines = [f"{key.lower()} = {os.environ[key]}" for key in keys if os.environ.get(key)]
        return "\n".join(["[default]", *lines, ""])
    default = "~/.aws/credentials" if name.startswith("AWS") else ""
    path = Path(os.environ.get(name) or default).expanduser()
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _secret(path: Path, content: str) -> Mount:
    path.touch(mode=0o400)
    path.write_text(content, encoding="utf-8")
    if os.getuid() == 0:
        os.chown(path, STAGE_USER, STAGE_USER)
    return Mount(f"{SECRETS}/{path.name}", str(path), type="bind", read_only=True)
