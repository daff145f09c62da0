"""The table of peers: what it calls wrong, and that under three faults nothing of ours is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.peers_case import Seen
from tests.faults.peers_faults import FAULTS, Fault
from tests.faults.peers_table import errors, phrases, table

ROOT = Path(__file__).parents[2]
PATIENCE = 300
FAULT = Fault("it breaks", "done", None, "broken")
FINE = Seen("success", 1, True, 1, 1, 1, [], [], [], False)


def wrong(**seen: Any) -> list[str]:
    return [phrase.text for phrase in phrases(FAULT, FINE._replace(**seen)) if phrase.wrong]


def test_success_with_a_result_and_failure_without_are_right() -> None:
    assert wrong() == []
    assert wrong(state="failed", finished=False, published=0, left=["kept"], errors=["it is broken"]) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"finished": False, "published": 0}, "success, although the work was not done"),
        ({"state": "failed", "tries": 2}, "failed at try 2, although the work was done"),
        ({"state": "nothing told", "finished": False}, "nothing told"),
        ({"runs": 2, "at_once": 2}, "2 at once"),
        ({"published": 2}, "published 2 times"),
        ({"left": ["running", "kept", "running"]}, "2 left running"),
        ({"errors": ["exit code 1", "who knows"]}, "does not say why"),
        ({"leaks": ["XCom", "log"]}, "secret in XCom and log"),
        ({"hung": True}, "hung"),
    ],
)
def test_what_should_not_be_so_is_wrong(seen: dict[str, Any], said: str) -> None:
    assert wrong(**seen) == [said]


def test_a_row_tells_both_tasks_apart_and_an_error_is_one_line() -> None:
    found = {FAULT: [FINE._replace(finished=False, errors=["Oops: a\n| b", "broken"]), FINE]}
    assert table(found).splitlines()[2] == (
        "| it breaks | **wrong**: **success, although the work was not done**; ran once; nothing left;"
        " says why only in the traceback | right: success; ran once; nothing left |"
    )
    assert errors(found).splitlines()[2] == r"| it breaks | Oops: a \| b |  |"


@pytest.mark.airflow
@pytest.mark.containers
def test_ours_is_right_under_three_faults_and_the_table_says_what_was_seen() -> None:
    rows = [1, 3, 6]
    command = [sys.executable, "-m", "tests.faults.peers", "--only", *map(str, rows)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [line.strip("| ").split(" | ") for line in done.stdout.split("\n\n")[1].splitlines()[2:]]
    assert [name for name, *_ in cells] == [FAULTS[row - 1].name for row in rows]
    assert [ours for _, _, ours in cells] == [
        "right: success at try 2; ran once; nothing left",
        "right: success at try 2; ran 2 times; nothing left; says why",
        "right: failed at try 2; ran 2 times; 2 kept to be looked at; says why",
    ]
