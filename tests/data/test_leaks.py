"""Columns that would tell the truth are found, whatever way the preparation takes to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_pipeline.chain import Preparation, chain, check, keep, only, writes
from ml_pipeline.columns import Category, Columns, Floats, Mask, Times
from ml_pipeline.data.leaks import ROWS, leaks
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters

TRUTH = ("delay", "landed", "gate")
RECORDS: dict[str, Any] = {
    "miles": np.array([10.0, np.nan, 30.0, 40.0]),
    "delay": np.array([1.0, 2.0, np.nan, 50.0]),
    "landed": np.array(["2024-01-01", "NaT", "2024-01-03", "2024-01-04"], "datetime64[us]"),
    "gate": Category.of(["a", None, "b", "a"]),
    "town": Category.of(["x", "y", None, "x"]),
}


def late(delay: Floats) -> Mask:
    return delay > 15


def speed(miles: Floats, delay: Floats) -> Floats:
    return miles / delay


def twice(miles: Floats) -> Floats:
    return 2 * miles


@writes("day")
def day_of(landed: Times) -> Times:
    return landed + np.timedelta64(1, "D")


def door(gate: Category) -> Category:
    return gate


@only
def landed_at_all(landed: Times) -> Mask:
    return ~np.isnat(landed)


@only
def known_town(town: Category) -> Mask:
    return town.codes >= 0


@check("the delay is no delay")
def plausible(delay: Floats) -> Mask:
    return ~(delay > 40)


@check("the delay is missing")
def delayed(delay: Floats) -> Mask:
    return ~np.isnan(delay)


def _found(*links: Any) -> list[str]:
    class Prepare(Preparation):
        steps = chain(*links)

    return leaks(Prepare, RECORDS, TRUTH, "late")


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ((late, twice, keep("miles", "town", "twice", "late")), []),
        ((late, known_town, twice, keep("miles", "town", "twice", "late")), []),
        ((late, keep("miles", "delay", "gate", "late")), ["delay", "gate"]),
        ((late, speed, keep("speed", "late")), ["speed"]),
        ((late, day_of, door, keep("day", "door", "town", "late")), ["day", "door"]),
        ((late, landed_at_all, twice, keep("miles", "twice", "late")), [ROWS]),
        ((late, plausible, twice, keep("miles", "twice", "late")), [ROWS]),
        ((late, delayed, keep("miles", "late")), [ROWS]),
        ((late, known_town, plausible, speed, keep("speed", "miles", "late")), ["speed", ROWS]),
        ((late,), [*TRUTH]),
    ],
)
def test_what_is_truth_or_follows_from_it_is_named(links: tuple[Any, ...], found: list[str]) -> None:
    assert _found(*links) == found


def test_a_label_may_be_truth_itself() -> None:
    class Prepare(Preparation):
        steps = chain(keep("miles", "delay"))

    assert leaks(Prepare, RECORDS, ["delay"], "delay") == []


class Whole(BaseModel):
    """No chain of functions."""

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> Any:
        return {"miles": x["miles"], "speed": speed(x["miles"], x["delay"])}  # type: ignore[arg-type]


class Chosen(Whole):
    """One that drops rows."""

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> Any:
        return {"miles": x["miles"][~np.isnan(x["delay"])]}  # type: ignore[arg-type]


def test_a_preparation_that_is_no_chain_is_compared_too() -> None:
    assert leaks(Whole, RECORDS, ["delay"], "late") == ["speed"]
    assert leaks(Chosen, RECORDS, ["delay"], "late") == [ROWS]


def test_what_is_given_stays_as_it_is() -> None:
    before = RECORDS["delay"].copy()
    _found(late, speed, keep("speed", "late"))
    assert np.array_equal(RECORDS["delay"], before, equal_nan=True)
