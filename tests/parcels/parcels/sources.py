"""Three CSV files beside this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ml_pipeline.chain import chain
from ml_pipeline.columns import Times
from ml_pipeline.connectors import CsvFiles

DATA = Path(__file__).parent / "data"


def delivered(pickup: Times) -> Times:
    """Six hours after the pickup it is known whether the parcel is late."""
    return pickup + np.timedelta64(6, "h")


parcels = CsvFiles(
    {
        "parcel_id": "string", "customer": "string", "depot": "string", "weight": "float64", "pickup": "timestamp",
        "delay": "float64",
    },
    adds=chain(delivered),
    address=DATA / "parcels.csv",
)  # fmt: skip
traffic = CsvFiles({"depot": "string", "measured_at": "timestamp", "speed": "float64"}, address=DATA / "traffic.csv")
customers = CsvFiles({"customer": "string", "tier": "string", "floor": "float64"}, address=DATA / "customers.csv")
