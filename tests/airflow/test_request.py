from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from ml_pipeline_airflow import request

from ml_pipeline.contract import moment
from ml_pipeline.errors import UsageError

DUE = dt.datetime(2013, 9, 1, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2013-09-01", "2013-09-01T04:00:00+00:00"),
        ("2013-12-01", "2013-12-01T05:00:00+00:00"),
        ("2013-09-01T06:30:00", "2013-09-01T10:30:00+00:00"),
        ("2013-09-01T06:30:00.999Z", "2013-09-01T06:30:00+00:00"),
        ("2013-09-01 06:30:00+02:00", "2013-09-01T04:30:00+00:00"),
    ],
)
def test_a_moment_without_offset_is_wall_clock_time_of_the_use_case(text: str, utc: str) -> None:
    assert moment(text, "America/New_York").isoformat() == utc


def test_a_moment_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match=r"the as-of is not a moment. Given: 2013-02-30"):
        moment("2013-02-30", "UTC")


def _render(asked: str | None, **more: object) -> str:
    run = SimpleNamespace(run_after=DUE)
    template = SandboxedEnvironment(undefined=StrictUndefined).from_string(request.AS_OF)
    return template.render(params={"as_of": asked}, dag_run=run, **more)


def test_as_of_is_what_was_asked_else_the_logical_date_else_when_the_run_was_due() -> None:
    logical = DUE + dt.timedelta(days=1)
    assert _render("2013-01-01", logical_date=logical) == "2013-01-01"
    assert moment(_render(None, logical_date=logical), "UTC") == logical
    assert moment(_render(None), "UTC") == DUE


@given(st.text(min_size=1), st.text(min_size=1))
def test_runs_have_safe_names_and_never_share_one(one: str, other: str) -> None:
    names = [request.run_name("offline", run) for run in (one, other)]
    assert all(re.fullmatch(r"offline-[A-Za-z0-9_-]+", name) for name in names)
    assert (names[0] == names[1]) == (one == other)


def test_force_names_a_stage_or_one_step() -> None:
    assert request.forced(["prepare.weather"], ["prepare"])
    assert request.forced(["prepare.weather"], ["prepare.weather"])
    assert request.forced(["serve", "postprocess"], ["postprocess"])
    assert not request.forced(["prepare.weather"], ["prepare.orders", "train"])


def test_a_store_is_a_uri_or_an_absolute_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", "s3://ml-pipeline")
    assert request.store_uri() == "s3://ml-pipeline"
    monkeypatch.chdir(tmp_path)
    for uri in ("store", f"file://{tmp_path}/store"):
        monkeypatch.setenv("ML_PIPELINE_STORE", uri)
        assert request.store_uri() == str(tmp_path / "store")
    monkeypatch.delenv("ML_PIPELINE_STORE")
    with pytest.raises(UsageError, match="ML_PIPELINE_STORE"):
        request.store_uri()


def test_settings_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:8333")
    assert request.settings()["AWS_ENDPOINT_URL"] == "http://store:8333"
    assert "hush" not in request.settings().values()
