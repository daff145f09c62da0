from __future__ import annotations

import subprocess
import sys

import pytest

from ml_pipeline import connectors


def test_the_exported_names_are_these() -> None:
    assert connectors.__all__ == ["CsvFiles", "JsonFiles", "PagedJson", "ParquetFiles", "SqlQuery"]


@pytest.mark.parametrize("name", connectors.__all__)
def test_every_exported_name_is_a_source_of_that_name(name: str) -> None:
    source = getattr(connectors, name)
    assert source.__name__ == name
    assert callable(source.read)
    assert source.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ExcelFiles'"):
        connectors.ExcelFiles  # noqa: B018


def test_importing_all_of_them_leaves_heavy_libraries_alone() -> None:
    code = f"import sys; from ml_pipeline.connectors import {', '.join(connectors.__all__)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ml_pipeline.connectors.paged_json" in loaded
    heavy = ("pyarrow", "pandas", "urllib3", "obstore", "adbc_driver_manager", "adbc_driver_postgresql", "sqlite3")
    assert not set(heavy) & set(loaded)
