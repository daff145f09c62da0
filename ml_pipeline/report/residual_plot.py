"""How far predicted numbers are from the labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION
from ml_pipeline.report.markup import Markup
from ml_pipeline.report.numbers import number, percent
from ml_pipeline.report.plot import Plot, figure, outline, picture
from ml_pipeline.report.roles import Curves, legend_of
from ml_pipeline.report.scale import rounded_up

HEADROOM = 1.05


def residuals(curves: Curves) -> Markup:
    """Bars of the candidate, an outline of the champion."""
    own = curves[CANDIDATE]["residuals"]
    ends, shares = (own["low"], own["high"]), {role: _shares(each["residuals"]) for role, each in curves.items()}
    edges = np.linspace(*ends, len(own["counts"]) + 1).tolist()
    top = min(rounded_up(HEADROOM * max(max(each) for each in shares.values())), 1.0)
    plot = Plot.of(ends, (0.0, top))
    bars = (plot.bar(CANDIDATE, each, share) for each, share in zip(pairwise(edges), shares[CANDIDATE], strict=True))
    parts = [
        legend_of(curves, "exact"),
        plot.axes("prediction less label", "share of rows"),
        *bars,
        plot.line("guide", (0.0, 0.0), (0.0, top)),
        plot.line(CHAMPION, *outline(edges, shares[CHAMPION])) if CHAMPION in shares else "",
    ]
    over = percent(sum(share for share, edge in zip(shares[CANDIDATE], edges, strict=False) if edge >= 0.0))
    spoken = f"From {number(ends[0])} to {number(ends[1])}; about {over} of the candidate's predictions are too high."
    caption = "To the right of the dotted line predictions are too high. The first and last bar hold all errors beyond."
    return figure(picture("residuals", "Errors", spoken, parts), "Errors.", caption)


def _shares(histogram: Mapping[str, Any]) -> list[float]:
    rows = sum(histogram["counts"])
    return [count / rows for count in histogram["counts"]]
