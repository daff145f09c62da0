"""A little of a use case's data, through the functions that a run would send all of it through."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ml_pipeline.columns import Column, Columns, count, missing, take
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.data import arrow
from ml_pipeline.data.conform import Rejects
from ml_pipeline.data.intake import admit
from ml_pipeline.data.joins import MATCHED, MOMENT, Join, Reference
from ml_pipeline.data.rejects import set_apart
from ml_pipeline.data.sources import Source, Window
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError
from ml_pipeline.templates import NO_PARAMETERS, BaseModel

ROWS = 2000
"""Records that are enough to see of what kind columns are."""
LONGEST = 300
"""Characters of a record that is shown."""


class Sample(NamedTuple):
    """Good records, those that were set aside with the reason, and how many of both were looked at."""

    columns: dict[str, Column]
    rejects: Rejects
    rows: int

    @property
    def share(self) -> float:
        """Of the records, those that were set aside."""
        return len(self.rejects) / max(1, self.rows)

    def told(self) -> str:
        """What was set aside in words, with the most frequent reason and a record; empty if nothing was."""
        if not self.rejects:
            return ""
        ((reason, number),) = Counter(reason for reason, _ in self.rejects).most_common(1)
        example = next(record for own, record in self.rejects if own == reason)
        return (
            f"{len(self.rejects):,} of {self.rows:,} records are set aside: {reason} ({number:,}), "
            f"such as {str(example)[:LONGEST]}"
        )


def raw(reader: Source, source: str, address: str, rows: int = ROWS) -> Sample:
    """The first records of a source, with what is added to them; more batches than one where some are set aside.

    Raises:
        PipelineError: the source cannot be reached, or is not what it says.
        DataError: it has no records.
    """
    import pyarrow as pa

    tables, rejects, seen = list[pa.Table](), Rejects(), 0
    for admitted in admit(reader, source, Window(None, dt.datetime.now(dt.UTC), address), None, ()):
        tables += [admitted.table] if admitted.table.num_rows else []
        rejects += admitted.rejects
        seen += admitted.delivered
        if tables and (seen >= rows or not rejects):
            break
    if not tables:
        given = Sample({}, rejects, seen).told() or address or "where its reader looks"
        raise DataError(f"the source {source} has no good records", given=given)
    return Sample(arrow.to_columns(pa.concat_tables(tables).slice(0, rows)), rejects, seen)


def prepared(prepare: Any, columns: Columns) -> Sample:
    """What a preparation makes of some records, and those that it would set aside."""
    parameters = prepare.parameters if isinstance(prepare, BaseModel) else NO_PARAMETERS
    return Sample(*set_apart(prepare.transform(columns, parameters)), count(columns))


def combined(config: UseCaseConfig, mode: Mode, sources: Mapping[str, Columns]) -> dict[str, Column]:
    """The driving source's rows joined to those of the others that `sources` holds."""
    rows = sources[config.driving(mode)]
    moment = np.asarray(rows[config.time], "datetime64[us]") - duration(config.horizon)
    references = [
        Reference.of(name, sources[name], source.join)
        for name, source in config.sources.items()
        if source.join and name in sources
    ]
    joined = Join.transform({**rows, MOMENT: moment}, {"references": references})
    return {name: column for name, column in joined.items() if not name.startswith(MATCHED)}


def labelled(config: UseCaseConfig, columns: Columns) -> dict[str, Column]:
    """The rows whose label is known."""
    return take(columns, ~missing(columns[config.label]))
