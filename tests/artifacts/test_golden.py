"""Golden rows prove that a model predicts elsewhere what it predicted when it was evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml_pipeline.artifacts import golden
from ml_pipeline.artifacts.golden import GOLDEN, PREDICTION
from ml_pipeline.data import arrow, parquet
from ml_pipeline.discovery import find
from ml_pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from tests.conftest import Parcels


def _rows(parcels: Parcels) -> tuple[object, dict[str, object], bytes]:
    version = parcels.registry.champion()
    content = parcels.room.get(parcels.registry.key(version, GOLDEN))
    return find("parcels").load("models.LateModel"), parcels.registry.parameters(version), content


def test_evaluation_leaves_twenty_rows_spread_over_the_test_rows(champion: Parcels) -> None:
    model, parameters, content = _rows(champion)
    rows = arrow.to_columns(parquet.decode(content))
    assert set(rows) == {*model.inputs(), PREDICTION}
    assert len(rows[PREDICTION]) == golden.ROWS
    test = champion.dataset(champion.run("offline"), "test").columns()
    assert set(np.asarray(rows["weight"])) <= set(np.asarray(test["weight"]))
    golden.check(model, parameters, content)


def test_a_prediction_that_differs_by_the_last_bit_is_told(champion: Parcels) -> None:
    model, parameters, content = _rows(champion)
    estimator = parameters["estimator"]
    moved = {**parameters, "estimator": {**estimator, "bias": np.nextafter(estimator["bias"], 99.0) + 1e-12}}
    with pytest.raises(
        IntegrityError, match=r"predicts otherwise than when it was evaluated, for \d+ of 20 golden rows"
    ):
        golden.check(model, moved, content)


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_rows_that_cannot_be_read_are_told(champion: Parcels, length: int) -> None:
    model, parameters, content = _rows(champion)
    with pytest.raises(IntegrityError, match=r"a Parquet file cannot be read"):
        golden.check(model, parameters, content[:length])


def test_another_table_is_not_taken_for_golden_rows(champion: Parcels) -> None:
    model, parameters, content = _rows(champion)
    rows = arrow.to_columns(parquet.decode(content))
    del rows[PREDICTION]
    with pytest.raises(IntegrityError, match="these are no golden rows"):
        golden.check(model, parameters, parquet.encode(arrow.to_table(rows)))
