"""Parameters as YAML that a person and any language can read, exact to the last bit.

Numbers and short vectors stand in plain YAML; an array of more than 64 numbers is a mapping of `dtype`, `shape` and
`base64` (little-endian). `parameters.schema.json` beside this file is the JSON Schema of the whole.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.errors import IntegrityError
from ml_pipeline.templates import Parameters

FORMAT = "ml-pipeline/parameters/1"
SHORT = 64


def dump(parameters: Parameters, model: str) -> bytes:
    """The YAML of a model's parameters; `model` is the name of its class."""
    return plain_yaml.dump({"format": FORMAT, "model": model, "parameters": _plain(parameters)})


def load(content: bytes) -> Parameters:
    """The parameters as they were.

    Raises:
        IntegrityError: it is not such a file.
    """
    document = plain_yaml.load(content)
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise IntegrityError(
            "this is no parameters file",
            given=str(document)[:80],
            expected=f"YAML with format: {FORMAT}",
            do="name a parameters.yaml that a train stage wrote",
        )
    parameters: Parameters = _restored(document["parameters"])
    return parameters


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= SHORT and value.ndim == 1 else _packed(value)
    return value.item() if isinstance(value, np.generic) else value


def _packed(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    text = base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")
    return {"dtype": little.dtype.str, "shape": list(array.shape), "base64": text}


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"dtype", "shape", "base64"}:
            raw = np.frombuffer(base64.b64decode(value["base64"]), np.dtype(value["dtype"]))
            return raw.reshape(value["shape"])
        return {key: _restored(entry) for key, entry in value.items()}
    return [_restored(entry) for entry in value] if isinstance(value, list) else value
