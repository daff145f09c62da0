"""What running a stage takes wherever it runs: the order before, the watch meanwhile, the result after."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout

from ml_pipeline.errors import StageError
from ml_pipeline_airflow import assets, lineage, outcome, promotion, request
from ml_pipeline_airflow.execution import Execution, catch_up, watch
from ml_pipeline_airflow.models_page.link import ModelLink
from ml_pipeline_airflow.transcript import Transcript

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from ml_pipeline.config import UseCaseConfig
    from ml_pipeline.contract import Mode, StageRequest, StageResult


class Order(NamedTuple):
    """A request, the configuration it works with (its parameters applied) and the task instance it is for."""

    request: StageRequest
    config: UseCaseConfig
    context: Context


class StageTask(BaseOperator):
    """An Airflow task that runs steps of a use case; subclasses say where.

    Args:
        use_case: name of the use case.
        mode: `offline` or `online`.
        stages: names of the steps, in running order.
    """

    template_fields: Sequence[str] = ("as_of", "airflow_run")
    ui_color = "#e8f1f8"
    operator_extra_links = (ModelLink(),)

    def __init__(self, *, use_case: str, mode: Mode, stages: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_case, self.mode, self.stages = use_case, mode, tuple(stages)
        self.as_of = request.AS_OF
        self.airflow_run = "{{ run_id }}"
        self.killed = False
        self.lineage: lineage.Lineage | None = None

    def start(self, order: Order) -> AbstractContextManager[Execution]:
        """Start the steps; leaving the context ends and removes whatever was started."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the steps and return a summary of what they left in the store."""
        with outcome.in_airflow_terms():
            order = self.order(context)
            self.lineage = lineage.gather(order)
            while (results := self._attend(order)) is None:
                self.log.warning("what was taken over was stopped by whoever had started it; it is started anew")
            self.lineage = lineage.gather(order, results)
            assets.announce(self, order, results)
            return outcome.summary(order.request, results)

    def get_openlineage_facets_on_complete(self, _ti: Any) -> OperatorLineage[Any, Any]:
        """What OpenLineage's provider tells of a task that has ended, also of one that failed or was skipped."""
        from ml_pipeline_airflow.lineage_events import lineage_of

        return lineage_of(self.lineage)

    def _attend(self, order: Order) -> list[StageResult] | None:
        """What the steps left; none where they were taken over from an earlier try, which has stopped them since."""
        transcript = Transcript(self.log)
        with self.start(order) as execution:
            try:
                code = watch(execution, transcript, lambda: self.killed)
                self._refuse_killed()
                if execution.given_up():
                    return None
                outcome.settle(code, transcript, execution.post_mortem() if code else "")
                return outcome.results(msgspec.structs.replace(order.request, attempt=execution.attempt))
            except AirflowTaskTimeout as timeout:
                raise self._timed_out(execution, transcript, timeout) from timeout

    def _timed_out(self, execution: Execution, transcript: Transcript, timeout: BaseException) -> AirflowTaskTimeout:
        """End it, and say how far it came."""
        execution.stop()
        with suppress(StageError):  # an engine that is away is no reason to forget that time was up
            execution.exit_code()
        catch_up(execution, transcript)
        return AirflowTaskTimeout(f"{timeout}. {execution.post_mortem()}{outcome.last_words(transcript)}")

    def order(self, context: Context) -> Order:
        """The request of this very try.

        Raises:
            UsageError: as_of, the parameters or the store are not as they must be.
            AirflowSkipException: no step is to run in this run.
        """
        from ml_pipeline.contract import StageRequest, moment
        from ml_pipeline.discovery import find

        params = context["params"]
        overrides = {**(params.get("parameters") or {}), **promotion.restrained(self.mode, context)}
        config = find(self.use_case, overrides).config
        stages, agreed = promotion.steps_now(self.stages, context), promotion.consent(self, context)
        made = StageRequest(
            use_case=self.use_case,
            mode=self.mode,
            stages=stages,
            run_id=request.run_name(self.mode, self.airflow_run),
            as_of=moment(self.as_of, config.timezone),
            store=request.store_uri(),
            parameters=overrides,
            force=request.forced(stages, params.get("force") or ()),
            attempt=request.attempt(context),
            approved_by=agreed.get("approved_by", ""),
            reason=agreed.get("reason", ""),
        )
        self.log.info("%s as of %s, run %s", ", ".join(stages), made.as_of.isoformat(), made.run_id)
        return Order(made, config, context)

    def on_kill(self) -> None:
        """Only remember: this runs inside a signal handler, and `execute` looks every moment."""
        self.killed = True

    def _refuse_killed(self) -> None:
        """A stage may exit 0 when it is told to stop; the task must not turn green for that."""
        if self.killed:
            raise AirflowException("The task was killed; its stage was stopped.")
