"""Three CSV files beside this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ml_pipeline.chain import chain
from ml_pipeline.columns import Times
from ml_pipeline.data.sources import CsvFile

DATA = Path(__file__).parent / "data"


def delivered(pickup: Times) -> Times:
    """Six hours after the pickup it is known whether the parcel is late."""
    return pickup + np.timedelta64(6, "h")


parcels = CsvFile(
    DATA / "parcels.csv",
    {
        "parcel_id": "string", "customer": "string", "depot": "string", "weight": "float64", "pickup": "timestamp",
        "delay": "float64",
    },
    adds=chain(delivered),
)  # fmt: skip
traffic = CsvFile(DATA / "traffic.csv", {"depot": "string", "measured_at": "timestamp", "speed": "float64"})
customers = CsvFile(DATA / "customers.csv", {"customer": "string", "tier": "string", "floor": "float64"})
