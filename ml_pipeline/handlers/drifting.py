"""Drift of what the champion predicts from: the last week of scoring runs beside what it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.chain import Chain
from ml_pipeline.config import Monitoring
from ml_pipeline.contract import StageResult
from ml_pipeline.data.profile import Profile, merge
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.monitoring.drift import Drift, drift
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.usual import LEAST, usual

WEEK = 7
"""Scoring runs that are looked at together: days of a week differ, weeks hardly do."""
MOST = 8
"""Columns that are told of; the page has all."""


def drifted(model: type[Chain], runs: Sequence[StageResult], run: StageRun) -> Drift | None:
    """The last week beside the rows that the champion has learnt; what earlier weeks have of it counts as usual.

    None where there is no champion yet, or nothing is stored of what it predicted from. A profile is read for each
    run, and no row.
    """
    champion, limits = run.registry.champion(), (run.config.monitoring or Monitoring()).drift
    profiles = _profiles(runs, run)
    if not champion or not profiles:
        return None
    try:
        reference = run.registry.profile(champion).only(model.inputs())
    except (NotFoundError, IntegrityError) as error:
        return Drift("not comparable", f"What {champion} was trained on is not known: {error}", [])
    weeks = [merge(profiles[at : at + WEEK]) for at in range(len(profiles) - 2 * WEEK + 1)]
    if len(weeks) < LEAST:
        needed = f"it takes {LEAST + 2 * WEEK - 1} scoring runs within the window, and there are {len(profiles)}"
        return Drift("not enough data", f"How far weeks usually are from the training rows is not known: {needed}.", [])
    return drift(reference, merge(profiles[-WEEK:]), limits, usual(reference, weeks, limits.least))


def told(found: Drift | None) -> Iterator[Finding]:
    """Drift is to be watched, whatever its size: what it does to predictions is told once their truth arrives."""
    if found is None:
        return
    if not found.columns:
        yield Finding("ok" if found.severity == "not enough data" else "watch", f"Drift: {found.sentence}")
        return
    yield Finding("ok", f"Drift of the last {WEEK} scoring runs beyond what is usual: {found.sentence}")
    for own in [own for own in found.columns if own.severity in ("watch", "act", "not comparable")][:MOST]:
        yield Finding("watch", f"Drift of {own.sentence}")


def _profiles(runs: Sequence[StageResult], run: StageRun) -> list[Profile]:
    """One for each scoring run whose rows are stored, the oldest first."""
    reads = ((one.as_of, own) for one in runs for own in one.reads)
    keys = {as_of: own.key for as_of, own in reads if own.name == "combined" and not own.passed}
    return [found for key in keys.values() if (found := _profile(key, run))]


def _profile(key: str, run: StageRun) -> Profile | None:
    try:
        return open_dataset(run.store, key).profile()
    except NotFoundError:
        return None
