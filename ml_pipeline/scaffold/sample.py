"""Records to begin with, made up: visits to a shop's page, and whether something was bought."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

from ml_pipeline.scaffold.draft import Asked

ROWS, TO_COME = 2004, 40
FIRST = dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC)
"""A visit every other hour; the last one with a label is on 15 June."""
DEVICES, CAME_FROM = ("phone", "desktop", "tablet"), ("search", "mail", "link", "advert")


def write(path: Path) -> Asked:
    """Write the file; the last visits are still to come, and have no label."""
    chance = np.random.default_rng(3)
    number = np.arange(ROWS + TO_COME)
    device, came_from = chance.integers(0, 3, len(number)), chance.integers(0, 4, len(number))
    pages, basket = chance.poisson(4, len(number)), np.round(chance.gamma(2.0, 20.0, len(number)), 2)
    score = -1.5 + 0.35 * (pages - 4) + 0.8 * (device == 1) + 0.5 * (came_from == 1) - 0.01 * (basket - 40)
    bought = (chance.random(len(number)) < 1 / (1 + np.exp(-score))).astype(int)
    lines = [
        f"v{row},{FIRST + dt.timedelta(hours=2 * row):%Y-%m-%dT%H:%M:%SZ},{DEVICES[device[row]]},"
        f"{CAME_FROM[came_from[row]]},{pages[row]},{basket[row]},{bought[row] if row < ROWS else ''}"
        for row in number.tolist()
    ]
    header = "visit,came_at,device,came_from,pages,basket,bought"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return Asked(path, "bought", "came_at", "visit")
