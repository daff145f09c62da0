"""Drift: how far rows are from those that a model was trained on, column by column, with a sentence of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.config import Drift as Limits
from ml_pipeline.data.column_profile import BlockProfile, ColumnProfile, OtherProfile, kind_of
from ml_pipeline.data.profile import Profile
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline.monitoring.chance import adjusted
from ml_pipeline.monitoring.comparison import Comparison
from ml_pipeline.monitoring.effects import Effect
from ml_pipeline.monitoring.severity import SEVERITIES, Finding, Severity, worst


class ColumnDrift(NamedTuple):
    """What there is to say of a column, and the effects behind it by name; `chance` after looking at all columns."""

    column: str
    severity: Severity
    sentence: str
    effects: dict[str, Effect]


class Drift(NamedTuple):
    """What there is to say of all columns; `sentence` names those that need somebody."""

    severity: Severity
    sentence: str
    columns: list[ColumnDrift]


def from_training(registry: Registry, version: str, current: Profile, columns: Sequence[str], limits: Limits) -> Drift:
    """Drift of some columns from the rows that a model has learnt; not comparable where these are not known."""
    try:
        reference = registry.profile(version)
    except (NotFoundError, IntegrityError) as error:
        return Drift("not comparable", f"What {version} was trained on is not known: {error}", [])
    return drift(reference.only(columns), current, limits)


def drift(
    reference: Profile, current: Profile, limits: Limits, usual: Mapping[tuple[str, str], float] = MappingProxyType({})
) -> Drift:
    """Drift of the columns of a reference; `usual` effects, by column and name, are taken for chance.

    Severities of a column:

    - `not comparable`: it vanished, or is of another kind
    - `not enough data`: there are fewer than `limits.least` rows of it here or there
    - `watch` and `act`: an effect, without what chance gives on average or is usual, reaches its limit, and that it is
      as large by chance is rarer than `limits.alpha`, all columns and effects together
    - `ok`: none does
    """
    settled = {name: _settled(own, current.columns.get(name), limits.least) for name, own in reference.columns.items()}
    compared = {
        name: Comparison.of(own, current.columns[name]).beside(name, usual)
        for name, own in reference.columns.items()
        if not settled[name]
    }
    chances = iter(adjusted([effect.chance for own in compared.values() for effect in own.effects]))
    columns = []
    for name, finding in settled.items():
        effects = [] if finding else [effect._replace(chance=next(chances)) for effect in compared[name].effects]
        own = finding or compared[name].judged(effects, limits)
        columns.append(
            ColumnDrift(name, own.severity, f"{name}: {own.sentence}", {each.name: each for each in effects})
        )
    return Drift(worst(Finding(own.severity, "") for own in columns), _summary(columns), columns)


def _settled(reference: ColumnProfile, current: ColumnProfile | None, least: int) -> Finding | None:
    """What there is to say of a column without comparing values; None where they can be compared."""
    if current is None:
        return Finding("not comparable", "it vanished; the reference has it. See what no longer delivers it.")
    before, now = in_words(reference), in_words(current)
    for rows, whose in ((current.rows, "here"), (reference.rows, "in the reference")):
        if rows < least:
            return Finding("not enough data", f"{rows:,} rows {whose} tell nothing; it takes {least:,}.")
    if before == now and not isinstance(reference, OtherProfile):
        return None
    if reference.missing == reference.rows or current.missing == current.rows:
        return None
    return Finding("not comparable", f"it is {now}, in the reference {before}. See what delivers it in another form.")


def in_words(profile: ColumnProfile) -> str:
    """The kind of a column, such as `a number`."""
    if isinstance(profile, OtherProfile):
        return f"a mixture of {' and '.join(profile.kinds)}"
    return f"a block of {profile.width}" if isinstance(profile, BlockProfile) else f"a {kind_of(profile)}"


def _summary(columns: list[ColumnDrift]) -> str:
    """Which columns there are of each severity but `ok`, and how many of that."""
    named = {severity: [own.column for own in columns if own.severity == severity] for severity in reversed(SEVERITIES)}
    told = [f"{severity}: {', '.join(names)}; " for severity, names in named.items() if names and severity != "ok"]
    return f"{''.join(told)}ok: {len(named['ok'])} of {len(columns)} columns."
