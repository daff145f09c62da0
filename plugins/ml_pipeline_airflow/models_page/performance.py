"""What the predictions of the last weeks turned out to be worth, as the newest run of monitoring found it."""

from __future__ import annotations

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.models.evaluation import JUDGES
from ml_pipeline.report import by_day
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline_airflow.models_page.health import Health
from ml_pipeline_airflow.models_page.stored_table import stored_rows


def performance(registry: Registry, newest: Health) -> Markup:
    """Day by day, the days on which another model took over marked; of the last one what its test had promised."""
    days = stored_rows(registry.store, newest.result, "performance")
    predicts = next((found["predicts"] for found in newest.result.metrics.values() if "predicts" in found), None)
    if not days or not predicts:
        return tag("p", "No truth has come yet, so nobody can tell how good the predictions were.")
    name = JUDGES[predicts].decides
    last = max(days, key=lambda day: (day["day"], day["predicted"]))["model_version"]
    promised = registry.metrics(last, only=("metrics",)).get("metrics", {})
    return by_day.figures(days, name, [promised[name]] if name in promised else [])
