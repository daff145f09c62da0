"""Data that are not as they use to be are told of, and data that are stay quiet."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from ml_pipeline.monitoring.health import health, readings
from ml_pipeline.monitoring.visit import COMBINED, Visit

START = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)


def visit(day: int, rows: float = 1000, *, set_aside: Any = None, **planes: float) -> Visit:
    measures = {(COMBINED, "rows"): rows} | {("planes", name): own for name, own in planes.items()}
    return Visit(START + dt.timedelta(days=day - 1), measures, set_aside or {})


USUAL = [visit(day, 1000 + 20 * day, unmatched=0.15, age_hours=1.0 + day / 10, duplicates=0.0) for day in range(1, 8)]


def severities(*visits: Visit) -> list[str]:
    return [found.severity for found in health(visits, 0.01)]


def sentences(*visits: Visit) -> str:
    return " ".join(found.sentence for found in health(visits, 0.01) if found.severity == "watch")


def test_what_is_as_usual_is_a_sentence_for_each_source() -> None:
    found = list(health([*USUAL, visit(8, unmatched=0.2, age_hours=1.5, duplicates=0.0)], 0.01))
    assert [one.severity for one in found] == ["ok", "ok"]
    assert found[0].sentence == "The rows that were scored as of 2024-02-08 04:00: 1,000 rows, usually 1,080."
    assert found[1].sentence == (
        "planes as of 2024-02-08 04:00: 20.0% of rows have no match, usually 15.0%; "
        "the newest record is 1.5 h old, usually 1.4 h and at most 1.7 h."
    )


@pytest.mark.parametrize("rows", [300, 5000])
def test_far_fewer_or_more_rows_than_usual_are_to_be_looked_at(rows: int) -> None:
    said = sentences(*USUAL, visit(8, rows))
    assert f"The rows that were scored as of 2024-02-08 04:00: {rows:,} rows, usually 1,080. " in said
    assert "See whether the source delivered all of them, and once." in said


def test_a_source_that_matches_no_more_is_named() -> None:
    said = sentences(*USUAL, visit(8, unmatched=0.5))
    assert said.startswith("planes as of 2024-02-08 04:00: 50.0% of rows have no match, usually 15.0%. ")
    assert said.endswith("See whether planes is up to date.")


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (3.6, "the newest record is 3.6 h old, usually 1.4 h and at most 1.7 h."),
        (80.0, "the newest record is 3.3 d old"),
        (-2.0, "the newest record is dated 2.0 h after the as-of, usually 1.4 h and at most 1.7 h."),
    ],
)
def test_a_record_that_is_older_than_any_before_or_of_the_future_is_told(age: float, says: str) -> None:
    said = sentences(*USUAL, visit(8, age_hours=age))
    assert says in said
    assert "See whether planes is still delivered, and its clocks are right." in said


def test_ages_within_twice_the_greatest_or_an_hour_are_not() -> None:
    assert sentences(*USUAL, visit(8, age_hours=3.4)) == ""
    young = [visit(day, age_hours=0.1) for day in range(1, 8)]
    assert sentences(*young, visit(8, age_hours=1.0)) == ""
    forecasts = [visit(day, age_hours=-48.0) for day in range(1, 8)]
    assert sentences(*forecasts, visit(8, age_hours=-47.0)) == ""


def test_keys_that_come_twice_and_records_of_the_future_are_told() -> None:
    assert "12.0% of the rows have a key that came before, usually 0.0%." in sentences(
        *USUAL, visit(8, duplicates=0.12)
    )
    live = [visit(day, later=0.0) for day in range(1, 8)]
    assert "40.0% of the records are dated after the as-of, usually 0.0%" in sentences(*live, visit(8, later=0.4))
    backfill = [visit(day, later=0.5 - day / 100) for day in range(1, 8)]
    assert sentences(*backfill, visit(8, later=0.5)) == ""


def test_a_source_that_is_new_has_nothing_usual() -> None:
    newest = visit(8, age_hours=900.0)._replace(measures={(COMBINED, "rows"): 1000.0, ("weather", "age_hours"): 900.0})
    assert severities(*USUAL, newest) == ["ok", "ok"]
    (found,) = (own for own in readings([*USUAL, newest]) if own.source == "weather")
    assert (found.severity, np.isnan(found.usual)) == ("not enough data", True)


def test_every_run_has_its_readings_beside_those_before_it() -> None:
    found = [own for own in readings([*USUAL, visit(8, 100)]) if own.source == COMBINED]
    assert [own.severity for own in found] == ["not enough data"] * 5 + ["ok", "ok", "watch"]
    assert [own.usual for own in found[5:]] == [1060.0, 1070.0, 1080.0]


def test_a_quarantine_that_fills_is_to_be_watched_before_it_stops_a_run() -> None:
    said = sentences(*USUAL, visit(8, set_aside={"prepare.flights": (8, 1000), "combine": (1, 1000)}))
    assert said.startswith("prepare.flights set 8 of 1,000 records aside (0.80%, at most 1.00% may be)")
    assert "combine" not in said
    assert sentences(*USUAL, visit(8, set_aside={"prepare.weather": (1, 72), "ingest.weather": (0, 0)})) == ""


def test_before_there_is_anything_usual_it_is_too_early_to_tell() -> None:
    (found,) = health(USUAL[:3], 0.01)
    assert found.sentence == "Only 2 scoring runs came before that of 2024-02-03 04:00: what is usual is not known yet."
    assert found.severity == "ok"
    assert severities() == []
