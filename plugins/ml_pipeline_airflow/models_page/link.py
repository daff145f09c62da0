"""From a task to the model that it made or worked with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from ml_pipeline_airflow.models_page.address import framed_url

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class ModelLink(BaseOperatorLink):
    """A button on the page of a task instance; there is none where a task has nothing to do with a model."""

    name = "Model"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """The page of the model that the task's summary names; empty where it names none."""
        from airflow.sdk.bases.xcom import BaseXCom
        from airflow.sdk.execution_time.xcom import XCom

        summary = XCom.get_value(key=BaseXCom.XCOM_RETURN_KEY, ti_key=ti_key) or {}
        version = summary.get("model_version")
        return framed_url(operator.use_case, "models", version) if version else ""
