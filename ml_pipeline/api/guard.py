"""Routes of FastAPI with our errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ml_pipeline.api.answer import refusal, unexpected
from ml_pipeline.api.body import Gone
from ml_pipeline.errors import PipelineError, RequestError, StageError, UsageError

log = logging.getLogger("ml_pipeline.api")


class GuardedRoute(APIRoute):
    """A route whose errors are ours."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, with whatever it raises as an answer."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            refuse = refusal(request.url.path)
            try:
                return await inner(request)
            except RequestValidationError as error:
                return refuse(_invalid(error)).response()
            except PipelineError as error:
                return refuse(error, 409 if type(error) is StageError else 0).response()
            except (HTTPException, Gone):
                raise
            except Exception as error:
                log.exception("a request failed: %s", request.url.path)
                return refuse(unexpected(error)).response()

        return handle


def guarded(lifespan: Any) -> FastAPI:
    """A FastAPI application of such routes, without pages that load from elsewhere."""
    app = FastAPI(
        title="ml-pipeline",
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = GuardedRoute
    app.add_exception_handler(HTTPException, no_route)
    return app


def no_route(request: Request, error: Exception) -> Response:
    """What FastAPI says where no route is met, in our words."""
    status, headers = getattr(error, "status_code", 404), getattr(error, "headers", None) or {}
    what = "there is nothing here" if status == 404 else f"this route knows no {request.method}"
    said = RequestError(
        what,
        given=f"{request.method} {request.url.path}",
        expected=headers.get("Allow", "a route of /openapi.json"),
    )
    answer = refusal(request.url.path)(said, status).response()
    answer.headers.update(headers)
    return answer


def _invalid(error: RequestValidationError) -> UsageError:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return UsageError(
        "a parameter is not what it should be", given=f"{where}: {first['input']!r}", expected=first["msg"]
    )
