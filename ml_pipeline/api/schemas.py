"""JSON Schemas of what depends on the use case: its records, and what is said of them."""

from __future__ import annotations

from typing import Any

from ml_pipeline.api.rows import MOST
from ml_pipeline.discovery import UseCase

KINDS: dict[str, dict[str, Any]] = {
    "string": {"type": ["string", "null"]},
    "bool": {"type": ["boolean", "null"]},
    "timestamp": {"type": ["string", "null"], "format": "date-time"},
    "int64": {"type": ["integer", "null"]},
}
"""By the type that a source promises; any other is a number."""
REASON = {
    "type": "object",
    "properties": {
        "record": {"type": "integer", "description": "Place in the request, from 0."},
        "reason": {"type": "string"},
        "column": {"type": "string"},
    },
    "required": ["record", "reason"],
}
SCORED = {
    "type": "object",
    "properties": {
        "model_version": {"type": "string"},
        "as_of": {"type": "string", "format": "date-time"},
        "predictions": {"type": "array", "items": {"type": "object"}},
        "set_aside": {"type": "array", "items": REASON},
    },
    "required": ["model_version", "as_of", "predictions", "set_aside"],
}
"""The answer to records."""


def records(use_case: UseCase) -> dict[str, Any]:
    """Raw records of the source that drives online, without what is known only together with the label."""
    source = use_case.config.driving("online")
    return _one_or_many(use_case, source, use_case.config.sources[source].truth)


def labelled(use_case: UseCase) -> dict[str, Any]:
    """Raw records to learn from, with all that is known."""
    return _one_or_many(use_case, use_case.config.driving("learning"), [])


def _one_or_many(use_case: UseCase, source: str, without: list[str]) -> dict[str, Any]:
    types = use_case.load(use_case.config.sources[source].reader).types
    number = {"type": ["number", "null"]}
    properties = {name: KINDS.get(kind, number) for name, kind in types.items() if name not in without}
    one = {"type": "object", "title": f"A record of {source}", "properties": properties}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": MOST}]}
