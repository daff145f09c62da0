"""Making a model champion because somebody decided so: the proof, the evidence, an entry of the promotion log."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, NamedTuple

from ml_pipeline.artifacts.promotion_log import Promotion, now
from ml_pipeline.artifacts.registry import METRICS, Registry
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import NotFoundError, UsageError
from ml_pipeline.handlers.proof import prove


class Decision(NamedTuple):
    """Who decided what and why. `last` is the entry that counted then; `run` that of monitoring, empty for a person."""

    kind: Literal["promote", "rollback"]
    actor: str
    reason: str
    last: Promotion | None
    run: str = ""


def appoint(use_case: UseCase, registry: Registry, version: str, decision: Decision) -> tuple[Promotion, list[str]]:
    """The entry that was appended, and notes on what it does not prove.

    Raises:
        StageError: another promotion came after the one that counted when it was decided.
        UsageError: the model was never evaluated.
        IntegrityError: it is not what was evaluated.
    """
    evidence, notes = _evidence(use_case, registry, version)
    last = decision.last
    entry = Promotion(
        number=last.number + 1 if last else 1,
        to=version,
        previous=last.to if last else "",
        actor=decision.actor,
        reason=decision.reason,
        run=decision.run,
        as_of=registry.model(version).as_of,
        evidence=evidence,
        at=now(),
        kind=decision.kind,
    )
    return registry.promote(entry), notes


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
