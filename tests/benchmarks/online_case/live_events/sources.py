"""Made-up events as raw records: a key, a moment, 20 numbers, 5 categories, and offline whether they happened."""

from __future__ import annotations

from ml_pipeline.connectors import ParquetFiles

NUMBERS = tuple(f"x{number:02d}" for number in range(1, 21))
CATEGORIES = ("c10", "c100", "c1000", "c50", "c10000")

events = ParquetFiles(
    {
        "event": "string",
        "at": "timestamp",
        **dict.fromkeys(NUMBERS, "float64"),
        **dict.fromkeys(CATEGORIES, "string"),
        "y": "float64",
    },
    synthetic=True,
)
"""Where they are, the benchmark says (`sources.events.address`)."""
