"""Files of tests that take minutes begin first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LONGEST, _turn

TESTS = Path(__file__).parent


@pytest.mark.parametrize("name", LONGEST)
def test_what_begins_first_is_there(name: str) -> None:
    assert (TESTS / name).exists()


def test_a_file_that_is_named_begins_before_its_folder_and_that_before_all_others() -> None:
    turns = [_turn(TESTS / name) for name in ("e2e/test_main_job.py", "e2e/test_ui.py", "models/test_linear.py")]
    assert turns == sorted(set(turns))
