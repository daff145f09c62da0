"""A little of a use case's data, through the functions that a run would send all of it through."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from ml_pipeline.chain import split_rejected
from ml_pipeline.columns import Column, Columns, take
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.data import arrow
from ml_pipeline.data.intake import admit
from ml_pipeline.data.joins import MATCHED, MOMENT, Join, Reference
from ml_pipeline.data.sources import Source, Window
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError
from ml_pipeline.templates import NO_PARAMETERS, BaseModel

ROWS = 2000
"""Records that are enough to see of what kind columns are."""


def raw(reader: Source, source: str, address: str, rows: int = ROWS) -> dict[str, Column]:
    """The first records of a source, with what is added to them.

    Raises:
        PipelineError: the source cannot be reached, or is not what it says.
        DataError: it has no records.
    """
    window = Window(None, dt.datetime.now(dt.UTC), address)
    for admitted in admit(reader, source, window, None, ()):
        if admitted.table.num_rows:
            return arrow.to_columns(admitted.table.slice(0, rows))
    raise DataError(f"the source {source} has no good records", given=address or "where its reader looks")


def prepared(prepare: Any, columns: Columns) -> dict[str, Column]:
    """What a preparation makes of some records, without those that it would set aside."""
    parameters = prepare.parameters if isinstance(prepare, BaseModel) else NO_PARAMETERS
    good, _ = split_rejected(prepare.transform(columns, parameters))
    return good


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
    return take(columns, ~np.isnan(cast(Any, columns[config.label])))
