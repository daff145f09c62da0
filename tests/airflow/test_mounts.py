from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from ml_pipeline_airflow import mounts

from ml_pipeline.errors import UsageError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", *mounts.FILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def test_where_there_are_no_credentials_nothing_is_mounted() -> None:
    assert mounts.secrets() == ("", [], {})


def test_a_credentials_file_is_copied_for_one_task_and_read_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("[default]\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    secrets = mounts.secrets()
    (bind,) = secrets.binds
    copy = bind.path
    assert copy.read_text() == "[default]\n"
    assert copy.stat().st_mode & 0o777 == 0o400
    assert (bind.target, bind.read_only) == ("/run/secrets/aws-credentials", True)
    assert secrets.variables == {"AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/aws-credentials"}
    assert mounts.copies() == [copy.parent] == [Path(secrets.folder)]
    mounts.forget(secrets.folder)
    assert not copy.parent.exists()


def test_keys_in_the_environment_become_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    text = mounts.secrets().binds[0].path.read_text()
    assert text == "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"


def test_no_other_folder_is_ever_removed(tmp_path: Path) -> None:
    elsewhere = tmp_path / f"{mounts.FOLDER}elsewhere"
    elsewhere.mkdir()
    for folder in (str(elsewhere), str(tmp_path), f"{tmp_path}/tmp", "", "/"):
        mounts.forget(folder)
    assert elsewhere.exists()
    assert (tmp_path / "tmp").exists()


ACCOUNT = {
    "type": "service_account",
    "private_key_id": "0123456789",
    "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQ+one/\nAbCd+two=\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://auth.example/token",
}
"""As Google writes the key of an account, but for what is secret in it."""


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        ("[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = hush/hush+1\n", ["hush/hush+1"]),
        ("[a]\naws_session_token=tok-en-tok-en\nregion = us-east-1\n", ["tok-en-tok-en"]),
        (json.dumps(ACCOUNT), ["0123456789", "MIIEvQ+one/", "AbCd+two="]),
        ("db.host:5432:shop:reader:s3cret-word\n*:*:*:*:short\n", ["s3cret-word"]),
        (r"db.host:5432:a\:b:reader:two words\: a\\b", ["two words: a\\b"]),
        ("[default]\n", []),
    ],
)
def test_what_is_secret_in_a_file_is_masked(content: str, secrets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow.sdk.log.mask_secret", masked.append)
    mounts._mask(content)
    assert masked == secrets


def test_stages_are_never_root() -> None:
    assert mounts.user() != 0


def test_a_new_store_folder_belongs_to_the_stages(tmp_path: Path) -> None:
    bind = mounts.store_bind(tmp_path / "store")
    assert (tmp_path / "store").stat().st_uid == mounts.user()
    assert (str(bind.path), bind.target, bind.read_only) == (*[str(tmp_path / "store")] * 2, False)


def test_a_store_folder_of_somebody_else_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "user", lambda: tmp_path.stat().st_uid + 1)
    tmp_path.chmod(0o755)
    with pytest.raises(UsageError, match=r"may not write.*chown"):
        mounts.store_bind(tmp_path)


def test_a_password_file_of_postgresql_is_found_where_it_usually_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".pgpass").write_text("usual")
    secrets = mounts.secrets()
    (bind,) = secrets.binds
    assert bind.path.read_text() == "usual"
    assert bind.path.stat().st_mode & 0o777 == 0o400
    assert secrets.variables == {"PGPASSFILE": "/run/secrets/pgpass"}
    (tmp_path / "other").write_text("other")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "other"))
    assert mounts.secrets().binds[0].path.read_text() == "other"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/srv/orders.csv", "/srv/orders.csv"),
        ("/srv/cases/demo/../../orders", "/srv/orders"),
        ("sqlite:/srv/shop.db", "/srv/shop.db"),
        ("file:///srv/orders.csv", "/srv/orders.csv"),
        ("sqlite:file:///srv/shop.db", "/srv/shop.db"),
    ],
)
def test_an_address_that_is_a_path_is_a_place_on_this_machine(address: str, path: str) -> None:
    place = mounts.place(address)
    assert place
    assert place.path == Path(path)
    assert mounts.place(place.address) == place


@pytest.mark.parametrize(
    "address",
    ["", "s3://bucket/orders", "https://shop.invalid/orders", "postgresql://shop", "synthetic:9", "sqlite:s3://b/x"],
)
def test_any_other_address_is_not(address: str) -> None:
    assert mounts.place(address) is None


def test_a_source_is_read_only_and_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"not where pipeline.yaml says. Given: {tmp_path}/orders.csv.*put it there"):
        mounts.source_bind(tmp_path / "orders.csv")
    (tmp_path / "orders.csv").touch()
    bind = mounts.source_bind(tmp_path / "orders.csv")
    assert (str(bind.path), bind.target, bind.read_only) == (*[str(tmp_path / "orders.csv")] * 2, True)
