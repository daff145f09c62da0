"""Every command of the README is one that works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ml_pipeline.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.partition("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
OURS = [command for command in COMMANDS if command.startswith("ml-pipeline ")]
TARGETS = [command for command in COMMANDS if command.startswith("make ")]


def test_the_readme_shows_only_commands_that_are_tried_here() -> None:
    assert sorted(COMMANDS) == sorted(OURS + TARGETS)
    assert {"make demo", "make test"} <= set(TARGETS)


@pytest.mark.parametrize("command", TARGETS)
def test_a_make_target_is_there(command: str) -> None:
    done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.records
def test_our_commands_run_one_after_the_other(tmp_path: Path) -> None:
    assert OURS
    (tmp_path / "use_cases").mkdir()
    places = {"ML_PIPELINE_STORE": str(tmp_path / "store"), "ML_PIPELINE_USE_CASES": str(tmp_path / "use_cases")}
    runner = CliRunner(env=places)
    for command in OURS:
        done = runner.invoke(main, command.split()[1:])
        assert done.exit_code == 0, f"{command}: {done.output}"


def test_the_picture_is_the_graph_that_runs() -> None:
    drawn = CliRunner().invoke(main, ["graph", "flights", "--format", "svg"])
    assert drawn.exit_code == 0
    assert (ROOT / "docs" / "services.svg").read_text(encoding="utf-8").strip() == drawn.output.strip()
