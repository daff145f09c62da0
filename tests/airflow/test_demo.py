"""The day of a demo: the use case's own, or the one that is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from ml_pipeline_airflow import demo as demo_module
from ml_pipeline_airflow.demo import main

from ml_pipeline.discovery import find


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that gets as far as to choose where it runs has gone too far."""
    monkeypatch.setattr(demo_module, "choose", lambda: pytest.fail("it runs"))


def test_a_use_case_without_a_day_must_be_given_one_before_anything_runs(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo"]) == 2
    said = capsys.readouterr()
    assert "UsageError: nothing says as of which day demo is to run. Given: no AS_OF, and no demo.py in" in said.err
    assert "make demo USE_CASE=demo AS_OF=2024-01-31" in said.err
    assert said.out == ""


def test_the_day_that_is_given_counts(demo: Path) -> None:
    assert demo_module._own(find("demo"), "2024-06-16").as_of == "2024-06-16"
    assert demo_module._own(find("demo"), "2024-06-16").prepare() == {}
    assert demo_module._own(find("flights"), "2013-10-01").as_of == "2013-10-01"


def test_flights_has_a_day_of_its_own() -> None:
    own = demo_module._own(find("flights"))
    assert (own.as_of, own.prepare()) == ("2013-09-01", {})
