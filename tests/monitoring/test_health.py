"""Data that are not as they use to be are told of, and data that are stay quiet."""

from __future__ import annotations

from typing import Any

import pytest

from ml_pipeline.monitoring.health import Visit, health


def visit(day: int, rows: int = 1000, **changed: Any) -> Visit:
    return Visit(
        f"2024-02-{day:02d}", rows, **{"set_aside": {"prepare": (0, rows)}, "unmatched": {"planes": 0.15}, **changed}
    )


USUAL = [visit(day, 1000 + 20 * day) for day in range(1, 8)]


def severities(*visits: Visit) -> list[str]:
    return [found.severity for found in health(visits, 0.01)]


def sentences(*visits: Visit) -> str:
    return " ".join(found.sentence for found in health(visits, 0.01) if found.severity == "watch")


def test_what_is_as_usual_is_ok() -> None:
    assert severities(*USUAL, visit(8)) == ["ok", "ok"]


@pytest.mark.parametrize("rows", [300, 5000])
def test_far_fewer_or_more_rows_than_usual_are_to_be_looked_at(rows: int) -> None:
    said = sentences(*USUAL, visit(8, rows))
    assert f"{rows:,} rows were scored as of 2024-02-08, usually 1,080" in said
    assert "see whether the source delivered all of them, and once" in said


def test_a_source_that_matches_no_more_is_named() -> None:
    said = sentences(*USUAL, visit(8, unmatched={"planes": 0.5}))
    assert said == "50.0% of rows have no match in planes, usually 15.0%: see whether planes is up to date."


def test_a_source_that_is_new_has_nothing_usual() -> None:
    assert severities(*USUAL, visit(8, unmatched={"planes": 0.15, "weather": 0.9})) == ["ok", "ok"]


def test_a_quarantine_that_fills_is_to_be_watched_before_it_stops_a_run() -> None:
    said = sentences(*USUAL, visit(8, set_aside={"prepare.flights": (8, 1000), "combine": (1, 1000)}))
    assert said.startswith("prepare.flights set 8 of 1,000 records aside (0.80%, at most 1.00% may be)")
    assert "combine" not in said
    assert sentences(*USUAL, visit(8, set_aside={"prepare.weather": (1, 72)})) == ""


def test_before_there_is_anything_usual_it_is_too_early_to_tell() -> None:
    (found,) = health(USUAL[:3], 0.01)
    assert found.sentence == "Only 2 scoring runs came before that of 2024-02-03: what is usual is not known yet."
    assert found.severity == "ok"
    assert severities() == []
