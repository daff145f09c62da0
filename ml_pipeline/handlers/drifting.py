"""Drift of what models predict from, of what they predict and of what becomes true, a week beside a reference."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ml_pipeline.chain import Chain
from ml_pipeline.config import Drift as Limits
from ml_pipeline.contract import StageResult
from ml_pipeline.data.profile import Profile, merge
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.monitoring.drift import Drift, drift
from ml_pipeline.monitoring.history import Line, of_drift
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.usual import LEAST, usual
from ml_pipeline.monitoring.visit import COMBINED

WEEK = 7
"""Scoring runs, or days, that are looked at together: days of a week differ, weeks hardly do."""
MOST = 8
"""Columns that are told of; the page has all."""
NEEDED = LEAST + 2 * WEEK - 1
PREDICTIONS, TRUTH = "predictions", "truth"
SUBJECTS = {
    COMBINED: f"Drift of the last {WEEK} scoring runs from the training rows",
    PREDICTIONS: f"Drift of predictions of the last {WEEK} days from those of the test rows",
    TRUTH: f"Drift of the labels of the last {WEEK} days that are mature from those of the training rows",
}
"""What is compared with what, by the name that it has in the dataset `health`."""
Profiles = Mapping[dt.datetime, Profile]


class Drifted(NamedTuple):
    """The last week of something, and a line for each of its weeks, column and effect."""

    source: str
    drift: Drift
    lines: Sequence[Line] = ()


def of_inputs(model: type[Chain], archive: Archive, runs: Sequence[StageResult], run: StageRun) -> Drifted | None:
    """What was scored beside the rows that the champion has learnt.

    None where there is no champion yet, or nothing is stored of what it predicted from. A profile is read for each
    run, and no row.
    """
    champion, profiles = run.registry.champion(), _of_runs(archive, runs)
    if not champion or not profiles:
        return None
    try:
        reference = run.registry.profile(champion).only(model.inputs())
    except (NotFoundError, IntegrityError) as error:
        return Drifted(COMBINED, Drift("not comparable", f"What {champion} was trained on is not known: {error}", []))
    return _weekly(COMBINED, reference, profiles, run)


def of_predictions(by_model: Mapping[str, Profiles], run: StageRun) -> Drifted | None:
    """What was predicted beside what the same models predicted of their test rows, each of them once.

    None where nothing was predicted.
    """
    days = _together(by_model.values())
    if not days:
        return None
    last = set(sorted(days)[-WEEK:])
    versions = [version for version, own in sorted(by_model.items()) if last & own.keys()]
    references, unknown = [], list[str]()
    for version in versions:
        try:
            references.append(run.registry.predictions(version))
        except NotFoundError:
            unknown.append(version)
        except IntegrityError as error:
            told = f"What {version} predicted of its test rows is not known: {error}"
            return Drifted(PREDICTIONS, Drift("not comparable", told, []))
    if not references:
        told = f"{', '.join(unknown)} was evaluated before this was kept. The next model that is trained has it."
        return Drifted(PREDICTIONS, Drift("not enough data", told, []))
    return _weekly(PREDICTIONS, merge(references), days, run)


def of_truth(by_model: Mapping[str, Profiles], run: StageRun) -> Drifted | None:
    """Labels of days that are mature beside those that the champion has learnt; None where there are none."""
    champion, days = run.registry.champion(), _together(by_model.values())
    if not champion or not days:
        return None
    try:
        reference = run.registry.profile(champion).only([run.config.label])
    except (NotFoundError, IntegrityError):
        return None  # of_inputs tells it
    return _weekly(TRUTH, reference, days, run)


def told(found: Drifted | None) -> Iterator[Finding]:
    """Drift is to be watched, whatever its size: what it does to predictions is told once their truth arrives."""
    if found is None:
        return
    subject, own = SUBJECTS[found.source], found.drift
    if not own.columns:
        yield Finding("ok" if own.severity == "not enough data" else "watch", f"{subject}: {own.sentence}")
        return
    yield Finding("ok", f"{subject}, beyond what is usual: {own.sentence}")
    what = "" if found.source == COMBINED else f"{found.source}, "
    for each in [each for each in own.columns if each.severity in ("watch", "act", "not comparable")][:MOST]:
        yield Finding("watch", f"Drift of {what}{each.sentence}")


def _weekly(source: str, reference: Profile, days: Profiles, run: StageRun) -> Drifted:
    """Every week beside a reference; what the weeks have of it that share no day with the last one counts as usual.

    Those weeks are not judged themselves: nothing in them can be beyond what they say is usual.
    """
    limits, moments = run.config.monitoring.drift if run.config.monitoring else Limits(), sorted(days)
    ends = moments[WEEK - 1 :]
    weeks = [merge(days[moment] for moment in moments[at : at + WEEK]) for at in range(len(ends))]
    earlier = weeks[:-WEEK]
    known = usual(reference, earlier, limits.least) if len(earlier) >= LEAST else None
    compared = [drift(reference, week, limits, known or {}) for week in weeks]
    judged = [None] * len(earlier) + [known] * (len(weeks) - len(earlier))
    each = zip(ends, compared, judged, strict=True)
    lines = [line for end, own, beside in each for line in of_drift(end, source, own, beside)]
    if known is None:
        needed = f"it takes {NEEDED} of them within the window, and there are {len(moments)}"
        told = f"How far weeks usually are from the reference is not known: {needed}."
        return Drifted(source, Drift("not enough data", told, []), lines)
    return Drifted(source, compared[-1], lines)


def _of_runs(archive: Archive, runs: Sequence[StageResult]) -> Profiles:
    """A profile of the rows of each scoring run that are stored."""
    reads = ((one.as_of, own) for one in runs for own in one.reads)
    keys = {as_of: own.key for as_of, own in reads if own.name == COMBINED and not own.passed}
    profiles = zip(keys, archive.each(archive.profile, list(keys.values())), strict=True)
    return {as_of: found for as_of, found in profiles if found}


def _together(models: Iterable[Profiles]) -> Profiles:
    """The rows of all models, day by day."""
    found: dict[dt.datetime, Profile] = {}
    for own in models:
        for day, profile in own.items():
            found[day] = found[day].merge(profile) if day in found else profile
    return found
