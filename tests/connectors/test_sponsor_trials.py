"""The sponsor's trials are the same whether PostgreSQL or SQLite holds them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from ml_pipeline.data.intake import admit
from ml_pipeline.data.sources import Window
from ml_pipeline.use_cases.clinical_trials import sources
from ml_pipeline.use_cases.clinical_trials.seed import seed

UNTIL = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def _read(address: str, since: dt.datetime | None = None) -> pa.Table:
    window = Window(since, UNTIL, address)
    admitted = list(admit(sources.private_health_cloud, "private_health_cloud", window, None, ()))
    assert [own.rejects for own in admitted] == [[]] * len(admitted)
    return pa.concat_tables([own.table for own in admitted]).sort_by("trial_id")


@pytest.mark.postgres
def test_both_databases_hold_the_same_trials(postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path))
    where = seed(dt.date(2024, 7, 1), 80).removeprefix("file://")
    seed(dt.date(2024, 7, 1), 80, postgresql)
    small, large = _read(f"sqlite:{where}"), _read(postgresql)
    assert small.num_rows == large.num_rows == 80
    assert small.equals(large)
    half = sorted(small.column("updated_at").to_pylist())[40]
    newer = [_read(address, half) for address in (f"sqlite:{where}", postgresql)]
    assert 0 < newer[1].num_rows < 80
    assert newer[1].num_rows <= newer[0].num_rows <= newer[1].num_rows + 1, "to the millisecond, bounds included"
