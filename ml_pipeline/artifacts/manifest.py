"""What a dataset is: its parts with their digests, its schema, and how it came about."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.errors import IntegrityError

if TYPE_CHECKING:
    import pyarrow as pa


class Part(msgspec.Struct, frozen=True):
    """One Parquet file of a dataset."""

    name: str
    rows: int
    bytes: int
    sha256: str
    elsewhere: str = ""
    """The key of the same content in an earlier dataset, where it is not stored again."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset is. `digest` covers the schema and the content of all parts, not how they came about.

    Every key is written, the digest last: a manifest that was cut off does not pass for a whole one.
    """

    name: str
    rows: int
    bytes: int
    columns: dict[str, str]
    time: dict[str, str]
    made_from: dict[str, Any]
    parts: tuple[Part, ...]
    quarantined: dict[str, int]
    quarantine: tuple[Part, ...]
    digest: str

    def schema(self) -> pa.Schema:
        """Columns with their Arrow types."""
        import pyarrow as pa

        return pa.schema([(name, _type(text)) for name, text in self.columns.items()])


def load(content: bytes, where: str) -> Manifest:
    """A stored manifest.

    Raises:
        IntegrityError: it is not what was written.
    """
    try:
        manifest = msgspec.convert(plain_yaml.load(content, where), Manifest)
    except msgspec.ValidationError as error:
        raise _not_whole(f"{where}: {error}") from error
    if manifest.digest != digest_of(manifest.columns, manifest.parts, manifest.quarantine):
        raise _not_whole(f"{where}: its digest is not that of its parts")
    return manifest


def dump(manifest: Manifest) -> bytes:
    """YAML, as it is stored."""
    return plain_yaml.dump(msgspec.to_builtins(manifest))


def digest_of(columns: dict[str, str], parts: Iterable[Part], quarantine: Iterable[Part]) -> str:
    """SHA-256 of a schema and the content of all parts."""
    content = [columns, [part.sha256 for part in parts], [part.sha256 for part in quarantine]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _not_whole(given: str) -> IntegrityError:
    return IntegrityError(
        "a manifest is not what was written",
        given=given,
        expected="the manifest of a dataset, whole",
        do="delete the dataset's folder and run the stage that makes it again",
    )


def _type(text: str) -> pa.DataType:
    import pyarrow as pa

    if text.startswith("dictionary"):
        return pa.dictionary(pa.int32(), pa.string())
    if text.startswith("timestamp"):
        return pa.timestamp("us", "UTC")
    if block := re.fullmatch(r"fixed_size_list<.*>\[([0-9]+)\]", text):
        return pa.list_(pa.float64(), int(block[1]))
    return {"double": pa.float64(), "string": pa.string(), "bool": pa.bool_()}.get(text) or pa.type_for_alias(text)


# msgspec looks into a type when it first decodes one, and crashes where several threads are first at once: here is one.
msgspec.json.Decoder(Manifest)
