"""DuckDB on the cores that all contenders have."""

from __future__ import annotations

import os
from typing import Any

LEVEL = 1
"""Of zstd, as everybody else's."""


def connection() -> Any:
    """A database in memory."""
    import duckdb

    return duckdb.connect(config={"threads": len(os.sched_getaffinity(0)), "preserve_insertion_order": False})
