"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_pipeline.config import UseCaseConfig


class Facts(NamedTuple):
    """All plain values, as the store holds them; whatever is not known yet may be empty.

    `model` is model.yaml, `metrics` metrics.yaml with the `curves` of each role, `parameters` those of the model's
    chain (long vectors as arrays), `profile` that of the columns the model was trained on, `graph` an SVG of the
    services.
    """

    model: Mapping[str, Any]
    metrics: Mapping[str, Any]
    parameters: Mapping[str, Any]
    profile: Mapping[str, Any]
    config: UseCaseConfig
    graph: str = ""
