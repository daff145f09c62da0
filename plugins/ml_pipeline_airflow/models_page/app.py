"""The routes of the page, mounted in Airflow's API server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.logging.decorators import action_logging
from fastapi import Depends, FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from ml_pipeline.discovery import names
from ml_pipeline.errors import FAULTS, PipelineError
from ml_pipeline_airflow.models_page import actions, comparison, graphs, model, run, runs, stored, use_case, use_cases
from ml_pipeline_airflow.models_page.address import PREFIX
from ml_pipeline_airflow.models_page.frame import failure
from ml_pipeline_airflow.models_page.visitor import Visit

Field = Annotated[str, Form(max_length=1000)]
log = logging.getLogger(__name__)


@cache
def app() -> FastAPI:
    """The application; it is made when the page is first asked for."""
    made = FastAPI(title="Models", docs_url=None, redoc_url=None, openapi_url=None)
    for path, (endpoint, *rights) in PAGES.items():
        needs = [Depends(right) for right in rights]
        made.add_api_route(path, endpoint, methods=["GET"], response_class=HTMLResponse, dependencies=needs)
    for path, (endpoint, right) in DECISIONS.items():
        needs = [Depends(right), Depends(shown), Depends(action_logging(f"ml_pipeline.{path.rpartition('/')[2]}"))]
        made.add_api_route(path, endpoint, methods=["POST"], response_class=HTMLResponse, dependencies=needs)
    for kind in (PipelineError, HTTPException, RequestValidationError, *FAULTS):
        made.add_exception_handler(kind, _failed)
    return made


def ready() -> None:
    """Make the page, and see what the first visitor would wait for: imports, the database, the store."""
    app()
    import_module("pyarrow.parquet")
    with suppress(PipelineError, *FAULTS):
        use_cases.rows(names())


def may_read(visitor: Visit, name: str) -> None:
    """Raises: HTTPException: the visitor may not read the use case's training DAG."""
    if not visitor.may_read(name):
        raise HTTPException(403, f"You may not read the models of {name}.")


def may_read_run(visitor: Visit, dag: str) -> None:
    """Raises: HTTPException: the visitor may not read the training DAG of the use case that a DAG is of."""
    may_read(visitor, runs.of_dag(dag)[0])


def shown(visitor: Visit, token: Field) -> None:
    """Raises: ScopeError: the form was not shown to the visitor by this page."""
    visitor.refuse_foreign(token)


def may_promote(visitor: Visit, name: str) -> None:
    """Raises: HTTPException: the visitor may not edit the use case's training DAG."""
    if not visitor.may_promote(name):
        raise HTTPException(403, f"You may not change who is champion of {name}: that takes the right to edit its DAG.")


def may_retrain(visitor: Visit, name: str) -> None:
    """Raises: HTTPException: the visitor may not trigger the use case's training DAG."""
    if not visitor.may_retrain(name):
        raise HTTPException(403, f"You may not train {name}: that takes the right to trigger its DAG.")


def glance(visitor: Visit) -> Response:
    """All use cases."""
    return use_cases.show(visitor)


def one(visitor: Visit, name: str) -> Response:
    """A use case."""
    return use_case.show(visitor, name)


def one_model(visitor: Visit, name: str, version: str) -> Response:
    """A model."""
    return model.show(visitor, name, version)


def one_run(dag: str, run_id: str) -> Response:
    """A run of one of a use case's DAGs."""
    return run.show(*runs.of_dag(dag), run_id)


def report(name: str, version: str) -> Response:
    """The report that evaluation left of a model."""
    return stored.model_report(name, version)


def monitoring(name: str, as_of: str) -> Response:
    """The page that a run of monitoring left."""
    return stored.monitoring_report(name, as_of)


def compare(name: str, old: str, new: str) -> Response:
    """Two models side by side."""
    return comparison.show(name, old, new)


def graph(name: str, level: str) -> Response:
    """A graph of a use case."""
    return graphs.show(name, level)


def switch(version: Field, seen: Annotated[int, Form()], reason: Field = "") -> actions.Switch:
    """What a form asks for that makes another model champion."""
    return actions.Switch(version, reason, seen)


Switch = Annotated[actions.Switch, Depends(switch)]


def promote(visitor: Visit, name: str, asked: Switch) -> Response:
    """Make a model champion."""
    return actions.promoted(visitor, name, asked)


def rollback(visitor: Visit, name: str, asked: Switch) -> Response:
    """Make a former champion champion again."""
    return actions.rolled_back(visitor, name, asked)


def retrain(visitor: Visit, name: str, reason: Field = "") -> Response:
    """Start a run of the training DAG."""
    return actions.retrained(visitor, name, reason)


Endpoint = Callable[..., Any]
PAGES: dict[str, tuple[Endpoint, ...]] = {
    "/": (glance,),
    "/{name}": (one, may_read),
    "/{name}/models/{version}": (one_model, may_read),
    "/{name}/models/{version}/report": (report, may_read),
    "/{name}/monitoring/{as_of}": (monitoring, may_read),
    "/{dag}/runs/{run_id:path}": (one_run, may_read_run),
    "/{name}/compare": (compare, may_read),
    "/{name}/graphs/{level}": (graph, may_read),
}
"""Path -> what answers, and what it takes to be answered."""
DECISIONS: dict[str, tuple[Endpoint, Endpoint]] = {
    "/{name}/promote": (promote, may_promote),
    "/{name}/rollback": (rollback, may_promote),
    "/{name}/retrain": (retrain, may_retrain),
}
"""The same for forms; who sends one stands in Airflow's audit log, too."""


async def _failed(request: Request, error: Exception) -> Response:
    """A page with a sentence; to whoever is not logged in, Airflow's login."""
    if isinstance(error, HTTPException):
        if error.status_code == 401 and request.method == "GET":
            return _login(request)
        return failure(str(error.detail), error.status_code)
    if isinstance(error, PipelineError):
        return failure(str(error), error.http_status)
    if isinstance(error, RequestValidationError):
        told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return failure(f"The request is not as it must be: {told}.", 422)
    log.error("a page of Models could not be made", exc_info=error)
    return failure(f"{type(error).__name__}: {error}", 500)


def _login(request: Request) -> Response:
    outer = request.scope["root_path"].removesuffix(PREFIX)
    address = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    return RedirectResponse(f"{outer}/api/v2/auth/login?next={quote(address, safe='')}", 303)
