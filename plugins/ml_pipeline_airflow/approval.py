"""The task in which a person decides whether a candidate becomes champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline_airflow import outcome, promotion, request

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ml_pipeline.contract import Mode
    from ml_pipeline_airflow.case import Case

WAIT = timedelta(days=1)
"""How long a question stands. A run that waits keeps the next from starting, and the next has a newer candidate."""

TESTER = "dag_test"
"""Whom Airflow names as the one who triggered a run of `airflow dags test`, where an answer could never come."""


def approve(use_case: str, mode: Mode) -> PromotionApproval:
    """The task, in the DAG of a mode that is being built."""
    return PromotionApproval(
        task_id=promotion.APPROVE,
        use_case=use_case,
        mode=mode,
        subject=f"Shall this model become champion of {use_case}?",
        defaults=PromotionApproval.REJECT,
        response_timeout=WAIT,
        params={"reason": Param(None, type=["null", "string"], title="Why", description="For the promotion log.")},
        doc_md="**approve**: Ask a person whether the candidate becomes champion; a no skips promote.",
    )


class PromotionApproval(ApprovalOperator):
    """Asks in Airflow's UI; a no skips promote. Nobody is asked where nothing depends on the answer.

    Args:
        use_case: name of the use case.
        mode: that of the run which has the candidate.
    """

    ui_color = "#f8f1e8"

    def __init__(self, *, use_case: str, mode: Mode, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_case, self.mode = use_case, mode

    def execute(self, context: Context) -> Any:
        """Ask, and wait for the answer without occupying a worker."""
        from ml_pipeline_airflow.case import markdown

        case = self._case(context)
        if why := promotion.HELD_BACK if promotion.held_back(context) else case.against:
            raise AirflowSkipException(why)
        if context["dag_run"].triggering_user_name == TESTER:
            self.log.info("Nobody is asked in `airflow dags test`: the verdict on %s alone decides.", case.version)
            return {"approved_by": TESTER, "reason": ""}
        self.body = markdown(case)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, str]:
        """Say who agreed and why, for the promotion log; skip promote where the answer is no."""
        user, why = event.get("responded_by_user") or {}, (event.get("params_input") or {}).get("reason") or ""
        who = user.get("name") or user.get("id") or ""
        choice = ", ".join(event.get("chosen_options", ()))
        self.log.info("%s, says %s. %s", choice, who or "nobody within the time there was", why)
        super().execute_complete(context, event)
        return {"approved_by": who, "reason": why}

    def _case(self, context: Context) -> Case:
        from ml_pipeline_airflow import case

        with outcome.in_airflow_terms():
            run = request.run_name(self.mode, context["run_id"])
            return case.find(request.store_uri(), self.use_case, run)
