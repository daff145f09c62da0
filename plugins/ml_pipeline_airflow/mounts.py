"""What a stage sees of the machine, and nothing else of it.

Its credentials as files, a store that is a local folder, and the local files or folders that it ingests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ml_pipeline.errors import UsageError

STAGE_USER = 10001
"""Who stages are in a container where Airflow is root; elsewhere they are who Airflow is."""

SECRETS = "/run/secrets"

FOLDER = "ml-pipeline-secrets-"
"""How the names of folders with copies of credentials begin."""

SHORT = 6
"""Characters of which a secret has at least as many: masking shorter ones would spoil logs and hide nothing."""
NAMED = r"(?:secret|password|token|private_key)(?!_uri)"
"""How names of secrets begin, or what they hold."""
IN_INI = re.compile(rf"^\s*\w*{NAMED}\w*\s*[=:]\s*(.*\S)", re.I | re.M)
IN_PGPASS = re.compile(r"^(?:(?:\\.|[^:\\\n])*:){4}((?:\\.|[^\\\n])+)$", re.M)
"""The fifth of five fields; a backslash stands before colons and backslashes of a password."""

FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "aws-credentials",
    "GOOGLE_APPLICATION_CREDENTIALS": "google-credentials",
    "PGPASSFILE": "pgpass",
}
"""Variables that name a file with credentials, and that file's name in a container."""

USUAL = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "PGPASSFILE": "~/.pgpass"}
"""Where a file with credentials is looked for when its variable names none."""

LOCAL = re.compile("((?:sqlite:)?(?:file://)?)(/.*)")
"""Addresses that are paths from the root on."""


class Bind(NamedTuple):
    """A file or folder of the machine, at the path `at`, where that differs from its own."""

    path: Path
    read_only: bool
    at: str = ""

    @property
    def target(self) -> str:
        """Its path in the container."""
        return self.at or str(self.path)


class Secrets(NamedTuple):
    """A copy of the credentials: its folder, what is to be mounted, the variables that point at it."""

    folder: str
    binds: list[Bind]
    variables: dict[str, str]


def user() -> int:
    """The user id of stages in containers, never root's."""
    return os.getuid() or STAGE_USER


def credentials() -> dict[str, str]:
    """Content of each file with credentials, by its variable; what is secret in it is masked in Airflow's logs."""
    found = {name: content for name in FILES if (content := _content(name))}
    for content in found.values():
        _mask(content)
    return found


def variables(names: Iterable[str]) -> dict[str, str]:
    """What points at files with credentials in a container."""
    return {name: f"{SECRETS}/{FILES[name]}" for name in names}


def secrets() -> Secrets:
    """A copy of the credentials for one container, readable by its user alone, there until `forget`.

    The copy lies in the system's folder for temporary files (`TMPDIR`): where Airflow itself runs in a container, that
    must be a folder which the engine sees at the same path.
    """
    found = credentials()
    if not found:
        return Secrets("", [], {})
    folder = tempfile.mkdtemp(prefix=FOLDER)
    try:
        binds = [_secret(Path(folder) / FILES[name], content) for name, content in found.items()]
    except BaseException:
        forget(folder)
        raise
    return Secrets(folder, binds, variables(found))


def forget(folder: str) -> None:
    """Remove a copy of the credentials; any other folder, whatever an engine's labels say, is left alone."""
    if Path(folder).name.startswith(FOLDER) and Path(folder).parent == Path(tempfile.gettempdir()):
        shutil.rmtree(folder, ignore_errors=True)


def copies() -> list[Path]:
    """Folders with copies of credentials on this machine, also those that a worker which was killed has left."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{FOLDER}*"))


def store_bind(folder: Path) -> Bind:
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
    return Bind(folder, read_only=False)


class Place(NamedTuple):
    """A file or folder on this machine that records come from, and what an address says before it."""

    scheme: str
    path: Path

    @property
    def address(self) -> str:
        """From the root on, without detours."""
        return f"{self.scheme}{self.path}"


def place(address: str) -> Place | None:
    """What a source's address means on this machine; none where it means something else.

    >>> place("sqlite:/srv/night/../shop.db").address
    'sqlite:/srv/shop.db'
    >>> place("s3://bucket/orders") or place("postgresql://host/shop") or place("")
    """
    found = LOCAL.fullmatch(address)
    return Place(found[1], Path(os.path.normpath(found[2]))) if found else None


def source_bind(path: Path) -> Bind:
    """What a source reads, at the same path, never to be written.

    Raises:
        UsageError: it is not there.
    """
    if not path.exists():
        raise UsageError(
            "a source's records are not where pipeline.yaml says",
            given=path,
            expected="a file or folder on the machine that runs the container",
            do="put it there, or correct the source's address",
        )
    return Bind(path, read_only=True)


def _content(name: str) -> str:
    """The file that a variable names; AWS keys that stand in the environment itself become such a file."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if name.startswith("AWS") and os.environ.get(keys[0]):
        lines = [f"{key.lower()} = {os.environ[key]}" for key in keys if os.environ.get(key)]
        return "\n".join(["[default]", *lines, ""])
    path = Path(os.environ.get(name) or USUAL.get(name, "")).expanduser()
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _mask(content: str) -> None:
    """Whatever a stage says, its credentials are no part of Airflow's logs."""
    from airflow.sdk.log import mask_secret

    for secret in _secrets(content):
        if len(secret) >= SHORT:
            mask_secret(secret)


def _secrets(content: str) -> Iterator[str]:
    """What is secret in a file with credentials: by its name in JSON and INI, by its place in a password file.

    Logs are masked line by line, so each line of a key is a secret of its own.
    """
    try:
        found = json.loads(content)
    except ValueError:
        yield from IN_INI.findall(content)
        yield from (re.sub(r"\\(.)", r"\1", own) for own in IN_PGPASS.findall(content))
        return
    for name, value in found.items() if isinstance(found, dict) else ():
        if re.search(NAMED, name, re.I) and isinstance(value, str):
            yield from (line for line in value.splitlines() if not line.startswith("-----"))


def _secret(path: Path, content: str) -> Bind:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
        file.write(content)
    if os.getuid() == 0:
        os.chown(path, STAGE_USER, STAGE_USER)
    return Bind(path, read_only=True, at=f"{SECRETS}/{path.name}")
