"""The task that sweeps up, and the DAG that it is in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable, Param
from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline_airflow import outcome, request
from ml_pipeline_airflow.builder import named_runner

if TYPE_CHECKING:
    from airflow.sdk import Context

NAME = "ml_pipeline.maintenance"


class SweepOperator(BaseOperator):
    """Removes what nobody will finish: containers past the time they are kept for, and parts of datasets in the store.

    It warns of containers whose run is over.
    """

    ui_color = "#eeeeee"

    def execute(self, context: Context) -> dict[str, Any]:
        """Sweep, and return the names of what was removed and of what was found."""
        with outcome.in_airflow_terms():
            unfinished = self._sweep_store()
        if named_runner() not in (None, "docker"):
            if unfinished:
                return {"unfinished": unfinished}
            raise AirflowSkipException(f"Stages run by {named_runner()}, which leaves no container.")
        from ml_pipeline_airflow.sweep import OVER, sweep_here

        def is_over(dag: str, run: str) -> bool:
            return bool(context["ti"].get_dr_count(dag_id=dag, run_ids=[run], states=list(OVER)))

        with outcome.in_airflow_terms():
            swept = sweep_here(is_over, orphans=context["params"]["orphans"])
        for found in swept.removed:
            self.log.info("removed %s of %s, run %s: %s", *found)
        for found in swept.orphans:
            self.log.warning("orphan: %s of %s, run %s, which is over: %s", *found)
        names = {kind: [found.name for found in getattr(swept, kind)] for kind in ("removed", "orphans")}
        return {**names, "credentials": swept.credentials, "unfinished": unfinished}

    def _sweep_store(self) -> list[str]:
        from ml_pipeline.artifacts import leftovers
        from ml_pipeline.artifacts.store import Store

        found = leftovers.sweep(Store(request.store_uri()), datetime.now(UTC))
        for address in found:
            self.log.info("removed %s, a dataset that was never finished", address)
        return found


def maintenance_dag() -> DAG:
    """Once a night; on demand with what is to be done about orphans."""
    asked = Param(False, type="boolean", title="Remove orphans", description="Containers whose run is over, too.")
    with DAG(
        dag_id=NAME,
        description="Removes what stages have left on the container engine and in the store.",
        doc_md=(
            "### Sweep\n\nContainers of stages that failed are kept as long as `ML_PIPELINE_KEEP_FAILED` says (24h), "
            "to be looked at with `docker logs` and `docker cp`; then they go here, or by `ml-pipeline sweep`; "
            "so are parts of datasets in the store that were begun a day ago or more and never finished."
        ),
        schedule=CronTriggerTimetable("30 3 * * *", timezone="UTC"),
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params={"orphans": asked},
        tags=["ml-pipeline", "maintenance"],
    ) as dag:
        SweepOperator(task_id="sweep")
    return dag
