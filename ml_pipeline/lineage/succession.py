"""A person makes a model champion, or goes back to one that was."""

from __future__ import annotations

import getpass
import os
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec

from ml_pipeline.artifacts.promotion_log import Promotion, now
from ml_pipeline.artifacts.registry import METRICS, Registry
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import NotFoundError, UsageError
from ml_pipeline.handlers.proof import prove
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
    return _switch(use_case, registry, version, _Decision("promote", reason, actor))


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
    return _switch(use_case, registry, target, _Decision("rollback", reason, actor))


class _Decision(NamedTuple):
    kind: Literal["promote", "rollback"]
    reason: str
    actor: str


def _switch(use_case: UseCase, registry: Registry, version: str, decision: _Decision) -> Succession:
    last = registry.last_promotion()
    if not decision.reason.strip():
        raise UsageError(
            "a reason is missing", given=repr(decision.reason), do="say why, for those who read the log later"
        )
    if last and last.to == version:
        raise UsageError("the model is champion already", given=version, do="nothing")
    evidence, notes = _evidence(use_case, registry, version)
    entry = Promotion(
        number=last.number + 1 if last else 1,
        to=version,
        previous=last.to if last else "",
        actor=decision.actor or _login(),
        reason=decision.reason,
        run="",
        as_of=registry.model(version).as_of,
        evidence=evidence,
        at=now(),
        kind=decision.kind,
    )
    return Succession(registry.promote(entry), notes)


def _evidence(use_case: UseCase, registry: Registry, version: str) -> tuple[str, list[str]]:
    """The digest of the verdict, and notes on what it does not prove."""
    try:
        content = registry.store.get(registry.key(version, METRICS))
    except NotFoundError as error:
        raise UsageError(
            "the model was never evaluated",
            given=version,
            expected="a verdict beside the model",
            do=f"evaluate it: `ml-pipeline run {use_case.config.name} offline`",
        ) from error
    verdict = registry.metrics(version)["verdict"]
    rejected = "" if verdict["passed"] else f"Its verdict did not pass: {' '.join(verdict['reasons'])}"
    notes = [prove(use_case, registry, version), rejected]
    return sha256(content).hexdigest(), [note for note in notes if note]


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has a number only
        return f"user {os.getuid()}"
