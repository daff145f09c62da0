"""Candidate and champion, who share every plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION
from ml_pipeline.report.markup import Markup
from ml_pipeline.report.plot import legend

ROLES = (CHAMPION, CANDIDATE)
"""In the order they are drawn, the candidate on top."""
Curves = Mapping[str, Mapping[str, Any]]
"""By role what `models/curves.py` gives."""


def drawn(curves: Curves) -> list[str]:
    """Those that there are."""
    return [role for role in ROLES if role in curves]


def legend_of(curves: Curves, guide: str = "") -> Markup:
    """Both, and what the dotted line is called."""
    named = [(role, role) for role in reversed(drawn(curves))]
    return legend([*named, ("guide", guide)] if guide else named)
