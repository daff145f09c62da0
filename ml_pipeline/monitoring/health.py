"""Whether the data of scoring runs are as they use to be: how many rows, how many set aside, how many found a match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from ml_pipeline.monitoring.severity import Finding

USUAL = 5
"""Earlier runs from which on it is known what is usual."""
FEWER, MORE = 0.5, 2.0
"""Times the usual number of rows: beyond these somebody should look. Weekends and holidays lie well within."""
FURTHER = 0.1
"""Points by which the share of rows without a match may rise above the usual one."""
SEVERAL = 5
"""Records set aside below which their share says nothing."""
NEAR = 0.5
"""Share of what the quarantine may hold from which on it is to be watched."""


class Visit(NamedTuple):
    """What one scoring run saw: combined rows; by step those set aside and all; by source the share without a match."""

    as_of: str
    rows: int
    set_aside: Mapping[str, tuple[int, int]]
    unmatched: Mapping[str, float]


def health(visits: Sequence[Visit], at_most: float) -> Iterator[Finding]:
    """What there is to say of the newest run beside those before it.

    Args:
        visits: Oldest first.
        at_most: The share that may be set aside, as `quarantine.at_most` says.
    """
    if not visits:
        return
    *earlier, last = visits
    yield from _quarantined(last, at_most)
    if len(earlier) < USUAL:
        sentence = f"Only {len(earlier)} scoring runs came before that of {last.as_of}: what is usual is not known yet."
        yield Finding("ok", sentence)
        return
    yield _volume(last, median(visit.rows for visit in earlier))
    for source, found in last.unmatched.items():
        usual = [visit.unmatched[source] for visit in earlier if source in visit.unmatched]
        if usual:
            yield _matches(source, found, median(usual))


def _quarantined(last: Visit, at_most: float) -> Iterator[Finding]:
    for step, (aside, rows) in last.set_aside.items():
        if aside >= SEVERAL and aside / rows > NEAR * at_most:
            told = f"{step} set {aside:,} of {rows:,} records aside ({aside / rows:.2%}, at most {at_most:.2%} may be)"
            yield Finding("watch", f"{told}: `ml-pipeline rejects` shows them.")


def _volume(last: Visit, usual: float) -> Finding:
    told = f"{last.rows:,} rows were scored as of {last.as_of}, usually {usual:,.0f}"
    if not FEWER * usual <= last.rows <= MORE * usual:
        return Finding("watch", f"{told}: see whether the source delivered all of them, and once.")
    return Finding("ok", f"{told}.")


def _matches(source: str, found: float, usual: float) -> Finding:
    told = f"{found:.1%} of rows have no match in {source}, usually {usual:.1%}"
    if found > usual + FURTHER:
        return Finding("watch", f"{told}: see whether {source} is up to date.")
    return Finding("ok", f"{told}.")
