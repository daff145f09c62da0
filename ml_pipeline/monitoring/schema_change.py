"""Columns of sources that came, went or became of another kind between scoring runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.visit import Visit, called

RECENT = 7
"""Scoring runs for which a change is to be watched; it is told of as long as the window shows it."""


class Change(NamedTuple):
    """A column that is, from a run on, what it never was before; `before` or `now` is empty where there is none."""

    source: str
    column: str
    before: str
    now: str
    since: dt.datetime
    recent: bool

    def finding(self) -> Finding:
        """What, and since which run; a column that came harms nobody."""
        told = (
            f"{called(self.source)}: since the scoring run as of {self.since:%Y-%m-%d %H:%M} the column {self.column}"
        )
        if not self.before:
            return Finding("ok", f"{told} is there, {self.now}.")
        told += f" is {self.now or 'gone'}, and was {self.before} before."
        return Finding("watch", f"{told} See what delivers it in another form.") if self.recent else Finding("ok", told)


def changes(visits: Sequence[Visit]) -> Iterator[Change]:
    """Of all runs, oldest first; what comes and goes is no change."""
    recent = {visit.as_of for visit in visits[-RECENT:]}
    for source in dict.fromkeys(source for visit in visits for source in visit.kinds):
        seen = [(visit.as_of, visit.kinds[source]) for visit in visits if source in visit.kinds]
        for column in dict.fromkeys(name for _, kinds in seen for name in kinds):
            kinds = [own.get(column, "") for _, own in seen]
            if at := _since(kinds):
                yield Change(source, column, kinds[at - 1], kinds[-1], seen[at][0], seen[at][0] in recent)


def _since(kinds: Sequence[str]) -> int:
    """The place from which on all are as the last one, and before which none is; 0 where there is no such place.

    >>> _since(["a", "a", "b", "b"]), _since(["a", "b", "a"]), _since(["a"])
    (2, 0, 0)
    """
    first = kinds.index(kinds[-1])
    return first if len(set(kinds[first:])) == 1 else 0
