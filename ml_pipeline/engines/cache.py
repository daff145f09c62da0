"""Encoded batches in a temporary file, from which later passes map them into memory.

The file has no name, so nothing is left behind, whatever ends the process. Nothing is pickled: a batch is the bytes of
its arrays, codes in the smallest type that holds them, and vocabularies are JSON.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from ml_pipeline.columns import Bag, Category, Column, Encoded

PAGE = mmap.ALLOCATIONGRANULARITY
ALIGNED = 64
"""Bytes at whose multiples arrays begin."""
VOCABULARIES = 64
"""Vocabularies that stay in memory: those that encoders have learnt are the same in all batches."""
log = logging.getLogger("ml_pipeline.engines")
Region: TypeAlias = tuple[int, int]
"""Where bytes begin in the file, and how many there are."""


class Piece(NamedTuple):
    """An array within the region of its batch."""

    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Shape(NamedTuple):
    """What a column is made of: arrays, the words of a vocabulary, and the width of a bag."""

    pieces: tuple[Piece, ...]
    words: Region | None = None
    width: int = 0


class Cache:
    """Batches by number.

    Where there is no room for one, `full` says why, and it is not kept; neither is any after it.
    """

    def __init__(self) -> None:
        self.full = ""
        self._file = tempfile.TemporaryFile(prefix="ml-pipeline-", buffering=0)  # noqa: SIM115 - closed by `close`
        self._lock = Lock()
        self._end = 0
        self._batches: dict[int, tuple[Region, dict[str, Shape]]] = {}
        self._vocabularies: dict[bytes, Region] = {}
        self._words = lru_cache(VOCABULARIES)(self._read_words)

    def close(self) -> None:
        """Give the room back."""
        self._file.close()

    def __contains__(self, number: int) -> bool:
        return number in self._batches

    def keep(self, number: int, batch: Encoded) -> None:
        """Write a batch; numbers may be float32."""
        if self.full:
            return
        try:
            self._batches[number] = self._write(batch)
        except OSError as error:
            self._give_up(f"{error.strerror or error} in {tempfile.gettempdir()}")

    def _give_up(self, reason: str) -> None:
        with self._lock:
            if not self.full:
                log.warning("no room to keep encoded batches (%s): every pass decodes them again", reason)
            self.full = reason

    def load(self, number: int) -> dict[str, Column | Bag]:
        """A batch that is kept, its arrays read-only views of the file."""
        (start, size), shapes = self._batches[number]
        content = mmap.mmap(self._file.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ, offset=start)
        return {name: self._column(content, shape) for name, shape in shapes.items()}

    def _write(self, batch: Encoded) -> tuple[Region, dict[str, Shape]]:
        flat = {name: _arrays(column) for name, column in batch.items()}
        arrays = [array for own in flat.values() for array in own]
        starts = np.cumsum([0, *(-(-array.nbytes // ALIGNED) * ALIGNED for array in arrays)]).tolist()
        region = self._allocate(starts[-1])
        for array, start in zip(arrays, starts, strict=False):
            self._fill(memoryview(array).cast("B") if array.size else b"", region[0] + start)
        rest = iter(starts)
        shapes = {
            name: self._shape(batch[name], [Piece(next(rest), array.dtype, array.shape) for array in own])
            for name, own in flat.items()
        }
        return region, shapes

    def _shape(self, column: Column | Bag, pieces: Sequence[Piece]) -> Shape:
        if isinstance(column, Category):
            return Shape(tuple(pieces), self._keep_words(column.vocabulary))
        if isinstance(column, Bag):
            return Shape(tuple(pieces), self._keep_words(column.words), column.width)
        return Shape(tuple(pieces))

    def _keep_words(self, words: tuple[str, ...]) -> Region:
        content = json.dumps(words).encode()
        key = hashlib.sha256(content).digest()
        if key not in self._vocabularies:
            start, _ = self._allocate(len(content))
            self._fill(content, start)
            self._vocabularies[key] = (start, len(content))
        return self._vocabularies[key]

    def _read_words(self, region: Region) -> tuple[str, ...]:
        start, size = region
        return tuple(json.loads(os.pread(self._file.fileno(), size, start)))

    def _allocate(self, size: int) -> Region:
        """Whole pages, at least one, because nothing cannot be mapped."""
        with self._lock:
            start, size = self._end, max(-(-size // PAGE), 1) * PAGE
            self._end += size
            os.ftruncate(self._file.fileno(), self._end)
        return start, size

    def _fill(self, content: memoryview | bytes, start: int) -> None:
        while len(content):
            written = os.pwrite(self._file.fileno(), content, start)
            content, start = content[written:], start + written

    def _column(self, content: mmap.mmap, shape: Shape) -> Column | Bag:
        arrays = [_array(content, piece) for piece in shape.pieces]
        if shape.words is None:
            return cast(Column, arrays[0].T)
        words = self._words(shape.words)
        return Bag(arrays[0], arrays[1], shape.width, words) if len(arrays) > 1 else Category(arrays[0], words)


def _array(content: mmap.mmap, piece: Piece) -> Any:
    count = int(np.prod(piece.shape))
    return np.frombuffer(content, piece.dtype, count, piece.start).reshape(piece.shape)


def _arrays(column: Column | Bag) -> list[Any]:
    """What a column is made of; a block column by column, as it is multiplied."""
    if isinstance(column, Category):
        return [_smallest(column.codes, len(column.vocabulary))]
    if isinstance(column, Bag):
        return [column.offsets, _smallest(column.places, column.width)]
    return [np.ascontiguousarray(column.T)]


def _smallest(codes: Any, size: int) -> Any:
    """Codes from -1 to `size`, which is one more than any."""
    return codes.astype(next(own for own in (np.int8, np.int16, np.int32) if size <= np.iinfo(own).max))
