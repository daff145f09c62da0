"""Which runs have scored, by the moment as of which they did: found without opening any other run.

An empty object `scored/<day>/<moment>/<run id>` is left after the predictions of a run; a list of the days of a window
names them all, those of the online service among them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageResult, run_key
from ml_pipeline.errors import NotFoundError
from ml_pipeline.handlers.snapshots import folder_name

FOLDER = "scored/"


def note(store: Store, run_id: str, as_of: dt.datetime) -> None:
    """Say that a run has scored; saying it again changes nothing."""
    store.put(f"{_day(as_of)}{folder_name(as_of)}/{run_id}", b"")


def between(store: Store, since: dt.datetime, until: dt.datetime) -> list[StageResult]:
    """What serving left in the runs whose as-of is after `since` and not after `until`, oldest first.

    A run that was begun anew and has not served yet counts no more.
    """
    first, last = folder_name(since), folder_name(until)
    found = [key.split("/")[2:] for day in _days(since, until) for key in store.keys(day)]
    runs = [run_id for moment, run_id in sorted(found) if first < moment <= last]
    with ThreadPoolExecutor(READERS) as readers:
        return [result for result in readers.map(lambda run_id: _result(store, run_id), runs) if result]


def _result(store: Store, run_id: str) -> StageResult | None:
    try:
        return msgspec.json.decode(store.get(run_key(run_id, "serve")), type=StageResult)
    except NotFoundError:
        return None


def _days(since: dt.datetime, until: dt.datetime) -> Iterator[str]:
    for number in range((until.astimezone(dt.UTC).date() - since.astimezone(dt.UTC).date()).days + 1):
        yield _day(since + dt.timedelta(days=number))


def _day(moment: dt.datetime) -> str:
    return f"{FOLDER}{folder_name(moment)[:8]}/"
