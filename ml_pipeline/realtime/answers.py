"""Answers to a request: what was predicted and what was set aside, as JSON or as an Arrow stream."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ml_pipeline.columns import Columns
from ml_pipeline.data import arrow, json_values
from ml_pipeline.realtime.set_aside import SetAside

if TYPE_CHECKING:
    import pyarrow as pa

ENCODER = msgspec.json.Encoder()


class Answer(NamedTuple):
    """Which model answered, what it took for now, the postprocessed rows in the order of the records, and the rest."""

    model_version: str
    as_of: dt.datetime
    rows: Columns
    set_aside: list[SetAside]

    def as_json(self) -> bytes:
        """An object; a missing value is null."""
        return ENCODER.encode({**self._about(), "predictions": self._objects(), "set_aside": self.set_aside})

    def parted(self, sizes: Sequence[int]) -> list[bytes]:
        """`as_json` for each of several requests that together had these rows, none of which was set aside."""
        rows, about = iter(self._objects()), self._about()
        return [ENCODER.encode({**about, "predictions": list(islice(rows, size)), "set_aside": []}) for size in sizes]

    def _objects(self) -> list[msgspec.Struct]:
        row = _row(tuple(self.rows))
        return list(map(row, *map(json_values.of_column, self.rows.values()))) if self.rows else []

    def as_arrow(self) -> bytes:
        """A stream of one table; all else is in the metadata of its schema."""

        about = self._about() | {"set_aside": ENCODER.encode(self.set_aside).decode()}
        table = arrow.to_table(self.rows).replace_schema_metadata(about)
        return _stream(table)

    def _about(self) -> dict[str, Any]:
        return {"model_version": self.model_version, "as_of": self.as_of.isoformat()}


@lru_cache(64)
def _row(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """An object with these keys: it is made and written in less time than a mapping."""
    fields = {f"f{at}": name for at, name in enumerate(names)}
    return msgspec.defstruct("Row", [(field, Any) for field in fields], rename=fields, gc=False)


def _stream(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
