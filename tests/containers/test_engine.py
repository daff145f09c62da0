"""What `make engine` decides before it touches the machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from containers import engine

ONE = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n"
TWO = "-----BEGIN CERTIFICATE-----\ndHdv\n-----END CERTIFICATE-----\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A base image's files that trust one authority."""
    bundle = tmp_path / engine.BUNDLE
    bundle.parent.mkdir(parents=True)
    bundle.write_text(ONE)
    return tmp_path


def test_this_machines_own_authorities_are_added(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = root / "ours.crt"
    ours.write_text("# a comment\n" + TWO + ONE)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))
    assert engine.trust(root) == dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), "/etc/ssl/certs/ca-certificates.crt")
    assert (root / engine.BUNDLE).read_text() == ONE + TWO


def test_a_machine_without_any_leaves_no_trace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = root / "ours.crt"
    ours.write_text(ONE)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))
    assert engine.trust(root) == {}
    assert (root / engine.BUNDLE).read_text() == ONE


def test_a_mac_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.sys, "platform", "darwin")
    with pytest.raises(engine.EngineError, match="Docker Desktop or Colima"):
        engine.require_debian_and_root()


def test_a_user_without_rights_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.sys, "platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(engine.os, "geteuid", lambda: 1000)
    with pytest.raises(engine.EngineError, match="group docker"):
        engine.require_debian_and_root()


def test_an_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine.main(["--start"]) == 2
    assert "--stop" in capsys.readouterr().err


def test_what_fails_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise subprocess.CalledProcessError(100, ["apt-get", "install"])

    monkeypatch.setattr(engine, "engine", fail)
    assert engine.main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1
