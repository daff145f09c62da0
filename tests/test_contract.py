from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.contract import Artifact, StageRequest, StageResult, moment, run_key
from ml_pipeline.errors import UsageError

EARLIEST, LATEST = dt.datetime.fromisoformat("1971-01-01"), dt.datetime.fromisoformat("2100-01-01")
AS_OF = dt.datetime(2013, 9, 1, 4, tzinfo=dt.UTC)


def request(**other: Any) -> StageRequest:
    given: dict[str, Any] = {
        "use_case": "tiny", "mode": "offline", "stages": ("train",), "run_id": "r1", "as_of": AS_OF, "store": "file:///s"
    }  # fmt: skip
    return StageRequest(**{**given, **other})


def result() -> StageResult:
    artifact = Artifact("combined", "file:///s/data/1", "data/1", "ab", 3, 100)
    return StageResult(
        use_case="tiny", mode="offline", stage="combine", run_id="r1", as_of=AS_OF, attempt="2", status="done",
        system_version="s", reads=(artifact,), artifacts=(artifact,), quarantined={"bad": 1}, finished=AS_OF,
        metrics={"roc_auc": 0.7}, notes=("a note",),
    )  # fmt: skip


@pytest.mark.parametrize("value", [request(), request(parameters={"split.test": "1d"}, force=True), result()])
def test_json_there_and_back_is_the_same(value: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


@pytest.mark.parametrize("form", [StageRequest, StageResult])
def test_unknown_fields_are_refused(form: Any) -> None:
    value = request() if form is StageRequest else result()
    content = {**msgspec.to_builtins(value), "surprise": 1}
    with pytest.raises(msgspec.ValidationError, match="unknown field `surprise`"):
        msgspec.convert(content, form)


@pytest.mark.parametrize("form", [StageRequest, StageResult])
def test_both_have_a_json_schema_that_they_follow(form: Any) -> None:
    import jsonschema

    schema = msgspec.json.schema(form)
    value = request() if form is StageRequest else result()
    content = json.loads(msgspec.json.encode(value))
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "mode": "sideways"}, schema)


@pytest.mark.parametrize("run_id", ["", "..", ".", "../../elsewhere", "a/b", "a\\b", "a\nb", ".hidden", " "])
def test_a_run_id_stays_in_its_folder(run_id: str) -> None:
    with pytest.raises(UsageError, match=r"the run id is no name for a folder.*To do: give another run id"):
        request(run_id=run_id)
    content = {**msgspec.to_builtins(request()), "run_id": run_id}
    with pytest.raises(UsageError, match="run id"):
        msgspec.convert(content, StageRequest)


@pytest.mark.parametrize("run_id", ["manual__2013-09-01T00:00:00+00:00", "offline-20130901T040000Z", "night_7"])
def test_names_that_schedulers_give_are_run_ids(run_id: str) -> None:
    assert run_key(request(run_id=run_id).run_id, "prepare.sky") == f"runs/{run_id}/prepare.sky/result.json"


def test_a_moment_without_offset_is_not_taken_for_this_machines_time() -> None:
    content = {**msgspec.to_builtins(request()), "as_of": "2013-09-01T00:00:00"}
    with pytest.raises(
        UsageError, match=r"does not say in which time zone.*Given: 2013-09-01T00:00:00.*add the offset"
    ):
        msgspec.convert(content, StageRequest)


class TestMoment:
    @pytest.mark.parametrize(
        ("text", "utc"),
        [
            ("2013-09-01", "2013-09-01T04:00:00+00:00"),
            ("2013-12-01", "2013-12-01T05:00:00+00:00"),
            ("2013-09-01T06:30", "2013-09-01T10:30:00+00:00"),
            ("2013-09-01T06:30:00+02:00", "2013-09-01T04:30:00+00:00"),
            ("2013-09-01T06:30:00Z", "2013-09-01T06:30:00+00:00"),
            ("2013-09-01 06:30:00.999Z", "2013-09-01T06:30:00+00:00"),
        ],
    )
    def test_a_date_begins_at_midnight_where_the_use_case_is(self, text: str, utc: str) -> None:
        assert moment(text, "America/New_York").isoformat() == utc

    @pytest.mark.parametrize("text", ["", "yesterday", "2013-13-01", "2013-09-01T25:00", "1377993600"])
    def test_anything_else_is_refused_in_words(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"the as-of is not a moment.*Expected: a date or a moment such as"):
            moment(text, "UTC")

    @given(st.datetimes(EARLIEST, LATEST), st.sampled_from(["UTC", "Asia/Kolkata"]))
    def test_what_it_gives_it_takes_back(self, wall: dt.datetime, zone: str) -> None:
        once = moment(wall.isoformat(), zone)
        assert once.tzinfo is dt.UTC
        assert once.microsecond == 0
        assert moment(once.isoformat(), "America/New_York") == once
