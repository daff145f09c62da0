"""Where a source's records are."""

from __future__ import annotations

from pathlib import Path

from ml_pipeline.data.sources import Window
from ml_pipeline.errors import UsageError


def address_of(window: Window, own: str | Path) -> str:
    """What pipeline.yaml says, or else what the source says itself.

    Raises:
        UsageError: neither says anything.
    """
    found = window.address or str(own)
    if not found:
        raise UsageError(
            "a source does not say where its records are",
            expected="a path, or the address of an object store, a database or a service",
            do="give the source an address in pipeline.yaml",
        )
    return found
