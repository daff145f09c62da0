"""Raw records of a request made columns, as ingestion would have made them of the same records in batch.

Most records have just the values that their types promise, and are decoded straight into them. Any other record goes
the way of batch ingestion (`JsonRecords`, then `conform`), alone as among many, so that a neighbour changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from ml_pipeline.columns import MISSING, Category, Column, concat, take
from ml_pipeline.connectors.json_records import MARK, NOT_JSON, JsonRecords
from ml_pipeline.data import arrow
from ml_pipeline.data.conform import arrow_type, conform
from ml_pipeline.data.sources import Source, Types
from ml_pipeline.errors import DataError
from ml_pipeline.realtime.set_aside import SetAside, all_bad, of_type

if TYPE_CHECKING:
    import pyarrow as pa

Places = npt.NDArray[np.int64]
PLACE = "place among the records of the request"
"""The column that follows a record on its way; no function can ask for it, for it is no identifier."""
BEGINNING = 64
"""Bytes in which a body shows what it is, unless it begins with many spaces."""
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?\Z"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
NAT = np.iinfo(np.int64).min
MANY = 16
"""Moments from which on NumPy reads them faster than Python."""
KINDS: Mapping[str, Any] = {
    "string": str,
    "int64": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "float64": float,
    "double": float,
    "bool": bool,
    "timestamp": Annotated[str, msgspec.Meta(pattern=MOMENT)],
}
"""Types of which a value as JSON has it is the value, with what JSON has."""


class Taken(NamedTuple):
    """Good records as columns with `PLACE` among them, those that are set aside, and how many there were."""

    columns: dict[str, Column]
    set_aside: list[SetAside]
    sent: int


class RawRecords:
    """Takes the records of one source.

    A record is an object with a value for each column that the source promises; one that is null or left out is
    missing, and others are left alone. Where the source says at which `paths` of a nested object its values are, a
    record may be such an object as well.

    Args:
        reader: The source.
        source: Its name, for messages.
        truth: Columns that are known only together with the label: what a record says of them is not looked at.
    """

    def __init__(self, reader: Source, source: str, truth: Sequence[str] = ()) -> None:
        self.types: Types = {name: kind for name, kind in reader.types.items() if name not in truth}
        self.truth: Types = {name: kind for name, kind in reader.types.items() if name in truth}
        self.source = source
        paths = {name: path for name, path in getattr(reader, "paths", {}).items() if name in self.types}
        self.flat, self.nested = JsonRecords(self.types, {}), JsonRecords(self.types, paths)
        self.marks = {path.split(".")[0].removesuffix("[]") for path in paths.values()} - reader.types.keys()
        self.plain = not self.marks and all(kind in KINDS for kind in self.types.values())
        record = _struct(self.types)
        self.numbers = [at for at, kind in enumerate(self.types.values()) if kind not in MADE]
        self.one, self.many = msgspec.json.Decoder(record), msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        self.raw = msgspec.json.Decoder(list[msgspec.Raw])

    def of_json(self, body: bytes) -> Taken:
        """A record, or an array of them.

        Raises:
            DataError: it is no JSON of either, or there is no good record among them.
        """
        body = body.removeprefix(MARK)
        several = _begins(body) == b"["
        if self.plain:
            try:
                records = self.many.decode(body) if several else [self.one.decode(body)]
                return Taken(self._columns(records, np.arange(len(records))), [], len(records))
            except NOT_JSON:
                pass
        return self._told_apart([bytes(raw) for raw in self._raw(body)] if several else [self._object(body)])

    def of_bodies(self, bodies: Sequence[bytes]) -> tuple[Taken, list[int]] | None:
        """The records of several JSON bodies under one another, and how many each has.

        None unless all values of all of them are of their types as they stand.
        """
        if not self.plain:
            return None
        try:
            found = [self.many.decode(body) if _begins(body) == b"[" else [self.one.decode(body)] for body in bodies]
            records = [record for own in found for record in own]
            return Taken(self._columns(records, np.arange(len(records))), [], len(records)), [*map(len, found)]
        except NOT_JSON:
            return None

    def of_arrow(self, body: bytes) -> Taken:
        """The records of an Arrow IPC stream.

        Raises:
            DataError: it is none, or there is no good record in it.
        """
        table = _table(body, self.source, self.types)
        columns, set_aside = self._conformed(table, np.arange(table.num_rows))
        return self._checked(Taken(columns, set_aside, table.num_rows))

    def _raw(self, body: bytes) -> list[msgspec.Raw]:
        try:
            found: list[msgspec.Raw] = self.raw.decode(body)
        except NOT_JSON as error:
            raise self._no_records(_words(error)) from error
        return found

    def _object(self, body: bytes) -> bytes:
        """A body that is to be one record."""
        try:
            found = msgspec.json.decode(body)
        except NOT_JSON as error:
            raise self._no_records(_words(error)) from error
        if not isinstance(found, dict):
            raise self._no_records(f"JSON of a {type(found).__name__}")
        return body

    def _no_records(self, given: str) -> DataError:
        return DataError(
            f"the body holds no records of {self.source}",
            given=given,
            expected="JSON in UTF-8: an object for one record, or an array of objects",
            do="send such records; a value that is not known may be null or left out",
        )

    def _told_apart(self, texts: Sequence[bytes]) -> Taken:
        """Each record alone: straight into its types, by way of text, or set aside."""
        typed: dict[int, msgspec.Struct] = {}
        rows: dict[int, list[str | None]] = {}
        set_aside: list[SetAside] = []
        for place, text in enumerate(texts):
            record = self._typed(text) or self._row(text)
            if isinstance(record, msgspec.Struct):
                typed[place] = record
            elif isinstance(record, list):
                rows[place] = record
            else:
                set_aside.append(of_type(place, record))
        columns = self._columns(list(typed.values()), np.array(list(typed), np.int64))
        if rows:
            others, misfits = self._conformed(self.flat.table(list(rows.values())), np.array(list(rows), np.int64))
            columns = _merged(columns, others)
            set_aside = sorted([*set_aside, *misfits], key=lambda each: each.record)
        return self._checked(Taken(columns, set_aside, len(texts)))

    def _typed(self, text: bytes) -> msgspec.Struct | None:
        """A record of which every value is of its type as it stands."""
        if not self.plain:
            return None
        try:
            record: msgspec.Struct = self.one.decode(text)
            self._columns([record], np.zeros(1, np.int64))
        except NOT_JSON:
            return None
        return record

    def _row(self, text: bytes) -> list[str | None] | str:
        """The values of a record as text, or why there are none."""
        try:
            found = msgspec.json.decode(text)
        except NOT_JSON as error:
            return f"the record is not JSON: {_words(error)}"
        nested = isinstance(found, dict) and bool(self.marks & found.keys())
        return (self.nested if nested else self.flat).row(found)

    def _checked(self, taken: Taken) -> Taken:
        """Raises: RejectedError: all records must be set aside."""
        if taken.set_aside and len(taken.set_aside) == taken.sent:
            raise all_bad(taken.set_aside, ", ".join(f"{name} ({kind})" for name, kind in self.types.items()))
        return taken

    def _columns(self, records: Sequence[Any], places: Places) -> dict[str, Column]:
        """Raises: ValueError: a text is no moment."""
        rows = len(records)
        if not self.plain or not rows:
            return {**self._nothing({**self.types, **self.truth}, rows), PLACE: places.astype(np.float64)}
        values = list(zip(*map(astuple, records), strict=True))
        # All numbers at once: to make an array of one takes as long as to make one of twenty.
        numbers = iter(np.array([values[at] for at in self.numbers], np.float64).reshape(-1, rows))
        made = {
            name: MADE[kind](own) if kind in MADE else next(numbers)
            for (name, kind), own in zip(self.types.items(), values, strict=True)
        }
        return {**made, **self._nothing(self.truth, rows), PLACE: places.astype(np.float64)}

    def _conformed(self, table: pa.Table, places: Places) -> tuple[dict[str, Column], list[SetAside]]:
        """Rows with their types, and those that do not have them."""
        import pyarrow as pa

        kept, rejects = conform(
            table.append_column(PLACE, pa.array(places)), {**self.types, PLACE: "int64"}, self.source
        )
        columns = arrow.to_columns(kept)
        columns |= self._nothing(self.truth, kept.num_rows)
        return columns, [of_type(record[PLACE], reason) for reason, record in rejects]

    def _nothing(self, types: Types, rows: int) -> dict[str, Column]:
        """Columns of which nothing is known."""
        return {name: _nothing(kind, rows, self.source) for name, kind in types.items()}


def _struct(types: Types) -> type[msgspec.Struct]:
    names = {f"f{at}": name for at, name in enumerate(types)}
    fields = [(field, KINDS.get(types[name], Any) | None, None) for field, name in names.items()]
    return msgspec.defstruct("Record", fields, rename=names, gc=False)


def _begins(body: bytes) -> bytes:
    return (body[:BEGINNING].lstrip() or body.lstrip())[:1]


def _words(error: Exception) -> str:
    return "brackets within brackets, too many" if isinstance(error, RecursionError) else str(error)


def _table(body: bytes, source: str, types: Types) -> pa.Table:
    """The columns that are wanted of an Arrow stream; empty ones where it has none of the name.

    Raises:
        DataError: it is no such stream, or has a column twice.
    """
    import pyarrow as pa

    try:
        found = pa.ipc.open_stream(body).read_all()
        found.validate(full=True)
        missing = {name: pa.nulls(found.num_rows) for name in types if name not in found.column_names}
        return pa.table({name: missing[name] if name in missing else found.column(name) for name in types})
    except (pa.ArrowException, OSError, EOFError, KeyError, ValueError) as error:
        raise DataError(
            f"the body holds no records of {source}",
            given=" ".join(str(error).split())[:300],
            expected="an Arrow IPC stream with each column at most once",
            do="send such a stream; columns that are not known may be left out",
        ) from error


def _merged(a: dict[str, Column], b: dict[str, Column]) -> dict[str, Column]:
    """The records of both in the order of the request."""
    both = concat([a, b])
    return take(both, np.argsort(np.asarray(both[PLACE])))


def _nothing(kind: str, rows: int, source: str) -> Column:
    if kind == "string":
        return Category(np.full(rows, MISSING, np.int32), ())
    if kind == "timestamp":
        return np.full(rows, np.datetime64("NaT", "us"))
    if kind in KINDS:
        return np.full(rows, np.nan)
    import pyarrow as pa

    return arrow.to_column(pa.nulls(rows, arrow_type(kind, source)))


def _moments(values: Sequence[str | None]) -> Column:
    """Raises: ValueError: a text is no moment."""
    if len(values) >= MANY and all(value is not None and value[-1] == "Z" for value in values):
        return np.array([value[:-1] for value in values if value], "datetime64[us]")
    micros = [NAT if value is None else _since_epoch(value) for value in values]
    return np.array(micros, np.int64).view("datetime64[us]")


def _since_epoch(text: str) -> int:
    """Microseconds; without an offset it is in UTC.

    Raises:
        ValueError: there is no such moment.
    """
    moment = dt.datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - EPOCH) // MICROSECOND


MADE: Mapping[str, Callable[[Sequence[Any]], Column]] = {"string": Category.of, "timestamp": _moments}
"""How columns of other things than numbers are made of values."""
