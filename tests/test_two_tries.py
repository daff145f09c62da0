"""Two tries of one stage at the same time, or in the wrong order: one result is left, and the other try is told."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import msgspec
import pytest

from ml_pipeline.contract import StageResult, is_later, run_key
from ml_pipeline.errors import DataError, StageError
from ml_pipeline.run import run

if TYPE_CHECKING:
    from tests.conftest import Parcels

STEP = "ingest.parcels"


def left_by(parcels: Parcels, request: Any) -> str:
    content = parcels.room.get(run_key(request.run_id, STEP))
    return msgspec.json.decode(content, type=StageResult).attempt


def test_of_two_tries_at_once_the_first_to_end_leaves_its_result(
    parcels: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    door: Any = importlib.import_module("ml_pipeline.run")
    first, second = (parcels.request("offline", STEP, attempt=f"ti-{number}") for number in (1, 2))
    leave, meanwhile = door._leave, [second]

    def overtaken(order: Any, step: Any, result: StageResult) -> StageResult:
        while meanwhile:
            run(meanwhile.pop())
        return leave(order, step, result)

    monkeypatch.setattr(door, "_leave", overtaken)
    with pytest.raises(StageError, match=r"another try of ingest.parcels.*Given: try ti-1, and the result of ti-2"):
        run(first)
    assert left_by(parcels, first) == "ti-2"


def test_a_try_that_comes_too_late_leaves_the_later_ones_result(parcels: Parcels) -> None:
    early, late = (parcels.request("offline", STEP, attempt=f"ti-{number}") for number in (9, 10))
    run(late)
    with pytest.raises(StageError, match=r"a later try of ingest.parcels.*Given: try ti-9, and the result of ti-10"):
        run(early)
    assert left_by(parcels, late) == "ti-10"


def test_a_later_try_takes_the_place_of_an_earlier_one(parcels: Parcels) -> None:
    for attempt in ("ti-1", "ti-2", "other", "other"):
        request = parcels.request("offline", STEP, attempt=attempt)
        run(request)
        assert left_by(parcels, request) == attempt


def test_a_result_that_cannot_be_read_is_in_nobodys_way(parcels: Parcels) -> None:
    request = parcels.request("offline", STEP, attempt="ti-1")
    parcels.room.put(run_key(request.run_id, STEP), b"{}")
    run(request)
    assert left_by(parcels, request) == "ti-1"


def test_a_step_that_fails_leaves_no_result_of_an_earlier_try(
    parcels: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = parcels.request("offline", STEP, attempt="ti-1")
    run(request)
    broken = DataError("the records are not there")
    monkeypatch.setattr(importlib.import_module("ml_pipeline.run"), "handler_of", Mock(side_effect=broken))
    with pytest.raises(DataError):
        run(msgspec.structs.replace(request, attempt="ti-2"))
    assert not parcels.room.exists(run_key(request.run_id, STEP))


@pytest.mark.parametrize(("one", "other"), [("a-2", "a-1"), ("0198-ti-10", "0198-ti-9"), ("x-1", "y-0")])
def test_tries_are_in_order(one: str, other: str) -> None:
    assert is_later(one, other)
    assert not is_later(other, one)
    assert not is_later(one, one)
    assert not is_later(one, "1")
    assert not is_later("1", other)
