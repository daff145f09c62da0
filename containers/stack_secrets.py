"""The secrets of docker-compose.yaml: random, made once, in files that the services' user alone reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from pathlib import Path

from ml_pipeline.api import tokens
from ml_pipeline.artifacts.process import write_private

FOLDER = "secrets"
TOKEN = "api_token"  # noqa: S105 - a file's name
"""The token itself, for whoever calls the online service; no container gets this file, only its hash."""


def make(folder: Path, user: int) -> None:
    """Make all secrets below a stack's folder, unless they are there: those of a database are made once."""
    whole = folder / FOLDER
    if not whole.is_dir():
        _make(folder, whole)
    for path in whole.iterdir():
        give(path, user)


def _make(folder: Path, whole: Path) -> None:
    new = folder / f"{FOLDER}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    for name, content in {**_airflow(), **_store()}.items():
        write_private(new / name, content)
    write_private(folder / TOKEN, tokens.add(new / "api_tokens", "admin", tokens.SCOPES) + "\n")
    new.rename(whole)


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
