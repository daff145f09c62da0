"""A preparation as a person writes it in pandas; it needs no product, so plain pandas runs the very same one."""

from __future__ import annotations

import numpy as np
import pandas as pd

READS = (
    "event", "at", *(f"x{number:02d}" for number in range(1, 21)), "c10", "c100", "c1000", "c50", "c10000", "y",
)  # fmt: skip
WRITES = (*READS, "hour", "weekday", "ratio", "spread", "size", "kind")


def cleaned(records: pd.DataFrame) -> pd.DataFrame:
    """Outliers held to a range, parts of the time, two combined numbers, a binned one and a category made of words."""
    frame = records.copy()
    for name in ("x01", "x02", "x03", "x04", "x05"):
        frame[name] = frame[name].clip(-3.0, 3.0)
    at = pd.to_datetime(frame["at"])
    frame["hour"] = at.dt.hour.astype(float)
    frame["weekday"] = at.dt.dayofweek.astype(float)
    frame["ratio"] = frame["x06"] / (1.0 + frame["x07"].abs())
    frame["spread"] = frame[["x08", "x09", "x10"]].max(axis=1) - frame[["x08", "x09", "x10"]].min(axis=1)
    frame["size"] = pd.cut(frame["x11"], [-np.inf, -1.0, 0.0, 1.0, np.inf], labels=["xs", "s", "m", "l"])
    frame["kind"] = frame["c10"].astype(str).str.upper().str.replace("-", "/") + " " + frame["c50"].astype(str)
    return frame
