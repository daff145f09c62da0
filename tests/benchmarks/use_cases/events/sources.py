"""What the records are; the benchmarks lay snapshots of them into the store, and nothing is ever read from here."""

from __future__ import annotations

from ml_pipeline.connectors import ParquetFiles

NUMBERS = {f"x{number:02d}": "float64" for number in range(1, 21)}
CATEGORIES = dict.fromkeys(("c10", "c100", "c1000", "c50", "c10000"), "string")

events = ParquetFiles(
    {"event": "string", "at": "timestamp", "moment": "timestamp", **NUMBERS, **CATEGORIES, "y": "float64"}
)
readings = ParquetFiles(
    {"c1000": "string", "known_at": "timestamp", **dict.fromkeys(("v1", "v2", "v3", "v4"), "float64")}
)
