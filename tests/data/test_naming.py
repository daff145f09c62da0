"""What records must have before they are prepared, and what their preparation must keep."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.data.naming import check_prepared, check_records
from ml_pipeline.errors import SchemaError

MOMENTS = np.array(["2024-01-01"], "datetime64[us]")
ID = Category.of(["a"])


def _config(**source: Any) -> UseCaseConfig:
    described = {
        "name": "tiny", "question": "?", "key": "id", "time": "start", "label": "late", "model": "models.M",
        "postprocess": "models.P", "sources": {"trips": {"reader": "sources.trips", "prepare": "models.F", **source}},
    }  # fmt: skip
    return msgspec.convert(described, UseCaseConfig)


def test_time_is_asked_of_records_only_where_they_are_cut_by_it() -> None:
    records = {"ended": MOMENTS}
    check_records(_config(drives="offline", known="ended"), "trips", records)
    check_records(_config(known="ended"), "trips", records)
    for cut in ({"drives": True, "known": "ended"}, {"drives": "online"}, {"drives": "offline", "revised": True}):
        with pytest.raises(SchemaError, match=r"no column 'start', which pipeline.yaml calls time"):
            check_records(_config(**cut), "trips", records)


def test_a_label_is_asked_only_of_what_trains() -> None:
    prepared = {"id": ID, "start": MOMENTS}
    check_prepared(_config(), "trips", {})
    check_prepared(_config(drives="online"), "trips", prepared)
    with pytest.raises(SchemaError, match=r"no column 'late', which pipeline.yaml calls label"):
        check_prepared(_config(drives="offline", known="start"), "trips", prepared)
    with pytest.raises(SchemaError, match=r"'start', which pipeline.yaml calls time, holds no moments"):
        check_prepared(_config(drives="online"), "trips", {"id": ID, "start": ID})
