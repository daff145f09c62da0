"""Drift on the flights of 2013: which months differ, what is raised where nothing changed, what is missed where it did.

    make bench-drift        (or: python -m tests.benchmarks.drift [store])

Profiles are made and compared as in production, with the default limits, of the columns that the model reads. Beside
them stand the two usual rules on the same profiles: the index alone (0.1 and more), and a test alone (p < 0.01).
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Column, take
from ml_pipeline.config import Drift as Limits
from ml_pipeline.contract import StageRequest
from ml_pipeline.data import arrow
from ml_pipeline.data.profile import Profile
from ml_pipeline.data.running_profile import RunningProfile
from ml_pipeline.discovery import find
from ml_pipeline.monitoring.comparison import Comparison
from ml_pipeline.monitoring.drift import Drift, drift
from ml_pipeline.monitoring.usual import usual
from ml_pipeline.run import run

SEEDS = range(20)
SAMPLES = (300, 1000, 4000)
"""Rows of a small run, such as those of an evening, a day and a week."""
RULES = ("ours", "index alone", "test alone")
Columns = Mapping[str, Column]
Chosen = npt.NDArray[np.bool_]
Usual = Mapping[tuple[str, str], float]


def main(store: str) -> None:
    """Print all tables."""
    columns, months, days = _flights(store)
    _months(columns, months)
    _nothing_changed(columns, months, days)
    _periods(columns, months, days)
    _planted(columns, months)


def profile(columns: Columns) -> Profile:
    """As a dataset of these rows would have it."""
    running = RunningProfile()
    running.add(0, arrow.to_table(columns))
    return running.whole()


def _flights(store: str) -> tuple[Columns, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What the model reads of every flight, its month (1 to 12) and its day of the year."""
    as_of, use_case = dt.datetime(2014, 1, 1, tzinfo=dt.UTC), find("flights")
    stages = ("ingest", "prepare", "combine")
    (combined,) = [each for each in run(StageRequest("flights", "offline", stages, "drift", as_of, store))
                   if each.stage == "combine"]  # fmt: skip
    names = list(use_case.load(use_case.config.model).inputs())
    time = use_case.config.time
    found = open_dataset(Store(store).within("flights"), combined.artifacts[0].key).columns([*names, time])
    days = np.asarray(found[time]).astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return {name: found[name] for name in names}, months, days.astype(np.int64)


