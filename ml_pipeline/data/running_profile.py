"""The profile of a dataset whose parts are made at the same time."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from ml_pipeline.data import arrow
from ml_pipeline.data.extent import Extent
from ml_pipeline.data.looked_at import looked_at
from ml_pipeline.data.profile import Profile

if TYPE_CHECKING:
    import pyarrow as pa

GATHERED = 16
"""Parts whose rows are profiled at once: apart, each would take as long as all of them together."""


class Piece(NamedTuple):
    """Some rows of a part, how many each stands for, and what is known of all."""

    rows: pa.Table
    times: int
    extents: dict[str, Extent]


class RunningProfile:
    """Takes parts in any order and from any thread, and profiles them in their order.

    Sketches that are merged in another order differ a little; a dataset's profile must not depend on which of its parts
    was ready first. What waits is some rows of `GATHERED` parts, and of as many more as there are threads.
    """

    def __init__(self) -> None:
        self._whole = Profile()
        self._next = 0
        self._early: dict[int, Piece] = {}
        self._pieces: list[Piece] = []
        self._lock = Lock()

    def add(self, number: int, part: pa.Table) -> None:
        """A part, by its number from 0."""
        piece = _look(number, part)
        with self._lock:
            self._early[number] = piece
            while self._next in self._early:
                self._take(self._early.pop(self._next))
                self._next += 1

    def whole(self) -> Profile:
        """Of all parts that were added."""
        with self._lock:
            self._gather()
            return self._whole

    def _take(self, piece: Piece) -> None:
        if self._pieces and (len(self._pieces) == GATHERED or self._pieces[0].times != piece.times):
            self._gather()
        self._pieces.append(piece)

    def _gather(self) -> None:
        if self._pieces:
            self._whole = self._whole.merge(_profile(self._pieces))
            self._pieces = []


def _look(number: int, part: pa.Table) -> Piece:
    import pyarrow as pa

    rows, times = looked_at(part.num_rows, number)
    chosen = arrow.plain(rows) if times > 1 else None
    some = {name: _some(part.column(name), chosen) for name in part.column_names}
    return Piece(pa.table(some), times, {name: _extent(part.column(name)) for name in part.column_names})


def _some(values: pa.ChunkedArray, rows: pa.Int32Array | None) -> pa.ChunkedArray:
    """These rows or all, words as they are: a dictionary would keep those of all rows in memory."""
    import pyarrow as pa

    taken = values.take(rows) if rows is not None else values
    return taken.cast(pa.string()) if pa.types.is_dictionary(values.type) else taken


def _extent(values: pa.ChunkedArray) -> Extent:
    import pyarrow as pa

    words = pa.types.is_dictionary(values.type) or pa.types.is_string(values.type)
    return Extent(len(values), values.null_count) if words else Extent.of(arrow.to_column(values))


def _profile(pieces: list[Piece]) -> Profile:
    import pyarrow as pa

    extents = dict(pieces[0].extents)
    for piece in pieces[1:]:
        extents = {name: extent.merge(piece.extents[name]) for name, extent in extents.items()}
    found = Profile.of(arrow.to_columns(pa.concat_tables([piece.rows for piece in pieces])), pieces[0].times)
    rows = sum(next(iter(piece.extents.values()), Extent(0, 0)).rows for piece in pieces)
    return Profile(rows, {name: extents[name].correct(own) for name, own in found.columns.items()})
