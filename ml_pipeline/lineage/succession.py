"""A person makes a model champion, or goes back to one that was."""

from __future__ import annotations

import getpass
import os

import msgspec

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import UsageError
from ml_pipeline.handlers.appointment import Decision, appoint
from ml_pipeline.lineage.history import before, reigned


class Succession(msgspec.Struct, frozen=True):
    """The entry that was appended, and what is to be known about it."""

    entry: Promotion
    notes: list[str]


def promote(use_case: UseCase, registry: Registry, version: str, reason: str, actor: str = "") -> Succession:
    """Make a model champion, whatever its verdict; `actor`, by default who runs this process, answers for it.

    Raises:
        UsageError: it is champion already, no reason is given, or it was never evaluated.
        IntegrityError: the model is not what was evaluated.
    """
    decision = Decision("promote", actor or _login(), reason, registry.last_promotion())
    return _switch(use_case, registry, version, decision)


def rollback(use_case: UseCase, registry: Registry, version: str, reason: str, actor: str = "") -> Succession:
    """Make a former champion champion again; without a version the one before the present champion.

    Raises:
        UsageError: there is nothing to go back to, the model never was champion, or no reason is given.
        IntegrityError: the model is not what was evaluated.
    """
    last = registry.last_promotion()
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
    return _switch(use_case, registry, target, Decision("rollback", actor or _login(), reason, last))


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
