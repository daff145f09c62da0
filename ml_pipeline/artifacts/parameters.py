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
from ml_pipeline.errors import ChainError, IntegrityError
from ml_pipeline.templates import Parameters

FORMAT = "ml-pipeline/parameters/1"
SHORT = 64
DTYPES = ("<f8", "<f4", "<i8", "<i4", "|b1", "|u1")


def dump(parameters: Parameters, model: str) -> bytes:
    """The YAML of a model's parameters; `model` is the name of its class."""
    return plain_yaml.dump({"format": FORMAT, "model": model, "parameters": _plain(parameters)})


def load(content: bytes, where: str = "a parameters file") -> Parameters:
    """The parameters as they were; short vectors come back as lists. `where` names the file in errors.

    Raises:
        IntegrityError: it is not such a file.
    """
    document = plain_yaml.load(content, where)
    try:
        if document["format"] == FORMAT and isinstance(document["parameters"], dict):
            parameters: Parameters = _restored(document["parameters"])
            return parameters
    except (KeyError, TypeError, ValueError) as error:
        raise _no_parameters(f"{where}: {error}") from error
    raise _no_parameters(f"{where}: {document!s:.80}")


def _no_parameters(given: str) -> IntegrityError:
    return IntegrityError(
        "this is no parameters file",
        given=given,
        expected=f"YAML with format: {FORMAT}",
        do="name a parameters.yaml that a train stage wrote",
    )


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
    if little.dtype.str not in DTYPES:
        raise ChainError(
            "parameters hold an array of a kind that their file has no room for",
            given=f"{array.dtype}, shape {array.shape}",
            expected=" or ".join(DTYPES),
            do="let the model's update give numbers, or a list of words",
        )
    text = base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")
    return {"dtype": little.dtype.str, "shape": list(array.shape), "base64": text}


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"dtype", "shape", "base64"}:
            if value["dtype"] not in DTYPES:
                raise ValueError(f"dtype: {value['dtype']}")
            raw = np.frombuffer(base64.b64decode(value["base64"], validate=True), np.dtype(value["dtype"]))
            return raw.reshape(value["shape"])
        return {key: _restored(entry) for key, entry in value.items()}
    return [_restored(entry) for entry in value] if isinstance(value, list) else value
