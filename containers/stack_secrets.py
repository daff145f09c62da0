"""The secrets of docker-compose.yaml: random, made once, in files that the services' user alone reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from ml_pipeline.api import tokens
from ml_pipeline.artifacts.process import write_private

FOLDER = "secrets"
TOKENS = "tokens"
"""The folder with the token file of the online service. It is mounted as a whole: a file that takes the place of
another would not be seen where the other is mounted alone."""
TOKEN = "api_token"  # noqa: S105 - a file's name
"""The token itself, for whoever calls the online service; no container gets this file, only its hash."""


def make(folder: Path, user: int) -> None:
    """Make all secrets below a stack's folder, unless they are there: those of a database are made once."""
    for name, fill in ((FOLDER, _secrets), (TOKENS, _tokens)):
        if not (folder / name).is_dir():
            _make(folder / name, fill)
        for path in (folder / name).iterdir():
            give(path, user)
    give(folder / TOKENS, user)


def _make(folder: Path, fill: Callable[[Path], None]) -> None:
    """A folder that is there only with all that belongs in it."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    fill(new)
    new.rename(folder)


def _secrets(folder: Path) -> None:
    for name, content in {**_airflow(), **_store()}.items():
        write_private(folder / name, content)


def _tokens(folder: Path) -> None:
    write_private(folder.parent / TOKEN, tokens.add(folder / "tokens.yaml", "admin", tokens.SCOPES) + "\n")


def give(path: Path, user: int) -> None:
    """Make a file or folder the services' user's, where they run as somebody else."""
    if user != os.getuid():
        os.chown(path, user, user)


def password(folder: Path) -> Path:
    """The file with the passwords of Airflow's users."""
    return folder / FOLDER / "airflow_passwords"


def _airflow() -> dict[str, str]:
    """Airflow's own keys, its user, its database and its queue; a password is never in two words alike."""
    database, queue = _word(), _word()
    settings = ("bind 0.0.0.0", "protected-mode no", 'save ""', "dir /tmp", "maxmemory 200mb", f"requirepass {queue}")
    return {
        "airflow_fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "airflow_jwt_secret": _word(),
        "airflow_secret_key": _word(),
        "airflow_passwords": json.dumps({"admin": _word()}),
        "airflow_database": f"postgresql+psycopg2://airflow:{database}@database/airflow",
        "airflow_broker": f"redis://:{queue}@queue:6379/0",
        "database_password": database,
        "queue_settings": "".join(f"{line}\n" for line in settings),
    }


def _store() -> dict[str, str]:
    """One user's keys, as the store and as its clients read them."""
    key, secret = secrets.token_hex(10), _word()
    user = {"name": "ml-pipeline", "credentials": [{"accessKey": key, "secretKey": secret}], "actions": ["Admin"]}
    return {
        "store_users": json.dumps({"identities": [user]}),
        "store_credentials": f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n",
    }


def _word() -> str:
    """256 bits in letters and digits, which need no quoting in an address or a file of settings."""
    return secrets.token_hex(32)
