"""The flights of 2013 as they went by: a model a night, scoring every day, monitoring every week.

    make year

Each day is done as of its first moment, by the code that Airflow's tasks call, in one process: training, a promotion
where the gate lets the model pass, scoring by the champion, and on Mondays a look at what has become true since. At
first there is January alone, so fewer days are set aside to choose and to judge than in the use case, and the floor
that the first model must reach is lower; and of the few records of one day more may be set aside. A year that was
broken off goes on where it stopped. It ends with docs/year.svg and the figures below the picture.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import Mode, StageRequest, moment
from ml_pipeline.discovery import find
from ml_pipeline.handlers import monitoring_summary
from ml_pipeline.models.metric import interval, shown
from ml_pipeline.run import default_run_id, run
from tests.benchmarks import year_picture, year_rows
from tests.benchmarks.year_picture import Event
from tests.benchmarks.year_rows import Rows

USE_CASE, ZONE = "flights", "America/New_York"
FIRST, LAST = dt.date(2013, 2, 1), dt.date(2013, 12, 31)
ROOT = Path(__file__).parents[2]
FOLDER, PICTURE = ROOT / ".ml-pipeline" / "year", ROOT / "docs" / "year.svg"
SETTINGS: dict[str, Any] = {
    "split.validation": "7d",
    "split.test": "14d",
    "evaluate.floors": {"roc_auc": 0.6, "calibration_error": 0.06},
    "replay": False,
    "quarantine.at_most": "5%",
}
"""What is unlike the use case."""
MONDAY = 0
ANEW = (dt.date(2013, 4, 2), dt.date(2013, 7, 2), dt.date(2013, 10, 1))
"""Nights that are done once more, after the night before and with nothing to reuse."""
METRICS = ("roc_auc", "log_loss", "calibration_error")


def main() -> None:
    """Do all days that are not done; then the picture and the figures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "days.jsonl"
    done = {line["day"] for line in _lines(file)}
    with file.open("a") as log:
        for day in _days():
            if str(day) not in done:
                found = _lived(day)
                print(json.dumps(found), file=log, flush=True)
                print(found["day"], f"{found['seconds']:.1f} s", *found["said"], flush=True)
    lines, found_rows = _lines(file), _rows()
    promoted, seen = _promoted(), [_event(day) for day in _days() if day.weekday() == MONDAY]
    PICTURE.write_text(year_picture.draw(dict(year_rows.weeks(found_rows)), promoted, seen))
    _tell(lines, found_rows, promoted, seen)


def _days() -> Iterator[dt.date]:
    for number in range((LAST - FIRST).days + 1):
        yield FIRST + dt.timedelta(number)


def _lived(day: dt.date) -> dict[str, Any]:
    """What came of a day, and how long it took."""
    began, modes = time.perf_counter(), list[Mode](["offline", "online"])
    modes += ["monitoring"] if day.weekday() == MONDAY else []
    found: dict[str, Any] = {"day": str(day), "modes": {}, "said": []}
    for mode in modes:
        since = time.perf_counter()
        results = run(_order(mode, day))
        states = Counter(one.status for one in results)
        found["modes"][mode] = {"seconds": round(time.perf_counter() - since, 2), **states}
        found["said"] += [note for one in results if one.status == "skipped" for note in one.notes][:1]
    return {**found, "seconds": round(time.perf_counter() - began, 2)}


def _order(mode: Mode, day: dt.date, store: str = "", stages: Sequence[str] = ()) -> StageRequest:
    as_of = moment(str(day), ZONE)
    name, place = default_run_id(mode, as_of), store or str(FOLDER / "store")
    return StageRequest(USE_CASE, mode, tuple(stages), name, as_of, place, parameters=SETTINGS)


def _store() -> Store:
    return Store(str(FOLDER / "store")).within(USE_CASE)


def _rows() -> Rows:
    """All flights that were scored, with what is known two days after the last of them."""
    end = LAST + dt.timedelta(2)
    results = run(_order("monitoring", end, stages=("ingest.flights", "prepare.flights")))
    truth = [own.key for own in results[-1].artifacts]
    return year_rows.rows(_store(), find(USE_CASE), (moment(str(FIRST), ZONE), moment(str(end), ZONE)), truth)


def _promoted() -> list[dt.date]:
    registry = Registry(_store())
    return [dt.date.fromisoformat(registry.model(entry.to).as_of[:10]) for entry in registry.promotions()]


def _event(day: dt.date) -> Event:
    found = monitoring_summary.read(_store(), monitoring_summary.key_of(moment(str(day), ZONE)))
    return Event(day, sum(found.drifted.values()), found.severity)


def _tell(lines: Sequence[dict[str, Any]], rows: Rows, promoted: Sequence[dt.date], seen: Sequence[Event]) -> None:
    found, drifted = rows.measured(), sum(one.drifted > 0 for one in seen)
    severities = ", ".join(f"{count} {name}" for name, count in Counter(one.severity for one in seen).items())
    print(f"{len(lines)} days, {len(rows.y):,} flights scored, {len(promoted)} models promoted")
    print(f"{len(seen)} weekly looks: {drifted} found drift; {severities}")
    for name in METRICS:
        champion, first, difference = (found[which][name] for which in ("metrics", "champion_metrics", "difference"))
        told = f"{shown(difference, champion, sign=True)} ({interval(difference, champion, sign=True)})"
        print(f"{name}: retrained {shown(champion)}, January's {shown(first)}, difference {told}")
    seconds, states = Counter[str](), Counter[str]()
    for mode, own in [pair for line in lines for pair in line["modes"].items()]:
        seconds[mode] += own["seconds"]
        states.update({state: own.get(state, 0) for state in ("done", "reused", "skipped")})
    each = ", ".join(f"{mode} {own / 60:.0f} min" for mode, own in seconds.items())
    print(f"{sum(seconds.values()) / 3600:.2f} h: {each}")
    print("steps:", ", ".join(f"{count:,} {state}" for state, count in states.items()))
    for day in ANEW:
        anew, after = _night(day), _night(day, day - dt.timedelta(1))
        print(f"the night of {day}: {after:.1f} s after the night before, {anew:.1f} s with nothing to reuse")


def _night(day: dt.date, *before: dt.date) -> float:
    """Seconds that a night takes in a store that has seen these only."""
    with tempfile.TemporaryDirectory() as folder:
        for own in before:
            run(_order("offline", own, folder))
        began = time.perf_counter()
        run(_order("offline", day, folder))
        return time.perf_counter() - began


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


if __name__ == "__main__":
    sys.exit(main())
