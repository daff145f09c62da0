"""What was understood of a file, in a few lines for the person who knows it better."""

from __future__ import annotations

from collections.abc import Iterator

from ml_pipeline.scaffold.draft import Draft
from ml_pipeline.scaffold.table import Column

SHOWN = 6
"""Columns that a line names."""
AT_MOST = 0.01
"""Share of the records that a run sets aside before it stops: `quarantine` of a draft."""


def understood(draft: Draft) -> list[str]:
    """The lines."""
    parts = (_parts, _renamed, _leaks, _missing, _unread, _local, _set_aside)
    return [line for part in parts for line in part(draft)]


def _parts(draft: Draft) -> Iterator[str]:
    kinds = {"number": "column of numbers", "level": "column of categories", "text": "column of texts"}
    counts = [_count(len(draft.features(role)), word) for role, word in kinds.items()]
    yield f"{draft.rows:,} records were looked at; learnt from: {', '.join(counts)}"
    left = [column for column in draft.columns.values() if column.name in draft.left_out()]
    if left:
        yield f"left out: {_some([f'{column.name} ({reason(column)})' for column in left])}"


def reason(column: Column) -> str:
    """Why a column is left out."""
    return "a moment; make a number of it" if column.role == "time" else column.why


def _renamed(draft: Draft) -> Iterator[str]:
    if draft.names:
        yield f"names that code can use: {_some([f'{own} for {there!r}' for own, there in draft.names.items()])}"


def _leaks(draft: Draft) -> Iterator[str]:
    for name in draft.truth():
        yield f"{name} gives the label away: it stands in truth and is not learnt from; check"


def _missing(draft: Draft) -> Iterator[str]:
    if draft.missing:
        yield f"taken for no value, in every column: {_some(list(map(repr, draft.missing)))}"


def _unread(draft: Draft) -> Iterator[str]:
    for column in draft.typed():
        if column.unread:
            kind = "moment" if column.type == "timestamp" else "number"
            values = _count(column.unread, "value")
            yield f"{column.name}: {values} cannot be read as a {kind}, such as {column.example!r}"


def _local(draft: Draft) -> Iterator[str]:
    names = [f"{column.name} ({column.local:,})" for column in draft.typed() if column.local]
    if names:
        yield f"times without an offset are taken as UTC: {_some(names)}"


def _set_aside(draft: Draft) -> Iterator[str]:
    if draft.broken:
        why, line = draft.broken[0]
        text = ",".join(map(str, line.values())) if isinstance(line, dict) else str(line)
        yield f"{_count(len(draft.broken), 'line')} set aside as no record, such as {text[:60]!r}: {why}"
    if draft.duplicates:
        yield f"{_count(draft.duplicates, 'row')} without {draft.asked.key}, or with that of a later row, which counts"
    unread = sum(column.unread for column in draft.typed()) + len(draft.broken)
    if unread > AT_MOST * draft.rows:
        yield (
            f"records with such values or lines are set aside, and a run stops at more than {AT_MOST:.0%} of them: "
            "add words that stand for no value to missing=… in sources.py, mend the file, or raise quarantine in "
            "pipeline.yaml"
        )


def _count(number: int, things: str) -> str:
    """
    >>> _count(1, "column of texts"), _count(2000, "column of texts")
    ('1 column of texts', '2,000 columns of texts')
    """
    first, *rest = things.split(" ")
    return " ".join([f"{number:,}", first if number == 1 else f"{first}s", *rest])


def _some(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
