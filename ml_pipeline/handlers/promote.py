"""Promote: the candidate becomes champion if the verdict allows it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ml_pipeline.artifacts.promotion_log import Promotion, key_of, now
from ml_pipeline.contract import Artifact
from ml_pipeline.errors import NothingToDo
from ml_pipeline.handlers.proof import prove
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler


class Candidate(NamedTuple):
    """A model that would be champion: its version, the digest of its verdict, its metrics, the last promotion."""

    version: str
    evidence: str
    metrics: dict[str, Any]
    last: Promotion | None


class PromoteHandler(BaseHandler):
    """Appends one entry to the promotion log."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """Nothing is computed here."""
        return None

    @classmethod
    def load_data(cls, run: StageRun) -> Candidate:
        """The candidate, what was found about it, and the end of the log."""
        version = run.inputs("model")[0].key.split("/")[1]
        run.about(version)
        return Candidate(
            version, run.inputs("verdict")[0].digest, run.registry.metrics(version), run.registry.last_promotion()
        )

    @classmethod
    def is_stored(cls, run: StageRun, data: Candidate) -> bool:
        """The candidate is champion already."""
        if not data.last or data.last.to != data.version:
            return False
        _leave(run, data.last)
        return True

    @classmethod
    def apply(cls, model: Any, parameters: Any, data: Candidate, run: StageRun) -> Promotion:
        """The entry, if the verdict allows it."""
        verdict = data.metrics["verdict"]
        if not verdict["passed"]:
            raise NothingToDo(
                "the candidate is not promoted", given=" ".join(verdict["reasons"]), expected="a verdict that passes"
            )
        if run.config.promotion.policy == "manual" and not run.request.approved_by:
            raise NothingToDo(
                "a person has to agree to a promotion, and nobody was asked",
                given="promotion.policy manual",
                do=f"`ml-pipeline models promote {run.config.name} {data.version} --reason …`",
            )
        if not run.request.approved_by:
            _refuse_taken_back(run, data.version)
        return _entry(run, data)

    @classmethod
    def store_output(cls, run: StageRun, data: Candidate, output: Promotion) -> None:
        """Append the entry, if the model predicts here, where models serve, as it did when it was evaluated."""
        note = prove(run.use_case, run.registry, output.to)
        run.notes += [note] if note else []
        written = run.registry.promote(output)
        run.log.info("%s is champion in place of %s", written.to, written.previous or "none")
        _leave(run, written)


def _refuse_taken_back(run: StageRun, version: str) -> None:
    """The test rows spoke for it once; what was seen since spoke against it, and the same model is no news."""
    if back := run.registry.log.taken_back(version):
        raise NothingToDo(
            "the candidate was champion before and was taken back, so the gate alone does not promote it again",
            given=f"entry {back.number} of the promotion log, by {back.actor}: {back.reason}",
            expected="another model, or a person who decides",
            do=f"`ml-pipeline models promote {run.config.name} {version} --reason …`, if it is to be champion again",
        )


def _leave(run: StageRun, entry: Promotion) -> None:
    key = key_of(entry.number)
    run.artifacts.append(Artifact("promotion", run.store.address(key), key, entry.to))


def _sentence(text: str) -> list[str]:
    return [f"{text.rstrip('.')}."] if text else []


def _entry(run: StageRun, data: Candidate) -> Promotion:
    return Promotion(
        number=data.last.number + 1 if data.last else 1,
        to=data.version,
        previous=data.last.to if data.last else "",
        actor=run.request.approved_by or "gate",
        reason=" ".join([*_sentence(run.request.reason), *data.metrics["verdict"]["reasons"]]),
        run=run.request.run_id,
        as_of=run.request.as_of.isoformat(),
        evidence=data.evidence,
        at=now(),
    )
