"""What Airflow finds in its folder of plugins: the page Models, and where Airflow's own pages lead to it.

Scheduler, DAG processor and workers import this file too, so the page itself is imported by the API server alone.
"""

from __future__ import annotations

from threading import Thread
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from ml_pipeline_airflow.models_page.address import NAVIGATION, PREFIX, page_url

Message = Any


def ready_soon(server: Any) -> Any:
    """The API server, as it is: Airflow takes this for a middleware, and there is none.

    The API server calls it when it starts. The page is made meanwhile, so that its first visitor need not wait.
    """
    Thread(target=_ready, name="models-page", daemon=True).start()
    return server


async def models_page(scope: Message, receive: Any, send: Any) -> None:
    """The page as an ASGI application."""
    from ml_pipeline_airflow.models_page.app import app

    await app()(scope, receive, send)


def _ready() -> None:
    from ml_pipeline_airflow.models_page.app import ready

    ready()


class ModelsPlugin(AirflowPlugin):
    """An entry Models in the navigation and what it shows, and a tab Model on the page of every run."""

    name = "ml_pipeline"
    fastapi_apps = [{"app": models_page, "url_prefix": PREFIX, "name": "Models"}]  # noqa: RUF012 - Airflow's own form
    fastapi_root_middlewares = [{"middleware": ready_soon, "name": "Models"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Models",
            "href": page_url(),
            "url_route": NAVIGATION,
            "destination": "nav",
            "nav_top_level": True,
        },
        # Airflow puts in which run it shows; it asks for none of the names that it does not know.
        {
            "name": "Model",
            "href": f"{page_url()}{{DAG_ID}}/runs/{{RUN_ID}}",
            "url_route": "model",
            "destination": "dag_run",
        },
    ]