def _months(columns: Columns, months: npt.NDArray[np.int64]) -> None:
    profiles = {month: profile(take(columns, months == month)) for month in range(1, 13)}
    severities, counts = Counter[str](), Counter[str]()
    print(f"{len(columns)} columns. Columns to watch + to act upon, month (down) beside month of reference (across):\n")
    print("     " + "".join(f"{month:>7}" for month in profiles))
    for month, current in profiles.items():
        line = []
        for other, reference in profiles.items():
            found = drift(reference, current, Limits())
            each = Counter(own.severity for own in found.columns)
            line.append(f"{each['watch']} + {each['act']}" if month != other else "")
            if month < other:
                severities[found.severity] += 1
                counts.update(own.column for own in found.columns if own.severity in ("watch", "act"))
        print(f"{month:>5}" + "".join(f"{cell:>7}" for cell in line))
    print(f"\nof {len(list(combinations(profiles, 2)))} pairs: {dict(severities)}")
    print("pairs in which a column differs: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))


def _nothing_changed(columns: Columns, months: npt.NDArray[np.int64], days: npt.NDArray[np.int64]) -> None:
    """How many of the comparisons, and how many of the columns in them, are raised by each rule."""
    print(f"\n{'nothing changed':38}" + "".join(f"{rule:>26}" for rule in RULES))
    _raised(
        "two random halves of a month", (_halves(columns, months == m, seed) for m in range(1, 13) for seed in SEEDS)
    )
    for size in SAMPLES:
        pairs = (_sampled(columns, months == m, size, seed) for m in range(1, 13) for seed in SEEDS)
        _raised(f"{size:,} random rows beside the others", pairs)
    odd = ((take(columns, (months == m) & (days % 2 == 1)), take(columns, (months == m) & (days % 2 == 0)))
           for m in range(1, 13))  # fmt: skip
    _raised("odd beside even days of a month", odd)


def _raised(name: str, pairs: Iterator[tuple[Columns, Columns]]) -> None:
    comparisons, looked, alarms, raised, worst = 0, 0, Counter[str](), Counter[str](), Counter[str]()
    for reference, current in pairs:
        judged = Judged.of(profile(reference), profile(current))
        comparisons, looked = comparisons + 1, looked + len(judged.found.columns)
        for rule, columns in judged.raised.items():
            alarms[rule] += bool(columns)
            raised[rule] += len(columns)
        worst.update(judged.raised["ours"])
    cells = [f"{alarms[rule]}/{comparisons}, {raised[rule]}/{looked}" for rule in RULES]
    print(f"{name:38}" + "".join(f"{cell:>26}" for cell in cells) + (f"  ({dict(worst)})" if worst else ""))


def _halves(columns: Columns, chosen: Chosen, seed: int) -> tuple[Columns, Columns]:
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(chosen))
    return take(columns, rows[: len(rows) // 2]), take(columns, rows[len(rows) // 2 :])


def _sampled(columns: Columns, chosen: Chosen, size: int, seed: int) -> tuple[Columns, Columns]:
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(chosen))
    return take(columns, rows[size:]), take(columns, rows[:size])


def _periods(columns: Columns, months: npt.NDArray[np.int64], days: npt.NDArray[np.int64]) -> None:
    """Days, and weeks, beside eight months, without and with what is usual: every other one says what that is."""
    reference = profile(take(columns, months <= 8))
    print(f"\n{'periods that raise something':38}{'independent rows':>26}{'beside usual periods':>26}")
    for period, length in (("days", 1), ("weeks", 7)):
        numbers = days // length
        each = {own: profile(take(columns, numbers == own)) for own in np.unique(numbers).tolist()}
        early = {own: months[numbers == own].max() <= 8 for own in each}
        known = usual(reference, [each[own] for own in each if early[own] and own % 2 == 0], Limits().least)
        for name, is_early in (("January to August", True), ("September to December", False)):
            judged = [each[own] for own in each if early[own] == is_early and own % 2 == 1]
            for severity in ("watch", "act"):
                cells = [_counted(reference, judged, own_usual, severity) for own_usual in ({}, known)]
                print(f"{f'odd {period}, {name}: {severity}':38}" + "".join(f"{cell:>26}" for cell in cells))


def _counted(reference: Profile, judged: list[Profile], own_usual: Usual, severity: str) -> str:
    found = [drift(reference, own, Limits(), own_usual) for own in judged]
    raised = sum(sum(column.severity == severity for column in one.columns) for one in found)
    return f"{sum(one.severity == severity for one in found)}/{len(found)}, {raised} columns"


def _planted(columns: Columns, months: npt.NDArray[np.int64]) -> None:
    """One column of one half of a month is changed: how often each rule names it, of all columns and months."""
    print(f"\n{'one column changed':38}" + "".join(f"{rule:>26}" for rule in RULES) + f"{'to act upon':>14}")
    numbers = [name for name, own in columns.items() if not isinstance(own, Category) and _spread(own) > 0]
    words = [name for name, own in columns.items() if isinstance(own, Category)]
    for size in (1000, 0):
        rows = f"{size:,} rows" if size else "half a month"
        for by in (0.1, 0.25, 0.5):
            _found(
                f"{rows}: shifted by {by} sd",
                columns,
                months,
                numbers,
                size,
                lambda own, rng, by=by: own + by * _spread(own),
            )
        for share in (0.01, 0.05, 0.2):
            _found(f"{rows}: {share:.0%} a new word", columns, months, words, size,
                   lambda own, rng, share=share: _with_word(own, rng.random(len(own)) < share))  # fmt: skip
        for share in (0.01, 0.05, 0.2):
            _found(f"{rows}: {share:.0%} more missing", columns, months, numbers + words, size,
                   lambda own, rng, share=share: _without(own, rng.random(len(own)) < share))  # fmt: skip


def _found(
    name: str,
    columns: Columns,
    months: npt.NDArray[np.int64],
    names: list[str],
    size: int,
    change: Callable[..., Column],
) -> None:
    found, acted, tried = Counter[str](), 0, 0
    for month in range(1, 13, 3):
        chosen = months == month
        before, after = _sampled(columns, chosen, size, month) if size else _halves(columns, chosen, month)
        reference, rng = profile(before), np.random.default_rng(month)
        same = profile(after)
        for column in names:
            one = {column: change(after[column], rng)}
            judged = Judged.of(reference, Profile(same.rows, same.columns | profile(one).columns))
            tried += 1
            found.update(rule for rule, raised in judged.raised.items() if column in raised)
            acted += any(own.column == column and own.severity == "act" for own in judged.found.columns)
    print(f"{name:38}" + "".join(f"{f'{found[rule]}/{tried}':>26}" for rule in RULES) + f"{f'{acted}/{tried}':>14}")


def _spread(values: Column) -> float:
    return float(np.nanstd(np.asarray(values, np.float64)))


def _with_word(words: Category, rows: Chosen) -> Category:
    return Category(
        np.where(rows, len(words.vocabulary), words.codes).astype(np.int32), (*words.vocabulary, "never seen")
    )


def _without(column: Column, rows: Chosen) -> Column:
    if isinstance(column, Category):
        return Category(np.where(rows, -1, column.codes).astype(np.int32), column.vocabulary)
    return np.where(rows, np.nan, column)


class Judged(NamedTuple):
    """The drift between two profiles, and the columns that each rule raises."""

    found: Drift
    raised: dict[str, list[str]]

    @classmethod
    def of(cls, reference: Profile, current: Profile) -> Judged:
        found = drift(reference, current, Limits())
        effects = {name: {effect.name: effect for effect in Comparison.of(own, current.columns[name]).effects}
                   for name, own in reference.columns.items()}  # fmt: skip
        index = [name for name, own in effects.items() if "psi" in own and own["psi"].value >= 0.1]
        test = [name for name, own in effects.items() if "psi" in own and own["psi"].chance < 0.01]
        ours = [own.column for own in found.columns if own.severity in ("watch", "act")]
        return cls(found, dict(zip(RULES, (ours, index, test), strict=True)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(folder)
