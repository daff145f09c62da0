"""A column that is what it never was before is told, with the run since which it is; one that comes and goes is not."""

from __future__ import annotations

import datetime as dt

from ml_pipeline.monitoring.schema_change import changes
from ml_pipeline.monitoring.visit import Visit

START = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)


def told(*kinds: dict[str, str] | None) -> list[tuple[str, str]]:
    """Of runs that saw such columns of one source; None where nothing is known."""
    visits = [Visit(START + dt.timedelta(days=day), {}, {}, {"weather": own} if own is not None else {})
              for day, own in enumerate(kinds)]  # fmt: skip
    return [(one.severity, one.sentence) for one in (own.finding() for own in changes(visits))]


TEMPERATURE = {"temperature": "a number"}
SINCE = "weather: since the scoring run as of 2024-02-03 04:00 the column"
SEE = "See what delivers it in another form."


def test_nothing_is_said_of_columns_that_stay() -> None:
    assert told() == []
    assert told(TEMPERATURE) == []
    assert told(TEMPERATURE, TEMPERATURE, None, TEMPERATURE) == []


def test_a_column_that_came_harms_nobody() -> None:
    assert told({}, {}, TEMPERATURE) == [("ok", f"{SINCE} temperature is there, a number.")]


def test_a_column_that_went_or_is_of_another_kind_is_to_be_watched() -> None:
    assert told(TEMPERATURE, TEMPERATURE, {}) == [
        ("watch", f"{SINCE} temperature is gone, and was a number before. {SEE}")
    ]
    other = {"temperature": "a category"}
    assert told(TEMPERATURE, TEMPERATURE, other, other) == [
        ("watch", f"{SINCE} temperature is a category, and was a number before. {SEE}")
    ]


def test_what_comes_and_goes_is_no_change() -> None:
    empty = {"temperature": "without any value"}
    assert told(TEMPERATURE, empty, TEMPERATURE, empty) == []


def test_a_change_is_told_of_as_long_as_the_window_shows_it_and_watched_for_a_week() -> None:
    assert told(TEMPERATURE, TEMPERATURE, *[{}] * 8) == [
        ("ok", f"{SINCE} temperature is gone, and was a number before.")
    ]
