"""Parquet files, read in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, ClassVar

from ml_pipeline.connectors.file_source import FileSource
from ml_pipeline.connectors.files import File
from ml_pipeline.data.parquet import ROWS_PER_PART
from ml_pipeline.data.sources import Records


@dataclass(eq=False)
class ParquetFiles(FileSource):
    """A Parquet file or a folder of them. Only wanted columns are fetched; values come with the file's own types."""

    suffixes: ClassVar = (".parquet",)
    content: ClassVar = "a Parquet file"

    def parse(self, file: File, stream: IO[bytes]) -> Iterator[Records]:
        """The records of one file."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(stream, pre_buffer=False) as content:
            schema = content.schema_arrow
            columns = self.columns(file, schema.names)
            yield Records(schema.empty_table().select(columns), [])  # a file without rows still has columns
            for batch in content.iter_batches(ROWS_PER_PART, columns=columns, use_threads=False):
                yield Records(batch, [])
