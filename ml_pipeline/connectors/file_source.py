"""What all sources of files have in common: finding, opening, columns named by folders, and errors in words."""

from __future__ import annotations

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, ClassVar

from ml_pipeline.chain import Links
from ml_pipeline.connectors.address import address_of
from ml_pipeline.connectors.files import File, find, opened
from ml_pipeline.data.sources import Records, Types, Window
from ml_pipeline.errors import DataError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(eq=False)
class FileSource(ABC):
    """A file, or all files of one format in a folder at any depth, in the order of their names.

    Args:
        types: The columns that are wanted, with their types; others are left out. One that a file lacks is taken from
            the name of a folder above it, where one is called `column=value`.
        adds: Functions whose columns are stored with the record, such as the moment at which it became known.
        address: A path, or the URI of an object store; pipeline.yaml may say another.
        synthetic: Whether a program made the records up.
    """

    types: Types
    _: KW_ONLY
    adds: Links = ()
    address: str | Path = ""
    synthetic: bool = False

    suffixes: ClassVar[tuple[str, ...]]
    content: ClassVar[str]
    """What a file must be, for messages."""

    def read(self, window: Window) -> Iterator[Records]:
        """All records; their types are checked where they are ingested.

        Raises:
            DataError: there is no file, one cannot be read, or there is no record in any.
            SchemaError: a column is missing.
        """
        delivered = 0
        for file in find(address_of(window, self.address), self.suffixes):
            with self.legible(file), opened(file) as stream:
                for records in self.parse(file, stream):
                    delivered += records.batch.num_rows + len(records.rejects)
                    yield Records(self._filled(records.batch, file.folders), records.rejects, self.synthetic)
        if not delivered:
            self._refuse(address_of(window, self.address))

    @contextmanager
    def legible(self, file: File) -> Iterator[None]:
        """What goes wrong while a file is read, in words."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self.unreadable(file, error) from error

    def _refuse(self, address: str) -> None:
        """A snapshot without records would stand for all that was known before.

        Raises:
            DataError: always.
        """
        raise DataError(
            f"{PurePosixPath(address).name or address} holds no records",
            given=address,
            expected=f"{self.content} with one record or more",
            do="deliver the records again",
        )

    @abstractmethod
    def parse(self, file: File, stream: IO[bytes]) -> Iterator[Records]:
        """The records of one file, in at least one batch."""

    def unreadable(self, file: File, error: Exception) -> DataError:
        """What to say of a file that is not what it should be."""
        words = " ".join(str(error).split())
        absent = isinstance(error, FileNotFoundError)
        do = (
            "put it there, or correct its address (a source's is in pipeline.yaml)"
            if absent
            else "deliver the file again"
        )
        return DataError(f"{file.name} cannot be read", given=words, expected=self.content, do=do)

    def columns(self, file: File, names: Sequence[str]) -> list[str]:
        """The wanted columns that the file itself must give, of those it has.

        Raises:
            SchemaError: it lacks one, or has one twice.
        """
        wanted = [name for name in self.types if name in names or name not in file.folders]
        if wrong := [name for name in wanted if names.count(name) != 1]:
            fault = "has twice" if wrong[0] in names else "lacks"
            raise SchemaError(
                f"{file.name} {fault} the column {wrong[0]!r}",
                given=", ".join(names),
                expected=", ".join(self.types),
                do="deliver the file with this column, or change the types in sources.py",
            )
        return wanted

    def _filled(self, batch: pa.RecordBatch | pa.Table, folders: Mapping[str, str | None]) -> pa.Table:
        import pyarrow as pa

        table = batch if isinstance(batch, pa.Table) else pa.table(batch)
        for name in [name for name in self.types if name not in table.column_names]:
            table = table.append_column(name, pa.repeat(pa.scalar(folders[name], pa.string()), table.num_rows))
        return table.select(list(self.types))
