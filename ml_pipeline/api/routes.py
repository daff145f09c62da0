"""The table of routes: who may call what, what is sent and what comes back. FastAPI's routes and OpenAPI derive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from fastapi import Depends, FastAPI, Request

REFERENCE = "#/components/schemas/{name}"
BEARER = "token"
"""The name of the security scheme."""
REFUSALS = {
    400: "The request is not understood.",
    401: "No token, or one that is not known.",
    403: "The token lacks the scope.",
    404: "There is no such thing; says what there is.",
    409: "It contradicts what was asked or decided before.",
    413: "More bytes or records than one request may have.",
    422: "The request is understood and cannot be carried out; says what is wrong.",
    429: "More at once than is taken on.",
    503: "Not now: the store, the model or the time is missing.",
}
EVERYWHERE = (401, 403, 422, 429, 503)


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, as RFC 9457 has it and in the words of the command line.

    Where all records of a request must be set aside, `set_aside` says why of each.
    """

    type: str
    title: str
    status: int
    detail: str
    error: str
    what: str
    given: str
    expected: str
    do: str
    exit_code: int
    set_aside: list[dict[str, Any]] = []


class ProtocolError(msgspec.Struct, frozen=True):
    """What went wrong, as the Open Inference Protocol has it."""

    error: str


class Speech(NamedTuple):
    """What is sent or comes back: a type, or a schema as it stands. `examples` gives some by name, when it is asked.

    `binary` is another media type in which the same may be said.
    """

    kind: Any
    media: str = "application/json"
    examples: Callable[[], Mapping[str, Any]] = dict
    binary: str = ""

    def content(self, schema: Any) -> dict[str, Any]:
        """For OpenAPI."""
        shown = {name: {"value": value} for name, value in self.examples().items()}
        other = {self.binary: {"schema": {"type": "string", "format": "binary"}}} if self.binary else {}
        return {self.media: {"schema": schema, **({"examples": shown} if shown else {})}, **other}


class Route(NamedTuple):
    """A row. A caller needs one of the `scopes`, where there are any. `also` are answers of another status than the
    usual `status`, and `errors` are statuses of refusals besides those that all routes have.

    What is hidden answers where nothing else does, to say what there is.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    scopes: tuple[str, ...]
    answers: Speech
    asks: Speech | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    tag: str = ""
    title: str = ""
    also: Mapping[int, Speech] = {}
    hidden: bool = False

    @property
    def failure(self) -> Speech:
        """How errors come back."""
        if self.path.startswith("/v2"):
            return Speech(ProtocolError)
        return Speech(Problem, "application/problem+json")

    @property
    def speeches(self) -> list[Speech]:
        """All that is said here, by whomever."""
        return [speech for speech in (self.asks, self.answers, *self.also.values(), self.failure) if speech]


def add(app: FastAPI, route: Route) -> None:
    """Make a route of FastAPI of a row."""
    app.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        dependencies=[_needs(route.scopes)] if route.scopes else None,
        include_in_schema=not route.hidden,
        operation_id=_operation(route),
        summary=route.title or None,
        tags=[route.tag] if route.tag else None,
        status_code=route.status,
        responses={},
    )


def describe(app: FastAPI, routes: Iterable[Route]) -> dict[str, Any]:
    """The whole of OpenAPI: what FastAPI knows of the routes, with what is sent and what comes back."""
    table = [route for route in routes if not route.hidden]
    speeches = [speech for route in table for speech in route.speeches]
    types = list(dict.fromkeys(speech.kind for speech in speeches if not isinstance(speech.kind, dict)))
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    schema_of = dict(zip(types, schemas, strict=True))
    app.openapi_schema = None  # what was made before, with other examples
    document = app.openapi()
    for route in table:
        operation = document["paths"][route.path][route.method.lower()]
        _complete(operation, route, lambda speech: _schema(speech.kind, schema_of))
    document["components"] = {
        "schemas": components,
        "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer"}},
    }
    return document


def _complete(operation: dict[str, Any], route: Route, schema: Callable[[Speech], Any]) -> None:
    if route.asks:
        operation["requestBody"] = {"content": route.asks.content(schema(route.asks)), "required": False}
    said = {
        str(status): {"description": HTTPStatus(status).phrase, "content": speech.content(schema(speech))}
        for status, speech in {route.status: route.answers, **route.also}.items()
    }
    failure = route.failure.content(schema(route.failure))
    known = sorted({*route.errors, *(EVERYWHERE if route.scopes else (503,))})
    refused = {str(status): {"description": REFUSALS[status], "content": failure} for status in known}
    operation["responses"] = {**said, **refused}
    operation["security"] = [{BEARER: []}] if route.scopes else []
    if route.scopes:
        operation["description"] = f"{operation.get('description', '')}\n\nScope: {' or '.join(route.scopes)}"


def _schema(kind: Any, schema_of: Mapping[Any, Any]) -> Any:
    return kind if isinstance(kind, dict) else schema_of[kind]


def _operation(route: Route) -> str:
    """A name that no other operation has, such as `post_flights_offline_train`."""
    words = [word.strip("{}") for word in route.path.strip("/").replace(".", "_").split("/")]
    return "_".join([route.method.lower(), *words])


def _needs(scopes: tuple[str, ...]) -> Any:
    """A dependency: the caller has one of the scopes."""

    def check(request: Request) -> None:
        caller = request.scope["caller"]
        if not caller.scopes & set(scopes):
            caller.need(scopes[0])

    return Depends(check)
