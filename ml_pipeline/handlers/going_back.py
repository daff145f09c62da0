"""Going back to the model before the champion, where that does better: proposed, or done, as pipeline.yaml says.

Done once, whatever is tried again or runs at the same time: the promotion log takes one entry after the one that was
judged. What people decided is never undone here.
"""

from __future__ import annotations

import datetime as dt

from ml_pipeline.artifacts.promotion_log import Promotion, key_of
from ml_pipeline.contract import Artifact
from ml_pipeline.errors import IntegrityError, NotFoundError, StageError, UsageError
from ml_pipeline.handlers.appointment import Decision, appoint
from ml_pipeline.handlers.monitoring_summary import FOLDER
from ml_pipeline.handlers.predecessor import Beside
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.stages import PROMOTION

ACTOR = "monitoring"


def settled(run: StageRun, found: Beside | None) -> list[Finding]:
    """What there is to say of the champion beside the model before it, with what was done or is to be done."""
    if not found:
        return []
    if not found.worse:
        return [found.finding]
    automatic = run.config.monitoring and run.config.monitoring.rollback == "automatic"
    done = _acted(run, found) if automatic else _proposal(run)
    return [Finding(found.finding.severity, f"{found.finding.sentence} {done}")]


def _proposal(run: StageRun, why: str = "") -> str:
    proposed = f"Go back to it by `ml-pipeline models rollback {run.config.name}`, or train again"
    return f"{proposed}; monitoring does not by itself: {why}" if why else f"{proposed}."


def _acted(run: StageRun, found: Beside) -> str:
    """Go back, unless somebody has; what was done, or why it was not."""
    judged, back = found.entry, _followed(run, found.entry)
    if not back:
        if why := _against(run, judged):
            return _proposal(run, why)
        try:
            decision = Decision("rollback", ACTOR, found.finding.sentence, judged, run.request.run_id)
            back, notes = appoint(run.use_case, run.registry, judged.previous, decision)
            run.notes += notes
        except StageError as error:
            if not (back := _followed(run, judged)):
                return _proposal(run, str(error))
        except (IntegrityError, NotFoundError, UsageError) as error:
            return _proposal(run, str(error))
    if back.run == run.request.run_id:
        key = key_of(back.number)
        run.artifacts.append(Artifact(PROMOTION, run.store.address(key), key, back.to))
    again = f"`ml-pipeline models promote {run.config.name} {judged.to} --reason …`"
    return (
        f"{back.to} is champion again, by {back.actor} in entry {back.number} of the promotion log; {again} undoes it."
    )


def _followed(run: StageRun, judged: Promotion) -> Promotion | None:
    """The entry by which somebody went back from the one that was judged."""
    last = run.registry.last_promotion()
    back = last and last.kind == "rollback" and (last.number, last.to) == (judged.number + 1, judged.previous)
    return last if back else None


def _against(run: StageRun, judged: Promotion) -> str:
    """Why it is left to people; empty where nothing is against it."""
    entry, as_of = f"entry {judged.number} of the promotion log", run.request.as_of.isoformat()
    if judged.kind == "rollback":
        return f"{entry} went back to {judged.to} already."
    if not judged.run:
        return f"{entry} was made by hand, by {judged.actor}."
    if run.request.as_of < dt.datetime.fromisoformat(judged.as_of):
        return f"it looked as of {as_of}, and {judged.to} was promoted as of {judged.as_of}."
    if later := _later(run):
        return f"it looked as of {as_of}, and was at {later} before."
    return ""


def _later(run: StageRun) -> str:
    """The last moment that was monitored already, if it is later than that of this run."""
    own = folder_name(run.request.as_of)
    moments = {key.split("/")[1] for key in run.store.keys(FOLDER, after=f"{FOLDER}{own}")}
    return max((name for name in moments if name[0].isdigit() and name > own), default="")
