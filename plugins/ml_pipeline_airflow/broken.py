"""A DAG in the place of one that cannot be built: it says why, and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class Broken(BaseOperator):
    """Fails with the reason why its DAG could not be built."""

    ui_color = "#f8e1e1"

    def __init__(self, *, why: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.why = why

    def execute(self, context: Context) -> None:
        """Raises: AirflowFailException: always."""
        raise AirflowFailException(self.why)


def broken_dag(dag_id: str, why: str, tags: Sequence[str]) -> DAG:
    """The same id, so that what ran before is still there; no schedule."""
    with DAG(
        dag_id=dag_id,
        description=f"Cannot be built. {why}",
        doc_md=f"### This DAG cannot be built\n\n{why}\n\n`ml-pipeline validate {tags[0]}` looks at all of it.",
        schedule=None,
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        catchup=False,
        tags=["ml-pipeline", "broken", *tags],
    ) as dag:
        Broken(task_id="broken", why=why)
    return dag
