from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from ml_pipeline.api import tokens
from ml_pipeline.api.tokens import TokenFile, add, read
from ml_pipeline.errors import UsageError


def test_a_token_is_told_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    secret = add(path, "nightly", ["run", "read"])
    assert secret not in path.read_text()
    assert hashlib.sha256(secret.encode()).hexdigest() in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = TokenFile(path).find(secret.encode())
    assert found is not None
    assert (found.name, found.scopes) == ("nightly", ["run", "read"])


def test_each_token_is_another_and_all_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    secrets = [add(path, name, ["read"]) for name in ("a", "b", "c")]
    assert len(set(secrets)) == 3
    assert min(map(len, secrets)) > 40
    file = TokenFile(path)
    assert [file.find(secret.encode()).name for secret in secrets] == ["a", "b", "c"]  # type: ignore[union-attr]


def test_whatever_is_no_token_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    secret = add(path, "a", ["read"])
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    for other in (b"", secret[:-1].encode(), hashed.encode(), b"\xff" * 40):
        assert TokenFile(path).find(other) is None


def test_an_entry_that_is_taken_out_counts_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LOOK_AGAIN", 0.0)
    path = tmp_path / "tokens.yaml"
    first, second = add(path, "a", ["read"]), add(path, "b", ["read"])
    file = TokenFile(path)
    assert file.find(first.encode())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[4:]))
    assert file.find(first.encode()) is None
    assert file.find(second.encode())
    third = add(path, "c", ["read"])
    assert file.find(third.encode())


def test_a_file_that_is_gone_or_broken_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LOOK_AGAIN", 0.0)
    path = tmp_path / "tokens.yaml"
    secret = add(path, "a", ["read"])
    file, content = TokenFile(path), path.read_text()
    path.write_text("tokens: [1]")
    assert file.find(secret.encode()) is None
    path.unlink()
    assert file.find(secret.encode()) is None
    path.write_text(content)
    path.chmod(0o600)
    assert file.find(secret.encode())


def test_a_name_is_given_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    add(path, "a", ["read"])
    with pytest.raises(UsageError, match="taken"):
        add(path, "a", ["read"])
    with pytest.raises(UsageError, match="no name"):
        add(path, "a b", ["read"])
    assert [token.name for token in read(path)] == ["a"]


@pytest.mark.parametrize(
    "content", ["", "tokens", "tokens: 1", "tokens: [{name: a}]", "other: []", "{", "tokens: &a [*a]"]
)
def test_what_is_no_token_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="no token file"):
        TokenFile(path)


def test_a_scope_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    add(path, "a", ["read"])
    path.write_text(path.read_text().replace("read", "everything"))
    with pytest.raises(UsageError, match="no token file"):
        TokenFile(path)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    add(path, "a", ["read"])
    path.chmod(0o620)
    with pytest.raises(UsageError, match="others may write"):
        TokenFile(path)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        TokenFile(tmp_path / "none.yaml")
