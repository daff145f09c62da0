"""What Airflow finds in its folder of plugins: the page Models, and its place in the navigation.

Scheduler, DAG processor and workers import this file too, so the page itself is imported when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from ml_pipeline_airflow.models_page.address import NAVIGATION, PREFIX, page_url

Message = Any


async def models_page(scope: Message, receive: Any, send: Any) -> None:
    """The page as an ASGI application."""
    from ml_pipeline_airflow.models_page.app import app

    await app()(scope, receive, send)


class ModelsPlugin(AirflowPlugin):
    """An entry Models in the navigation, and what it shows."""

    name = "ml_pipeline"
    fastapi_apps = [{"app": models_page, "url_prefix": PREFIX, "name": "Models"}]  # noqa: RUF012 - Airflow's own form
    external_views = [  # noqa: RUF012
        {
            "name": "Models",
            "href": page_url(),
            "url_route": NAVIGATION,
            "destination": "nav",
            "nav_top_level": True,
        }
    ]
