"""What the scoring runs of a window saw of their data, from what their stages left; no row is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import REALTIME, Artifact, StageResult
from ml_pipeline.data.column_profile import ColumnProfile, TimeProfile
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.profile import Profile
from ml_pipeline.data.word_profile import WordProfile
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.monitoring.drift import in_words
from ml_pipeline.monitoring.visit import COMBINED, Visit
from ml_pipeline.stages import steps

INGEST, PREPARE, COMBINE = "ingest.", "prepare.", "combine"
LOOKED_AT = {INGEST: ("raw.", "new."), PREPARE: ("prepared.",)}
"""Datasets of sources that are looked at, by how the names of the steps begin that leave them."""
JUDGED = 50
"""Rows of a column from which on it says something that all of them are missing, or the same."""
EMPTY, CONSTANT = "without any value", "the same in all rows"
Measures = Iterator[tuple[str, float]]


class Seen(NamedTuple):
    """A scoring run: what its steps left, the datasets of each that no run before it had, and the run before it."""

    results: Mapping[str, StageResult]
    fresh: Mapping[str, Sequence[Artifact]]
    before: Mapping[str, StageResult]


def visits(archive: Archive, config: UseCaseConfig, runs: Sequence[StageResult]) -> list[Visit]:
    """Of those that were ordered, oldest first; the last one of a moment counts.

    Left out is a run that has not combined anything, or is begun anew just now.
    """
    ordered = {run.as_of: run.run_id for run in runs if not run.run_id.startswith(REALTIME)}
    names = [step.name for step in steps(config, "online") if step.name.startswith((*LOOKED_AT, COMBINE))]
    places = [(run_id, name) for run_id in ordered.values() for name in names]
    found = dict(zip(places, archive.each(lambda place: archive.result(*place), places), strict=True))
    each = [{name: own for name in names if (own := found[run_id, name])} for run_id in ordered.values()]
    seen = list(_seen([own for own in each if COMBINE in own and own[COMBINE].rows_out]))
    return archive.each(lambda own: _visit(archive, config, own), seen)


def _seen(runs: Sequence[Mapping[str, StageResult]]) -> Iterator[Seen]:
    """Of the first run the newest dataset of a kind counts as fresh: those before it other runs have seen."""
    known, before = set[str](), dict[str, StageResult]()
    for results in runs:
        left = {name: _left(name, own) for name, own in results.items() if name != COMBINE}
        fresh = {name: [own for own in artifacts if own.key not in known] for name, artifacts in left.items()}
        first = {name: list({own.name: own for own in artifacts}.values()) for name, artifacts in fresh.items()}
        yield Seen(results, fresh if before else first, before)
        known |= {own.key for artifacts in left.values() for own in artifacts}
        before = dict(results)


def _left(step: str, result: StageResult) -> list[Artifact]:
    (kinds,) = (kinds for beginning, kinds in LOOKED_AT.items() if step.startswith(beginning))
    return [own for own in result.artifacts if own.name.startswith(kinds)]


def _visit(archive: Archive, config: UseCaseConfig, seen: Seen) -> Visit:
    combined = seen.results[COMBINE]
    aside = {name: _set_aside(archive, artifacts) for name, artifacts in seen.fresh.items()}
    aside[COMBINE] = sum(combined.quarantined.values()), combined.rows_out + sum(combined.quarantined.values())
    measures = {(COMBINED, "rows"): float(combined.rows_out)}
    kinds = {COMBINED: _kinds(joined)} if (joined := _profile_of_joined(archive, combined)) else {}
    for source in config.sources:
        newest = _newest(seen.results.get(f"{INGEST}{source}"))
        profile = archive.profile(newest.key) if newest else None
        age = _age(source, config, profile, combined.as_of) if profile else {}
        own = age | _ingested(source, config, seen, aside) | _joined(source, config, seen)
        measures |= {(source, name): value for name, value in own.items()}
        kinds |= {source: _kinds(profile)} if profile else {}
    return Visit(combined.as_of, measures, aside, kinds)


def _profile_of_joined(archive: Archive, combined: StageResult) -> Profile | None:
    own = next(own for own in combined.artifacts if own.name == COMBINED)
    return None if own.passed else archive.profile(own.key)


def _set_aside(archive: Archive, artifacts: Sequence[Artifact]) -> tuple[int, int]:
    """Records that were, and all; what was passed on in memory alone held none."""
    manifests = [found.manifest for own in artifacts if not own.passed and (found := archive.dataset(own.key))]
    aside = sum(sum(own.quarantined.values()) for own in manifests)
    return aside, aside + sum(own.rows for own in manifests)


def _newest(ingested: StageResult | None) -> Artifact | None:
    """The snapshot that holds the newest records."""
    filled = [own for own in (ingested.artifacts if ingested else ()) if own.name.startswith("raw.") and own.rows]
    return filled[-1] if filled else None


def _ingested(source: str, config: UseCaseConfig, seen: Seen, aside: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """What its snapshots tell: how many rows where each run delivers all, and how many were set aside or dated later.

    Of the source that drives other records lie ahead on purpose.
    """
    own, ingested = config.sources[source], seen.results.get(f"{INGEST}{source}")
    found: dict[str, float] = {}
    if ingested and not own.known and (newest := _newest(ingested)):
        found["rows"] = newest.rows
    if ingested and own.known and not own.drives and ingested.rows_in:
        found["later"] = ingested.metrics.get("not_yet_known", 0) / ingested.rows_in
    counted = [aside[step] for step in (f"{INGEST}{source}", f"{PREPARE}{source}") if step in aside]
    if rows := max((rows for _, rows in counted), default=0):
        found["set_aside"] = sum(bad for bad, _ in counted) / rows
    return found


def _joined(source: str, config: UseCaseConfig, seen: Seen) -> dict[str, float]:
    """Shares of rows without a match in a source, and of its own rows whose key came before.

    Nothing is known of them where what was combined before was used again.
    """
    combined = seen.results[COMBINE]
    if config.sources[source].drives_in("online"):
        twice = combined.quarantined.get(f"{config.key} came before", 0)
        return {"duplicates": twice / (combined.rows_out + sum(combined.quarantined.values()))}
    found = {"duplicates": again} if (again := _duplicates(source, config, seen)) is not None else {}
    if source in (unmatched := combined.metrics.get("unmatched", {})):
        found["unmatched"] = unmatched[source] / combined.rows_out
    return found


def _duplicates(source: str, config: UseCaseConfig, seen: Seen) -> float | None:
    """Of a source with a history those among the rows that came since the run before."""
    ends = [seen.results[COMBINE]]
    if config.sources[source].known and COMBINE in seen.before:
        ends = [seen.before[COMBINE], *ends]
    if not all("duplicates" in own.metrics for own in ends):
        return None
    again, rows = _again(source, ends[-1])
    earlier = _again(source, ends[0]) if len(ends) > 1 else (0, 0)
    return max(again - earlier[0], 0) / (rows - earlier[1]) if rows > earlier[1] else None


def _again(source: str, combined: StageResult) -> tuple[int, int]:
    """How many rows of a source had a key that came before, and how many there were."""
    rows = sum(own.rows for own in combined.reads if own.name == f"prepared.{source}")
    return combined.metrics.get("duplicates", {}).get(source, 0), rows


def _age(source: str, config: UseCaseConfig, profile: Profile, as_of: dt.datetime) -> dict[str, float]:
    """Hours from its newest record to a moment; nothing where its records do not say when they are of."""
    own = config.sources[source]
    name = own.known or (own.join.as_of if own.join else None) or (config.time if own.drives else None)
    column = profile.columns.get(name or "")
    if not isinstance(column, TimeProfile) or not column.moments.is_seen:
        return {}
    return {"age_hours": as_of.timestamp() / 3600 - column.moments.greatest / 3.6e9}


def _kinds(profile: Profile) -> dict[str, str]:
    """The kind of each column in words, or that it says nothing."""
    return {name: _kind(own) for name, own in profile.columns.items()}


def _kind(column: ColumnProfile) -> str:
    if column.rows >= JUDGED and column.missing == column.rows:
        return EMPTY
    if column.rows >= JUDGED and not column.missing and _is_constant(column):
        return CONSTANT
    return in_words(column)


def _is_constant(column: ColumnProfile) -> bool:
    if isinstance(column, NumberProfile):
        return column.least == column.greatest
    return isinstance(column, WordProfile) and column.distinct.count() == 1
