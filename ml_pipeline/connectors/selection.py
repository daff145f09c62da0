"""What is asked of a database, as one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

from ml_pipeline.data.sources import Types

ROWS_PER_BATCH = 65_536


class Selection(NamedTuple):
    """Columns of a query's result; of a watermark, what lies after `since` (all, if None) and not after `until`."""

    types: Types
    query: str
    watermark: str
    since: dt.datetime | None
    until: dt.datetime

    @property
    def bounds(self) -> list[dt.datetime]:
        """The values to bind, in their order."""
        if not self.watermark:
            return []
        return [self.until] if self.since is None else [self.since, self.until]

    def statement(self, value: Callable[[str, str], str], within: Callable[[str, bool], str]) -> str:
        """The SQL, from the text of sources.py alone; nothing in it comes from data.

        Args:
            value: The expression for a column, from a reference to it and the name of its type.
            within: The condition and order, from a reference to the watermark and whether there is a lower bound.
        """
        wanted = ", ".join(f"{value(_reference(name), kind)} as {_quoted(name)}" for name, kind in self.types.items())
        query = self.query.strip().rstrip(";")
        limits = within(_reference(self.watermark), self.since is not None) if self.watermark else ""
        return f"select {wanted} from (\n{query}\n) as records {limits}"  # noqa: S608


def _reference(name: str) -> str:
    """With its table: SQLite would take a quoted name alone that it does not know for a text."""
    return f"records.{_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
