"""Which runs have scored, by the moment as of which they did: found without opening any other run.

An empty object `scored/<day>/<moment>/<run id>` is left after the predictions of a run; a list of the days of a window
names them all, those of the online service among them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageResult
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.snapshots import folder_name

FOLDER = "scored/"


def note(store: Store, run_id: str, as_of: dt.datetime) -> None:
    """Say that a run has scored; saying it again changes nothing."""
    store.put(f"{_day(as_of)}{folder_name(as_of)}/{run_id}", b"")


def between(archive: Archive, since: dt.datetime, until: dt.datetime) -> list[StageResult]:
    """What serving left in the runs whose as-of is after `since` and not after `until`, oldest first.

    A run that was begun anew and has not served yet counts no more.
    """
    first, last = folder_name(since), folder_name(until)
    found = [key.split("/")[2:] for day in _days(since, until) for key in archive.store.keys(day)]
    runs = [run_id for moment, run_id in sorted(found) if first < moment <= last]
    return [result for result in archive.each(lambda run_id: archive.result(run_id, "serve"), runs) if result]


def later(store: Store, moment: dt.datetime) -> list[str]:
    """The days (UTC, such as 20240207) after that of a moment as of which runs have scored, oldest first."""
    return [day for day in store.folders(FOLDER) if day > folder_name(moment)[:8]]


def _days(since: dt.datetime, until: dt.datetime) -> Iterator[str]:
    for number in range((until.astimezone(dt.UTC).date() - since.astimezone(dt.UTC).date()).days + 1):
        yield _day(since + dt.timedelta(days=number))


def _day(moment: dt.datetime) -> str:
    return f"{FOLDER}{folder_name(moment)[:8]}/"
