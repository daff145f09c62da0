"""What the columns held that the model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, number, percent
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import spaced

MANY = 1000
"""Words of which none is frequent, so that there are probably as many as rows."""
WORDS = 5
"""Frequent words that are shown."""
Described = Mapping[str, Any]


def section(profile: Mapping[str, Described]) -> Markup:
    """A table for each kind of column."""
    if not profile:
        return tag("p", "No profile was stored with this model.")
    return join([_numbers(_of(profile, "number")), _categories(_of(profile, "category")), _times(_of(profile, "time"))])


def _of(profile: Mapping[str, Described], kind: str) -> dict[str, Described]:
    return {name: own for name, own in profile.items() if own["kind"] == kind}


def _numbers(profile: Mapping[str, Described]) -> Markup:
    shares = next((list(own["quantiles"]) for own in profile.values() if "quantiles" in own), [])
    columns = ("Column", "Missing", "Mean", "Std. dev.", "Min", *shares, "Max")
    rows = [Row(spaced(name), [_missing(own), *_values(own, shares)]) for name, own in profile.items()]
    return table("Numbers, with quantiles", columns, rows) if rows else Markup()


def _values(own: Described, shares: list[str]) -> list[str]:
    quantiles = own.get("quantiles", {})
    values = [
        own.get("mean"),
        own.get("sd"),
        own.get("min"),
        *(quantiles.get(share) for share in shares),
        own.get("max"),
    ]
    return [number(value) for value in values]


def _categories(profile: Mapping[str, Described]) -> Markup:
    rows = [
        Row(spaced(name), [_missing(own), f"{own.get('distinct', 0):,}", tag("span", _frequent(own), class_="words")])
        for name, own in profile.items()
    ]
    return table("Words", ("Column", "Missing", "Distinct", "Most frequent"), rows) if rows else Markup()


def _frequent(own: Described) -> str:
    """The first few with their shares, unless every row has a value of its own."""
    if _is_key(own):
        return "different in every row"
    words = list(own.get("frequent", {}).items())[:WORDS]
    return ", ".join(f"{word or '(empty)'} {percent(share)}" for word, share in words) or NONE


def _is_key(own: Described) -> bool:
    """Whether no word repeats, as far as a profile tells, which counts many words approximately."""
    known, distinct = own["rows"] - own["missing"], own.get("distinct", 0)
    repeats = any(share * own["rows"] > 1.5 for share in own.get("frequent", {}).values())
    return known > 1 and not repeats and (distinct > 0.8 * known or distinct > MANY)


def _times(profile: Mapping[str, Described]) -> Markup:
    rows = [
        Row(
            spaced(name),
            [
                _missing(own),
                *(str(own.get(end, NONE)).replace("T", " ").removesuffix("Z") for end in ("first", "last")),
            ],
        )
        for name, own in profile.items()
    ]
    return table("Moments, in UTC", ("Column", "Missing", "First", "Last"), rows) if rows else Markup()


def _missing(own: Described) -> str:
    return percent(own["missing"] / own["rows"]) if own["rows"] else NONE
