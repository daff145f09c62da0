"""The sources a use case names: files, databases and services, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_pipeline.connectors.csv_files import CsvFiles
    from ml_pipeline.connectors.json_files import JsonFiles
    from ml_pipeline.connectors.paged_json import PagedJson
    from ml_pipeline.connectors.parquet_files import ParquetFiles
    from ml_pipeline.connectors.sql_query import SqlQuery

__all__ = ["CsvFiles", "JsonFiles", "PagedJson", "ParquetFiles", "SqlQuery"]

_FILES = {
    "CsvFiles": "csv_files",
    "JsonFiles": "json_files",
    "PagedJson": "paged_json",
    "ParquetFiles": "parquet_files",
    "SqlQuery": "sql_query",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
