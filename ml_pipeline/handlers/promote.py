"""Promote: the candidate becomes champion if the verdict allows it."""

from __future__ import annotations

from typing import Any

from ml_pipeline.artifacts.registry import Promotion
from ml_pipeline.contract import Artifact
from ml_pipeline.errors import NothingToDo
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler


class PromoteHandler(BaseHandler):
    """Appends one entry to the promotion log."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """Nothing is computed here."""
        return None

    @classmethod
    def serve(cls, model: Any, run: StageRun) -> None:
        """Promote, unless the verdict forbids it or the candidate is champion already."""
        candidate, evidence = cls.load_data(run)
        run.model_version = candidate
        metrics = run.registry.metrics(candidate)
        last = run.registry.last_promotion()
        if last and last.to == candidate:
            run.reused = True
        elif not metrics["verdict"]["passed"]:
            raise NothingToDo("the candidate is not promoted", given=" ".join(metrics["verdict"]["reasons"]), expected="a verdict that passes")
        else:
            last = cls.store_output(run, _entry(run, candidate, evidence, last, metrics))
        key = f"promotions/{last.number:06d}.yaml"
        run.artifacts.append(Artifact("promotion", run.store.address(key), key, candidate))

    @classmethod
    def load_data(cls, run: StageRun) -> tuple[str, str]:
        """The candidate's version and the digest of its verdict."""
        return run.inputs("model")[0].key.split("/")[1], run.inputs("verdict")[0].digest

    @classmethod
    def store_output(cls, run: StageRun, output: Promotion) -> Promotion:
        """Append the entry."""
        run.registry.promote(output)
        run.log.info("%s is champion in place of %s", output.to, output.previous or "none")
        return output


def _entry(run: StageRun, candidate: str, evidence: str, last: Promotion | None, metrics: Any) -> Promotion:
    return Promotion(
        number=last.number + 1 if last else 1,
        to=candidate,
        previous=last.to if last else "",
        actor="gate",
        reason=" ".join(metrics["verdict"]["reasons"]),
        run=run.request.run_id,
        as_of=run.request.as_of.isoformat(),
        evidence=evidence,
    )
