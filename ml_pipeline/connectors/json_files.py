"""Files of JSON records: one document a file, or one record a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, ClassVar

from ml_pipeline.connectors.file_source import FileSource
from ml_pipeline.connectors.files import File
from ml_pipeline.connectors.json_records import NOT_JSON, Broken, JsonRecords, decode
from ml_pipeline.data.sources import Records
from ml_pipeline.errors import DataError

LINES = (".jsonl", ".ndjson")
RECORDS_PER_BATCH = 2_000
"""A record may be many kilobytes of nested objects."""


@dataclass(eq=False)
class JsonFiles(FileSource):
    """A file of JSON records or a folder of them. All values are given as text.

    A `.jsonl` or `.ndjson` file has a record a line and is streamed. Any other holds one document, decoded whole: an
    array of records, one object that holds them, or one record.

    Args:
        paths: Column -> where its value is in a record (see JsonRecords); without one, under the column's name.
        records: The key of a document under which its array of records is; empty if the document itself is it.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    records: str = ""

    suffixes: ClassVar = (".json", *LINES)
    content: ClassVar = "a JSON file"

    def parse(self, file: File, stream: IO[bytes]) -> Iterator[Records]:
        """The records of one file."""
        own = {name: kind for name, kind in self.types.items() if name in self.paths or name not in file.folders}
        flat = JsonRecords(own, self.paths)
        found = _lines(stream) if file.bare.endswith(LINES) else self._document(file, stream)
        yield flat.records(islice(found, RECORDS_PER_BATCH))
        while batch := list(islice(found, RECORDS_PER_BATCH)):
            yield flat.records(batch)

    def _document(self, file: File, stream: IO[bytes]) -> Iterator[Any]:
        try:
            document = decode(stream.read())
        except NOT_JSON as error:
            raise self.unreadable(file, error) from error
        if isinstance(document, dict):
            document = document.get(self.records) if self.records else [document]
        if not isinstance(document, list):
            raise DataError(
                f"{file.name} holds no records",
                given=f"a document without a list {self.records!r}" if self.records else "a single value",
                expected="a list of objects",
                do="deliver the file again, or say in sources.py under which key the records are",
            )
        return iter(document)


def _lines(stream: IO[bytes]) -> Iterator[Any]:
    for line in stream:
        if line.strip():
            try:
                yield decode(line)
            except NOT_JSON:
                yield Broken("the line is not JSON", line.decode("utf-8", "backslashreplace").strip())
