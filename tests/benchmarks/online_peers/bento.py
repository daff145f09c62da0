"""BentoML: a service of two methods, one for numbers alone and one for raw records."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import numpy as np
import pandas as pd

from tests.benchmarks.online_peers.exported import OF_NUMBERS, OF_RECORDS, load

WORKERS = "ONLINE_PEERS_WORKERS"


@bentoml.service(workers=int(os.environ.get(WORKERS, "1")), logging={"access": {"enabled": False}})
class Scorer:
    """Both models, loaded once."""

    def __init__(self) -> None:
        self.of_numbers, self.of_records = load(OF_NUMBERS), load(OF_RECORDS)

    @bentoml.api
    def numbers(self, x: np.ndarray) -> np.ndarray:
        """Of an array of shape (rows, 25)."""
        return self.of_numbers.predict_proba(x)[:, 1]

    @bentoml.api
    def records(self, records: list[dict[str, Any]]) -> list[float]:
        """Of raw records."""
        return self.of_records.predict_proba(pd.DataFrame(records))[:, 1].tolist()
