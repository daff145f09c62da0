"""The Open Inference Protocol, version 2, over HTTP and JSON: `serve` alone, for columns that are combined already.

A model is called by the name of its use case, a version by that of the model; without one it is the champion's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from fastapi import Request, Response
from starlette.types import Scope

from ml_pipeline.api.answer import Answer, json, protocol_error
from ml_pipeline.api.routes import Route, Speech
from ml_pipeline.api.rows import refuse_beyond
from ml_pipeline.api.scoring import INLINE_BYTES, in_thread
from ml_pipeline.api.tensors import (
    InputTensor,
    OutputTensor,
    TensorMetadata,
    described,
    empty,
    from_columns,
    nothing,
    rows,
    to_columns,
)
from ml_pipeline.columns import kind
from ml_pipeline.errors import DataError, NotFoundError, PipelineError, UsageError
from ml_pipeline.realtime.service import ScoringService

BINARY = b"inference-header-content-length"
"""The header of a request whose tensors follow as bytes: an extension that is not offered."""


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output that a caller asks for."""

    name: str
    parameters: dict[str, Any] = {}


class InferenceRequest(msgspec.Struct, frozen=True):
    """The body of an inference; `outputs` are those wanted, all of them if there are none."""

    inputs: list[InputTensor]
    id: str = ""
    outputs: list[RequestedOutput] = []
    parameters: dict[str, Any] = {}


class InferenceAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Predictions."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str = ""


class ModelMetadata(msgspec.Struct, frozen=True):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct, frozen=True):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class Live(msgspec.Struct, frozen=True):
    """That it is."""

    live: bool


DECODER = msgspec.json.Decoder(InferenceRequest)


class Inference:
    """`POST /v2/models/{model}/infer` of one use case."""

    def __init__(self, service: ScoringService, seconds: float) -> None:
        self.service, self.seconds, self.name = service, seconds, service.use_case.config.name
        self.label = f"/v2/models/{self.name}/infer"

    async def answer(self, scope: Scope, content: bytes, version: str = "") -> Answer:
        """Predictions of the champion, or of a version."""
        for name, _ in scope["headers"]:
            if name == BINARY:
                raise _no_binary()
        asked = _decoded(content)
        refuse_beyond(rows(asked.inputs))
        work = partial(self._inferred, asked, version or self._champion())
        if len(content) <= INLINE_BYTES and not version:
            return work()
        return await in_thread(work, self.seconds)

    def refuse(self, error: PipelineError) -> Answer:
        """In the protocol's own form."""
        return protocol_error(error)

    def described(self, version: str = "") -> ModelMetadata:
        """Names, datatypes and shapes of what a version takes and gives."""
        version = version or self._champion()
        inputs = self.service.inputs(version)
        outputs = self.service.predict(nothing(inputs), version=version)
        kinds = {name: kind(column) for name, column in outputs.items()}
        return ModelMetadata(self.name, [version], "ml-pipeline", described(inputs), described(kinds))

    def _champion(self) -> str:
        self.service.check_ready()
        return self.service.champion

    def _inferred(self, asked: InferenceRequest, version: str) -> Answer:
        features = to_columns(asked.inputs, self.service.inputs(version))
        given = self.service.predict(features, version=version)
        if unknown := sorted({wanted.name for wanted in asked.outputs} - given.keys()):
            raise UsageError("the model gives no such output", given=unknown[0], expected=", ".join(given))
        wanted = [own.name for own in asked.outputs] or list(given)
        outputs = from_columns({name: given[name] for name in wanted})
        return json(InferenceAnswer(self.name, version, outputs, asked.id))


class Inferences:
    """The routes of the protocol."""

    def __init__(self, models: Mapping[str, Inference]) -> None:
        self.models = models

    def routes(self) -> list[Route]:
        """Rows of the table."""
        model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
        about, ready = Speech(ModelMetadata), Speech({"type": "object", "properties": {"ready": {"type": "boolean"}}})
        asks, answers = Speech(InferenceRequest, examples=self._examples), Speech(InferenceAnswer)
        rows = [
            Route("GET", "/v2", self.server, ("read",), Speech(ServerMetadata), title="Describe the server"),
            Route("GET", "/v2/health/live", self.live, (), Speech(Live), title="Is it alive"),
            Route("GET", "/v2/health/ready", self.ready, (), ready, title="Can all models infer"),
            Route("GET", model, self.model, ("read",), about, errors=(404,), title="Describe a model"),
            Route("GET", version, self.version, ("read",), about, errors=(404,), title="Describe a version"),
            Route("GET", f"{model}/ready", self.model_ready, ("read",), ready, errors=(404,), title="Is it ready"),
            Route("GET", f"{version}/ready", self.version_ready, ("read",), ready, errors=(404,), title="Is it ready"),
            Route("POST", f"{model}/infer", self.infer, ("score",), answers, asks, errors=(404, 413), title="Infer"),
            Route(
                "POST", f"{version}/infer", self.infer_version, ("score",), answers, asks, errors=(404, 413),
                title="Infer with a version",
            ),
        ]  # fmt: skip
        return [row._replace(tag="Open Inference Protocol") for row in rows]

    def _examples(self) -> dict[str, Any]:
        """For each model a row of which nothing is known."""
        return {name: {"inputs": empty(own.service.inputs())} for name, own in self.models.items()}

    async def server(self) -> Response:
        """What this server is."""
        return json(ServerMetadata("ml-pipeline", "1", [])).response()

    async def live(self) -> Response:
        """Says that the process lives."""
        return json(Live(True)).response()

    async def ready(self) -> Response:
        """Says whether all models can infer."""
        await asyncio.to_thread(self._check)
        return json({"ready": True}).response()

    async def model(self, model: str) -> Response:
        """What a model takes and gives."""
        return json(await asyncio.to_thread(self._one(model).described)).response()

    async def version(self, model: str, version: str) -> Response:
        """What a version of a model takes and gives."""
        return json(await asyncio.to_thread(self._one(model).described, version)).response()

    async def model_ready(self, model: str) -> Response:
        """Says whether a model can infer."""
        await asyncio.to_thread(self._one(model).service.check_ready)
        return json({"name": model, "ready": True}).response()

    async def version_ready(self, model: str, version: str) -> Response:
        """Says whether a version of a model can infer."""
        await asyncio.to_thread(self._one(model).service.inputs, version)
        return json({"name": model, "version": version, "ready": True}).response()

    async def infer(self, request: Request, model: str) -> Response:
        """Predictions of the champion."""
        return (await self._one(model).answer(request.scope, await request.body())).response()

    async def infer_version(self, request: Request, model: str, version: str) -> Response:
        """Predictions of a version."""
        return (await self._one(model).answer(request.scope, await request.body(), version)).response()

    def _check(self) -> None:
        for own in self.models.values():
            own.service.check_ready()

    def _one(self, name: str) -> Inference:
        if name not in self.models:
            raise NotFoundError("there is no such model", given=name, expected=", ".join(self.models))
        return self.models[name]


def _decoded(content: bytes) -> InferenceRequest:
    try:
        return DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"the body is no inference request: {error}",
            given=content[:100].decode("utf-8", "replace"),
            expected='{"inputs": [{"name", "shape", "datatype", "data"}, …]}',
        ) from error


def _no_binary() -> DataError:
    return DataError(
        "binary tensors are not taken",
        given="the header Inference-Header-Content-Length",
        expected="tensors in JSON",
        do="tell the client so, as in tritonclient: binary_data=False",
    )
