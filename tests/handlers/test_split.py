"""Every combined row is in one part, and the parts stand in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.data.splits import PARTS
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError

if TYPE_CHECKING:
    from ml_pipeline.columns import Times
    from tests.conftest import Parcels


def _times(parcels: Parcels, part: str) -> Times:
    found = parcels.dataset(parcels.run("offline"), part).columns(["pickup"])["pickup"]
    return np.asarray(found, "datetime64[us]")


def _keys(parcels: Parcels, *names: str, **parameters: str) -> list[str | None]:
    results = parcels.run("offline", "ingest", "prepare", "combine", "split", parameters=parameters)
    found = [parcels.dataset(results, name).columns(["parcel_id"])["parcel_id"] for name in names]
    return [word for column in found if isinstance(column, Category) for word in column.values()]


def test_every_row_is_in_one_part(champion: Parcels) -> None:
    assert sorted(map(str, _keys(champion, *PARTS))) == sorted(map(str, _keys(champion, "combined")))


def test_by_time_the_last_days_judge_and_those_before_choose(champion: Parcels) -> None:
    train, validation, test = (_times(champion, part) for part in PARTS)
    assert train.max() < validation.min() <= validation.max() < test.min()
    assert test.min() >= test.max() - duration("8d") > validation.max()
    assert validation.min() >= test.max() - duration("12d") > train.max()


def test_by_hash_a_key_stays_on_its_side_when_more_come(champion: Parcels) -> None:
    parameters = {"split.by": "hash", "split.validation": "10%", "split.test": "20%"}
    test = set(_keys(champion, "test", **parameters))
    share = len(test) / len(_keys(champion, *PARTS, **parameters))
    assert share == pytest.approx(0.2, abs=0.03)
    results = champion.run("offline", as_of=champion.next_night, parameters=parameters)
    later = champion.dataset(results, "test").columns(["parcel_id"])["parcel_id"]
    assert isinstance(later, Category)
    assert test < set(later.values())


@pytest.mark.parametrize(
    ("parameters", "part"),
    [({"split.validation": "0s"}, "validation"), ({"split.test": "90d"}, "train"), ({"split.test": "31d"}, "train")],
)
def test_a_part_without_rows_is_refused(champion: Parcels, parameters: dict[str, str], part: str) -> None:
    with pytest.raises(DataError, match=f"the split leaves no rows for {part}") as caught:
        champion.run("offline", parameters=parameters)
    assert "1,732 rows from 2023-12-31T23" in caught.value.given
    assert "shorten split.validation and split.test" in caught.value.do
