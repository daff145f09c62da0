"""FastAPI as its pages show it: a body of types, a data frame of it, a pipeline of scikit-learn."""

from __future__ import annotations

from typing import Any

import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

from tests.benchmarks.data import LEVELS, NUMBERS
from tests.benchmarks.online_peers.exported import OF_RECORDS, load

FIELDS: dict[str, Any] = {**dict.fromkeys(NUMBERS, (float, ...)), **dict.fromkeys(LEVELS, (str, ...))}
Record = create_model("Record", event=(str, ...), at=(str, ...), **FIELDS)
MODEL = load(OF_RECORDS)
app = FastAPI()


@app.post("/score")
def score(records: list[Record]) -> list[float]:  # type: ignore[valid-type]
    """One probability a record."""
    frame = pd.DataFrame([record.model_dump() for record in records])
    found: list[float] = MODEL.predict_proba(frame)[:, 1].tolist()
    return found
