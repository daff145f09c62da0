"""The champion's predictions, one per row, in the order of the rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from tests.conftest import Parcels


def test_each_row_gets_a_probability_beside_who_and_when_it_is(champion: Parcels) -> None:
    results = champion.run("online")
    predictions, combined = (champion.dataset(results, name).columns() for name in ("predictions", "combined"))
    assert [*predictions] == ["parcel_id", "pickup", "moment", "prediction", "model_version"]
    for name in ("parcel_id", "pickup", "moment"):
        assert _plain(predictions[name]) == _plain(combined[name])
    p = np.asarray(predictions["prediction"])
    assert ((p > 0) & (p < 1)).all()
    assert set(_plain(predictions["model_version"])) == {champion.registry.champion()}


def test_without_a_champion_it_says_what_to_do(parcels: Parcels) -> None:
    with pytest.raises(UsageError, match="there is no champion to predict with") as caught:
        parcels.run("online")
    assert caught.value.do == "run `ml-pipeline run parcels offline` first"
    assert "predictions" not in parcels.visible()


def test_a_new_champion_predicts_anew_on_the_rows_that_are_there(champion: Parcels) -> None:
    old = champion.run("online")
    champion.run("offline", as_of=champion.next_night)
    new = champion.run("online")
    assert new["combine"].status == "reused"
    assert new["serve"].status == "done"
    assert new["serve"].model_version == champion.registry.champion() != old["serve"].model_version
    assert champion.dataset(new, "predictions").key != champion.dataset(old, "predictions").key


def test_words_that_training_never_saw_are_scored(champion: Parcels) -> None:
    champion.add("parcels", "p-strange,nobody,moonbase,2.5,2024-02-05T10:00:00Z,NA")
    results = champion.run("online")
    scored = champion.dataset(results, "predictions").columns()
    row = _plain(scored["parcel_id"]).index("p-strange")
    assert 0 < np.asarray(scored["prediction"])[row] < 1
    assert results["serve"].rows_out == results["ingest.parcels"].artifacts[-1].rows


def test_a_record_with_nothing_but_key_and_time_is_scored(champion: Parcels) -> None:
    champion.add("parcels", "p-bare,NA,NA,NA,2024-02-05T10:00:00Z,NA")
    scored = champion.dataset(champion.run("online"), "predictions").columns()
    assert _plain(scored["parcel_id"])[-1] == "p-bare"
    assert 0 < np.asarray(scored["prediction"])[-1] < 1


def test_parameters_that_somebody_changed_are_refused(champion: Parcels) -> None:
    path = Path(champion.store, "parcels/models", champion.registry.champion(), "parameters.yaml")
    path.write_bytes(path.read_bytes().replace(b"ridge: 1.0", b"ridge: 2.0"))
    with pytest.raises(IntegrityError, match="a stored object is not what was written"):
        champion.run("online")
    assert "predictions" not in champion.visible()


def _plain(column: object) -> list[object]:
    return list(column.values() if isinstance(column, Category) else np.asarray(column).tolist())


def test_a_champion_of_other_code_scores_with_a_note(champion: Parcels) -> None:
    assert champion.run("online")["serve"].notes == ()
    champion.replace("models.py", "delay >= 30", "delay >= 31")
    (note,) = champion.run("online", force=True)["serve"].notes
    assert "was trained by other code (parcels/models.py changed since)" in note
