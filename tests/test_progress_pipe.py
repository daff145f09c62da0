"""How far a stage is, told to the process that started it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import Result

from ml_pipeline.cli.progress_pipe import ProgressPipe
from ml_pipeline.errors import Terminated, UsageError

if TYPE_CHECKING:
    from tests.conftest import Parcels


def test_each_call_is_a_line_at_once() -> None:
    reading, writing = os.pipe()
    with ProgressPipe(writing) as progress, os.fdopen(reading) as lines:
        progress("train", 1, 4)
        assert json.loads(lines.readline()) == {"step": "train", "done": 1, "of": 4}
        progress("train", 2, 4)
        assert json.loads(lines.readline())["done"] == 2


def test_a_reader_that_is_gone_ends_the_stage() -> None:
    reading, writing = os.pipe()
    with ProgressPipe(writing) as progress:
        os.close(reading)
        with pytest.raises(Terminated, match="whoever ordered the stage is gone"):
            progress("train", 1, 4)


def test_a_file_that_is_not_open_is_said_so() -> None:
    with pytest.raises(UsageError, match="progress cannot be written there"):
        ProgressPipe(4096)


def test_the_stage_command_tells_its_progress(parcels: Parcels, command: Callable[..., Result], tmp_path: Path) -> None:
    request = msgspec.json.encode(parcels.request("offline", "ingest", "prepare")).decode()
    said = tmp_path / "said"
    file = os.open(said, os.O_WRONLY | os.O_CREAT)
    answer = command("stage", "--progress-to", file, request)
    assert answer.exit_code == 0, answer.output
    lines = [json.loads(line) for line in said.read_text().splitlines()]
    assert {line["step"] for line in lines} >= {"prepare.parcels"}
    assert all(0 <= line["done"] <= line["of"] for line in lines)
