"""A person makes a model champion, or goes back to one that was."""

from __future__ import annotations

import getpass
import os
from typing import NamedTuple

import msgspec

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import ConflictError, UsageError
from ml_pipeline.handlers.appointment import Decision, appoint
from ml_pipeline.lineage.history import before, reigned


class Succession(msgspec.Struct, frozen=True):
    """The entry that was appended, and what is to be known about it."""

    entry: Promotion
    notes: list[str]


class Person(NamedTuple):
    """Who decides: a name, by default who runs this process, and the entry that was last when they looked, if known."""

    name: str = ""
    seen: int | None = None


HERE = Person()


def promote(use_case: UseCase, registry: Registry, version: str, reason: str, person: Person = HERE) -> Succession:
    """Make a model champion, whatever its verdict.

    Raises:
        UsageError: it is champion already, no reason is given, or it was never evaluated.
        ConflictError: there was a promotion since the person looked.
        IntegrityError: the model is not what was evaluated.
    """
    decision = Decision("promote", person.name or _login(), reason, _last(registry, person))
    return _switch(use_case, registry, version, decision)


def rollback(use_case: UseCase, registry: Registry, version: str, reason: str, person: Person = HERE) -> Succession:
    """Make a former champion champion again; without a version the one before the present champion.

    Raises:
        UsageError: there is nothing to go back to, the model never was champion, or no reason is given.
        ConflictError: there was a promotion since the person looked.
        IntegrityError: the model is not what was evaluated.
    """
    last = _last(registry, person)
    target = version or (before(registry, last) if last else "")
    if not last or not target:
        raise UsageError(
            "there is no champion to go back to",
            given=f"the champion {last.to}, the first there was" if last else "no promotion so far",
            expected="a champion before the present one",
            do="name a model and promote it: `ml-pipeline models promote`",
        )
    if version and not reigned(registry, last, version):
        raise UsageError(
            "the model never was champion", given=version, expected="a former champion", do="promote it instead"
        )
    return _switch(use_case, registry, target, Decision("rollback", person.name or _login(), reason, last))


def _last(registry: Registry, person: Person) -> Promotion | None:
    last = registry.last_promotion()
    number = last.number if last else 0
    if person.seen is not None and person.seen != number:
        raise ConflictError(
            "the champion has changed since you looked",
            given=f"a decision after entry {person.seen} of the promotion log; the last is {number}",
            do="load the page again, and decide anew",
        )
    return last


def _switch(use_case: UseCase, registry: Registry, version: str, decision: Decision) -> Succession:
    if not decision.reason.strip():
        raise UsageError(
            "a reason is missing", given=repr(decision.reason), do="say why, for those who read the log later"
        )
    if decision.last and decision.last.to == version:
        raise UsageError("the model is champion already", given=version, do="nothing")
    return Succession(*appoint(use_case, registry, version, decision))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has a number only
        return f"user {os.getuid()}"
