"""What the page Models draws of data and drift over time."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

from ml_pipeline_airflow.models_page.data import data
from ml_pipeline_airflow.models_page.drift import drift


def line(day: int, source: str, measure: str, value: float, **more: Any) -> dict[str, Any]:
    """A row of the dataset `health`."""
    plain = {"column": None, "usual": math.nan, "severity": "ok", **more}
    at = dt.datetime(2024, 2, day, 4, tzinfo=dt.UTC).replace(tzinfo=None)
    return {"as_of": at, "source": source, "measure": measure, "value": value, **plain}


def psi(day: int, column: str, value: float, severity: str = "ok") -> dict[str, Any]:
    """How far a column had moved."""
    return line(day, "combined", "psi", value, column=column, severity=severity)


def test_the_three_columns_that_are_farthest_at_the_end_are_drawn_and_named_by_their_strokes() -> None:
    moved = {"calm": 0.01, "wind": 0.4, "rain_mm": 0.3, "snow": 0.2}
    lines = [psi(day, name, value * day) for day in (1, 2) for name, value in moved.items()]
    shown = drift([*lines, psi(1, "gone", 9.0)])
    assert "Solid: wind. Dashed: rain mm. Dotted: snow." in shown
    assert [shown.count(f'class="line {kind}"') for kind in ("candidate", "champion", "guide")] == [1, 1, 1]
    assert "At the end: wind 0.8; rain mm 0.6; snow 0.4." in shown


def test_columns_that_drifted_are_counted_and_weeks_of_which_too_little_is_known_left_out() -> None:
    early = [psi(1, name, 0.5, "not enough data") for name in ("wind", "rain")]
    late = [psi(day, name, 0.5, "watch") for day in (2, 3) for name in ("wind", "rain")]
    assert "What is usual is not known yet" in drift(early)
    shown = drift([*early, *late])
    assert shown.count('class="bar candidate"') == 2
    assert "2 at the end." in shown


def test_the_last_scoring_run_stands_beside_what_is_usual_and_says_what_is_off() -> None:
    usual = [line(1, "weather", "age_hours", 1.0), line(1, "combined", "rows", 50.0)]
    off = line(2, "weather", "age_hours", 30.0, usual=1.0, severity="watch")
    shown = data([*usual, off, line(2, "combined", "rows", 48.0, usual=50.0)])
    text = re.sub("<[^>]+>", " ", shown)
    assert "The scoring run as of 2024-02-02 04:00 UTC, beside what is usual" in text
    assert re.search(r"weather\s+–\s+30.0 h\s+usually\s+1.0 h\s+! watch", text)
    assert re.search(r"combined\s+48\s+usually\s+50\s", text)


def test_shares_that_are_0_all_the_time_are_not_drawn() -> None:
    shares = [line(day, source, "set_aside", 0.0) for day in (1, 2) for source in ("parcels", "traffic")]
    assert "<svg" not in data(shares)
    assert "Solid: duplicate keys, traffic." in data([*shares, line(2, "traffic", "duplicates", 0.1)])


def test_where_nothing_is_stored_it_says_so() -> None:
    assert "Nothing is stored" in drift([])
    assert "Nothing is stored" in data([])
