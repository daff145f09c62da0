"""Predictions as the table that people use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.errors import IntegrityError, QuarantineError

if TYPE_CHECKING:
    from tests.conftest import Parcels

CHECKED = 'steps = chain(certain, band, keep("parcel_id"'
CERTAIN = (
    '@check("too close to call")\ndef certain(prediction):\n    return abs(prediction - 0.5) > {}\n\n\nclass ParcelRisk'
)


def test_the_table_has_the_columns_of_the_postprocessing(champion: Parcels) -> None:
    results = champion.run("online")
    scored = champion.dataset(results, "scored").columns()
    assert [*scored] == ["parcel_id", "pickup", "rank", "band", "tier", "prediction", "model_version"]
    p, band = np.asarray(scored["prediction"]), scored["band"]
    assert isinstance(band, Category)
    assert band.values() == ["high" if own >= 0.5 else "low" for own in p]
    assert results["postprocess"].rows_out == results["serve"].rows_out


def test_the_most_at_risk_has_rank_one_and_equal_ones_share_the_better_rank(champion: Parcels) -> None:
    twin = "p-{},c1,north,2.5,2024-02-05T10:00:00Z,NA"
    champion.add("parcels", twin.format("one"), twin.format("two"))
    scored = champion.dataset(champion.run("online"), "scored").columns()
    p, rank = np.asarray(scored["prediction"]), np.asarray(scored["rank"])
    assert rank.tolist() == [1 + int((p > own).sum()) for own in p]
    assert rank[-1] == rank[-2] < len(rank)


def test_rows_that_the_postprocessing_rejects_are_set_aside(
    champion: Parcels, set_aside: Callable[..., list[tuple[str, Any]]]
) -> None:
    before = champion.dataset(champion.run("online"), "scored").columns()
    margins = np.abs(np.asarray(before["prediction"]) - 0.5)
    champion.replace("models.py", "class ParcelRisk", CERTAIN.format(np.sort(margins)[:2].mean()))
    champion.replace("models.py", 'steps = chain(band, keep("parcel_id"', CHECKED)
    results = champion.run("online")
    assert results["postprocess"].quarantined == {"too close to call": 1}
    scored = champion.dataset(results, "scored")
    assert scored.manifest.rows == results["serve"].rows_out - 1
    assert [*scored.manifest.columns] == [*before]
    ((reason, record),) = set_aside(scored)
    assert reason == "too close to call"
    assert abs(record["prediction"] - 0.5) == margins.min()


def test_too_many_rejected_rows_stop_the_run(champion: Parcels) -> None:
    champion.replace("models.py", "class ParcelRisk", CERTAIN.format(0.4))
    champion.replace("models.py", 'steps = chain(band, keep("parcel_id"', CHECKED)
    with pytest.raises(QuarantineError, match="postprocess would set aside"):
        champion.run("online")
    assert "scored" not in champion.visible()


def test_predictions_of_other_rows_are_refused(champion: Parcels) -> None:
    results = champion.run("online")
    manifest = Path(champion.store, "parcels", champion.dataset(results, "predictions").key, "manifest.yaml")
    rows = results["serve"].rows_out
    manifest.write_text(manifest.read_text().replace(f"rows: {rows}", f"rows: {rows + 1}"))
    with pytest.raises(IntegrityError, match="predictions and combined rows do not pair"):
        champion.run("online", "postprocess", force=True)
