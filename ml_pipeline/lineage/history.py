"""Who was champion when, and what became of one model."""

from __future__ import annotations

import datetime as dt

import msgspec

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.errors import UsageError


class Reign(msgspec.Struct, frozen=True):
    """The champion at a moment, and the entry of the log that made it so."""

    moment: str
    champion: str
    entry: Promotion


def reign(registry: Registry, moment: dt.datetime) -> Reign:
    """Who was champion at a moment of the wall clock.

    Raises:
        UsageError: nobody was yet.
    """
    entry = registry.promotion_as_of(moment)
    if entry is None:
        raise UsageError(
            "there was no champion then",
            given=moment.isoformat(),
            expected="a moment after the first promotion",
            do="look at the moments of all promotions with `ml-pipeline models log`",
        )
    return Reign(moment.isoformat(), entry.to, entry)


def before(registry: Registry, last: Promotion) -> str:
    """The champion that the present one followed when it was promoted, rollbacks undone in turn; else empty."""
    return registry.log.entry(_promoted_by(registry, last.number)).previous


def _promoted_by(registry: Registry, number: int) -> int:
    """The entry by which the champion after an entry was promoted: a rollback takes back those that came after it."""
    entry = registry.log.entry(number)
    if entry.kind != "rollback" or number == 1:
        return number
    at = _promoted_by(registry, number - 1)
    while at > 1:
        at = _promoted_by(registry, at - 1)
        if registry.log.entry(at).to == entry.to:
            break
    return at


def reigned(registry: Registry, last: Promotion, version: str) -> bool:
    """Whether a model was ever champion; the newest entries are asked first."""
    return any(registry.log.entry(number).to == version for number in range(last.number, 0, -1))
