"""What the demo needs: a day. The records come with the product."""

from __future__ import annotations

from typing import Any

AS_OF = "2013-09-01"


def prepare() -> dict[str, Any]:
    """Nothing lies outside."""
    return {}
