"""A background process is ended by the folder that started it, and nobody else's ever is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ml_pipeline.artifacts import process


def test_it_runs_until_it_is_ended(tmp_path: Path) -> None:
    pid = process.spawn(tmp_path, ["/bin/sleep", "60"], {})
    assert process.running(tmp_path) == pid
    assert process.end(tmp_path)
    assert process.running(tmp_path) is None
    assert not process.end(tmp_path)


def test_what_it_says_is_in_the_log(tmp_path: Path) -> None:
    pid = process.spawn(tmp_path, ["/bin/sh", "-c", "echo out; echo $GIVEN >&2"], {"GIVEN": "err"})
    os.waitpid(pid, 0)
    assert (tmp_path / "log").read_text() == "out\nerr\n"
    assert process.running(tmp_path) is None


def test_one_that_does_not_listen_is_made_to_end(tmp_path: Path) -> None:
    process.spawn(
        tmp_path, ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"], {"PATH": os.defpath}
    )
    while "deaf" not in (tmp_path / "log").read_text():
        pass
    assert process.end(tmp_path, patience=0.2)
    assert process.running(tmp_path) is None


def test_a_number_that_now_means_another_process_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()}\nanother boot 12345\n")
    assert process.running(tmp_path) is None
    assert not process.end(tmp_path)


def test_a_torn_number_file_means_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("")
    assert process.running(tmp_path) is None


def test_a_private_file_is_whole_and_private(tmp_path: Path) -> None:
    process.write_private(tmp_path / "file", "old")
    process.write_private(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
