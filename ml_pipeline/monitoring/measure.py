"""What is measured of a source in a scoring run: in words, and when it is not as it uses to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

FEWER, MORE = 0.5, 2.0
"""Times the usual number of rows: beyond these somebody should look. Weekends and holidays lie well within."""
FURTHER = 0.1
"""Points by which a share of rows without a match, or dated later, may rise above the usual one."""
TWICE = 0.01
"""Points by which a share of rows whose key came before may rise: what is delivered again doubles its rows."""
OLDER, AT_LEAST = 2.0, 1.0
"""Times the greatest age before, and hours beyond it: a record that is older than both is late."""
DAYS = 48
"""Hours from which on an age is told in days."""
Before = Sequence[float]


class Measure(NamedTuple):
    """Of a value and those of the runs before it: whether it is off, and a clause about both; what to see then."""

    is_off: Callable[[float, Before], bool]
    told: Callable[[float, Before], str]
    see: str


def lasting(hours: float) -> str:
    """Hours, or of many of them days.

    >>> lasting(1.5), lasting(72.0)
    ('1.5 h', '3.0 d')
    """
    return f"{hours / 24:,.1f} d" if abs(hours) >= DAYS else f"{hours:.1f} h"


def _rows_are_off(value: float, before: Before) -> bool:
    return not FEWER * median(before) <= value <= MORE * median(before)


def _rows(value: float, before: Before) -> str:
    return f"{value:,.0f} rows" + (f", usually {median(before):,.0f}" if before else "")


def _is_late(value: float, before: Before) -> bool:
    """Or of the future, where none was before."""
    most = max(before)
    return value > max(OLDER * most, most + AT_LEAST) or value < 0.0 <= min(before)


def _age(value: float, before: Before) -> str:
    told = f"the newest record is {_old(value)}"
    return told + (f", usually {lasting(median(before))} and at most {lasting(max(before))}" if before else "")


def _old(hours: float) -> str:
    return f"{lasting(hours)} old" if hours >= 0.0 else f"dated {lasting(-hours)} after the as-of"


def _above(points: float) -> Callable[[float, Before], bool]:
    return lambda value, before: value > median(before) + points


def _share(what: str) -> Callable[[float, Before], str]:
    return lambda value, before: f"{value:.1%} {what}" + (f", usually {median(before):.1%}" if before else "")


MEASURES: Mapping[str, Measure] = {
    "rows": Measure(_rows_are_off, _rows, "See whether the source delivered all of them, and once."),
    "age_hours": Measure(_is_late, _age, "See whether {source} is still delivered, and its clocks are right."),
    "later": Measure(
        _above(FURTHER),
        _share("of the records are dated after the as-of"),
        "See whether the clocks of {source} are right.",
    ),
    "set_aside": Measure(_above(FURTHER), _share("of the records were set aside"), "`ml-pipeline rejects` shows them."),
    "duplicates": Measure(
        _above(TWICE), _share("of the rows have a key that came before"), "See whether {source} was delivered twice."
    ),
    "unmatched": Measure(_above(FURTHER), _share("of rows have no match"), "See whether {source} is up to date."),
}
"""By name, as the dataset `health` has them."""
