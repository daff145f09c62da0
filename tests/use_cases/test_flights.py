"""Flights, on the real records of 2013: what the model may know, when, and what people get to see."""

from __future__ import annotations

import datetime as dt
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Column
from ml_pipeline.connectors import CsvFiles
from ml_pipeline.contract import StageRequest, StageResult, moment
from ml_pipeline.discovery import find
from ml_pipeline.handlers import replay
from ml_pipeline.models import LogisticRegression
from ml_pipeline.realtime.service import ScoringService
from ml_pipeline.run import run
from ml_pipeline.use_cases.flights import models, sources
from tests.realtime.conftest import Directly

pytestmark = pytest.mark.records

LEAKS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
"""Truth, known when the flight has landed."""
AS_OF = moment("2013-03-01", "America/New_York")
SHORT = {
    "split.validation": "7d", "split.test": "14d", "evaluate.floors": {"roc_auc": 0.55}, "evaluate.replicates": 20,
    "replay": False,
}  # fmt: skip
FIRST_QUARTER = (b"2013,1,", b"2013,2,", b"2013,3,")
FLIGHTS_ON_MARCH_1 = 958


class Night(NamedTuple):
    """A training and a scoring as of the first of March."""

    store: Path
    offline: dict[str, StageResult]
    online: dict[str, StageResult]

    @property
    def room(self) -> Store:
        """Flights' part of the store."""
        return Store(str(self.store)).within("flights")

    def columns(self, results: Mapping[str, StageResult], name: str) -> dict[str, Column]:
        """The one dataset that was left under a name."""
        left = [own for result in results.values() for own in result.artifacts if own.name == name]
        assert len(left) == 1
        return open_dataset(self.room, left[0].key).columns()


def _run(store: Path, mode: Any, *stages: str) -> dict[str, StageResult]:
    request = StageRequest("flights", mode, stages, mode, AS_OF, str(store), parameters=SHORT)
    return {result.stage: result for result in run(request)}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Quick: of the records those of the first quarter, and one strength of the ridge instead of a choice."""
    store = tmp_path_factory.mktemp("flights")
    quarter = store.with_name("flights.csv")
    quarter.write_bytes(b"".join(line for line in _lines() if line.startswith((b"year", *FIRST_QUARTER))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources.flights, "address", quarter)
        patch.setattr(models.LatenessModel, "estimator", LogisticRegression(ridge=1000.0))
        yield Night(store, _run(store, "offline"), _run(store, "online"))


def _lines() -> list[bytes]:
    """Of the file of flights."""
    with zipfile.ZipFile(sources.data_file("flights.csv.zip")) as archive:
        return archive.read(archive.namelist()[0]).splitlines(keepends=True)


def _words(column: Column) -> list[str | None]:
    assert isinstance(column, Category)
    return column.values()


def _times(*texts: str) -> Any:
    return np.array(texts, "datetime64[us]")


# What the model may know


def test_no_truth_is_an_input_of_the_model() -> None:
    inputs = set(models.LatenessModel.inputs())
    assert inputs
    assert inputs & (LEAKS | {"late", "landed_by", "scheduled_arrival"}) == set()


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_no_truth_is_a_column_of_the_combined_rows(night: Night, mode: str) -> None:
    combined = night.columns(getattr(night, mode), "combined")
    assert set(combined) & LEAKS == set()
    assert ("late" in combined) == (mode == "offline")


def test_the_fitted_model_holds_no_truth_either(night: Night) -> None:
    registry = Registry(night.room)
    parameters = registry.parameters(registry.champion())
    named = set(parameters["estimator"]["coefficients"])
    assert {name for name in named if name.partition("_missing")[0] in LEAKS | {"late"}} == set()


def test_of_the_truth_only_the_label_depends_on_it(night: Night) -> None:
    raw = night.columns(night.offline, "raw.flights")
    told = models.PrepareFlights.transform(raw)
    untold = models.PrepareFlights.transform({**raw, **dict.fromkeys(LEAKS, np.full(len(raw["flight"]), np.nan))})
    assert [name for name in told if not _equal(told[name], untold[name])] == ["late"]


def test_the_truth_of_flights_to_come_is_not_even_stored(night: Night) -> None:
    new = night.columns(night.online, "new.flights")
    assert set(new) > LEAKS
    assert [name for name in LEAKS if not np.isnan(np.asarray(new[name])).all()] == []


def test_labels_are_those_of_the_records(night: Night) -> None:
    raw, combined = night.columns(night.offline, "raw.flights"), night.columns(night.offline, "combined")
    delay, late = np.asarray(raw["arr_delay"]), np.asarray(combined["late"])
    assert late.mean() == pytest.approx(((delay >= 15) | np.isnan(delay)).mean())
    assert 0.15 < late.mean() < 0.36


# One row out per row in


def test_every_flight_that_had_landed_is_one_row(night: Night) -> None:
    raw, combined = night.columns(night.offline, "raw.flights"), night.columns(night.offline, "combined")
    keys = _words(combined["flight_id"])
    assert len(keys) == len(set(keys)) == len(raw["flight"]) == 51_854
    assert np.asarray(raw["landed_by"]).max() <= np.datetime64(AS_OF.replace(tzinfo=None))


def test_every_flight_of_the_day_is_scored(night: Night) -> None:
    assert sum(line.startswith(b"2013,3,1,") for line in _lines()) == FLIGHTS_ON_MARCH_1
    scored = night.columns(night.online, "scored")
    assert len(set(_words(scored["flight_id"]))) == len(scored["rank"]) == FLIGHTS_ON_MARCH_1


def test_real_gaps_are_counted(night: Night) -> None:
    unmatched = night.offline["combine"].metrics["unmatched"]
    rows = night.offline["combine"].rows_out
    assert unmatched["planes"] / rows == pytest.approx(0.156, abs=0.02)
    assert unmatched["airports"] / rows == pytest.approx(0.023, abs=0.005)
    assert unmatched["weather"] / rows < 0.01
    assert unmatched["airlines"] == 0
    assert night.offline["prepare.weather"].quarantined == {"the wind is stronger than any that was ever measured": 1}


# Weather and rates as known at the moment


def test_the_moment_is_two_hours_before_departure_and_never_after_the_as_of(night: Night) -> None:
    offline, online = night.columns(night.offline, "combined"), night.columns(night.online, "combined")
    ahead = np.asarray(offline["scheduled_departure"]) - np.asarray(offline["moment"])
    assert set(ahead.tolist()) == {dt.timedelta(hours=2)}
    assert np.asarray(online["moment"]).max() <= np.datetime64(AS_OF.replace(tzinfo=None))


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_the_weather_is_the_last_that_was_observed_by_the_moment(night: Night, mode: str) -> None:
    """Against pandas' as-of join of the same tables."""
    import pandas as pd

    results = getattr(night, mode)
    combined, weather = night.columns(results, "combined"), night.columns(results, "prepared.weather")
    left = pd.DataFrame({"moment": combined["moment"], "origin": _words(combined["origin"])})
    right = pd.DataFrame({name: weather[name] for name in ("observed_at", "temperature", "pressure")})
    right = right.assign(origin=_words(weather["origin"])).sort_values("observed_at", kind="stable")
    rows = left.reset_index().sort_values("moment", kind="stable")
    wanted = pd.merge_asof(
        rows, right, left_on="moment", right_on="observed_at", by="origin", tolerance=pd.Timedelta("3h")
    ).sort_values("index")
    assert (wanted["observed_at"].dropna() <= wanted["moment"][wanted["observed_at"].notna()]).all()
    for name in ("temperature", "pressure"):
        np.testing.assert_array_equal(np.asarray(combined[name]), wanted[name].to_numpy())


def test_an_observation_after_the_moment_changes_nothing(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one minute after the moment of a flight on, its airport reports 999 degrees."""
    before = night.columns(night.offline, "combined")
    row = 30_000
    at, origin = np.asarray(before["moment"])[row], _words(before["origin"])[row]
    minutes = [f"{at + np.timedelta64(minute, 'm')}"[:19] + "Z" for minute in (1, 20, 40, 59)]
    planted = [f"{origin},2013,1,1,1,999,0,0,0,0,0,0,1000,0,{minute}" for minute in minutes]
    copy = tmp_path / "weather.csv"
    copy.write_text(Path(sources.weather.address).read_text() + "".join(f"{line}\n" for line in planted))
    monkeypatch.setattr(sources.weather, "address", copy)
    after = Night(_forgotten(night, tmp_path / "store"), {}, {})
    results = _run(after.store, "offline", "ingest.weather", "prepare.weather", "combine")
    assert results["ingest.weather"].rows_out == night.offline["ingest.weather"].rows_out + 4
    temperature, then = (np.asarray(c["temperature"]) for c in (after.columns(results, "combined"), before))
    same_airport = np.array(_words(before["origin"])) == origin
    later = same_airport & (np.asarray(before["moment"]) > at)
    np.testing.assert_array_equal(temperature[~later], then[~later])
    assert (temperature[later] == 999).any()


def test_rates_of_the_day_before_know_only_what_had_landed(night: Night) -> None:
    """Newark, counted by hand for one moment: the rate is drawn to that of all airports by 20 flights."""
    raw, combined = night.columns(night.offline, "raw.flights"), night.columns(night.offline, "combined")
    row = 30_000
    at, origin = np.asarray(combined["moment"])[row], _words(combined["origin"])[row]
    hour = at.astype("datetime64[h]").astype("datetime64[us]")
    landed = np.asarray(raw["landed_by"])
    window = (landed > hour - np.timedelta64(1, "D")) & (landed <= hour)
    delay = np.asarray(raw["arr_delay"])
    late = np.isnan(delay) | (delay >= 15)
    here = window & (np.array(_words(raw["origin"])) == origin)
    rate = (late[here].sum() + 20 * late[window].mean()) / (here.sum() + 20)
    assert np.asarray(combined["recent_late_origin"])[row] == pytest.approx(rate)


# Scheduled times, checked by hand

SCHEDULES = [
    # The evenings before the clocks of New York change, in Phoenix's time without a change:
    ("PHX", "2013-03-10T00:00", 19, 15, 2257, "2013-03-10T00:15", "2013-03-10T05:57"),
    ("PHX", "2013-11-02T23:00", 19, 0, 2131, "2013-11-02T23:00", "2013-11-03T04:31"),
    # UA 194 leaves JFK on 1 January at 6:00 (UTC-5) for Los Angeles, where it is 9:17 (UTC-8) at arrival.
    ("LAX", "2013-01-01T11:00", 6, 0, 917, "2013-01-01T11:00", "2013-01-01T17:17"),
    # In July both have daylight saving time (UTC-4 and UTC-7).
    ("LAX", "2013-07-01T10:00", 6, 0, 917, "2013-07-01T10:00", "2013-07-01T16:17"),
    # HA 51 leaves JFK at 9:00 for Honolulu (UTC-10), 15:30: eleven and a half hours in winter.
    ("HNL", "2013-01-01T14:00", 9, 0, 1530, "2013-01-01T14:00", "2013-01-02T01:30"),
    # Hawaii has no daylight saving time, so the same clocks in July are ten and a half hours from each other.
    ("HNL", "2013-07-01T14:00", 10, 0, 1430, "2013-07-01T14:00", "2013-07-02T00:30"),
    # Nor has Arizona (UTC-7): two hours behind New York in winter, three in summer.
    ("PHX", "2013-01-01T11:00", 6, 30, 1014, "2013-01-01T11:30", "2013-01-01T17:14"),
    ("PHX", "2013-07-01T10:00", 6, 30, 914, "2013-07-01T10:30", "2013-07-01T16:14"),
    # Nor Puerto Rico (UTC-4), which airports.csv lacks: an hour ahead of New York in winter, none in summer.
    ("SJU", "2013-01-01T11:00", 6, 15, 1100, "2013-01-01T11:15", "2013-01-01T15:00"),
    ("SJU", "2013-07-01T10:00", 6, 15, 1000, "2013-07-01T10:15", "2013-07-01T14:00"),
    # Over midnight, and at midnight, which the records call 2400 or 0.
    ("BQN", "2013-01-02T04:00", 23, 59, 440, "2013-01-02T04:59", "2013-01-02T08:40"),
    ("LAX", "2013-01-02T02:00", 21, 0, 2400, "2013-01-02T02:00", "2013-01-02T08:00"),
    ("LAX", "2013-01-02T02:00", 21, 0, 0, "2013-01-02T02:00", "2013-01-02T08:00"),
    # The morning after the clocks of the mainland went forward on 10 March.
    ("LAX", "2013-03-10T10:00", 6, 0, 917, "2013-03-10T10:00", "2013-03-10T16:17"),
    ("SJU", "2013-03-10T10:00", 6, 15, 1000, "2013-03-10T10:15", "2013-03-10T14:00"),
]


@pytest.mark.parametrize(("to", "time_hour", "hour", "minute", "clock", "departs", "arrives"), SCHEDULES)
def test_scheduled_times_are_right_across_time_zones(
    to: str, time_hour: str, hour: float, minute: float, clock: float, departs: str, arrives: str
) -> None:
    departure = sources.scheduled_departure(_times(time_hour), np.array([float(minute)]))
    arrival = sources.scheduled_arrival(
        departure, np.array([float(hour)]), np.array([float(minute)]), np.array([float(clock)]), Category.of([to])
    )
    assert departure == _times(departs)
    assert arrival == _times(arrives)
    assert sources.landed_by(arrival) == _times(arrives) + np.timedelta64(1, "h")


def test_a_time_that_is_missing_stays_missing() -> None:
    nothing, to = np.array([np.nan]), Category.of(["LAX"])
    departure = sources.scheduled_departure(_times("2013-01-01T11:00"), nothing)
    assert np.isnat(departure)
    assert np.isnat(sources.scheduled_arrival(departure, np.array([6.0]), nothing, np.array([917.0]), to))


def test_every_flight_of_two_months_takes_between_half_an_hour_and_twelve(night: Night) -> None:
    minutes = np.asarray(night.columns(night.offline, "combined")["scheduled_minutes"])
    assert minutes.min() >= 30
    assert minutes.max() <= 720


# What people get to see


def test_the_table_names_places_and_airlines(night: Night) -> None:
    scored = night.columns(night.online, "scored")
    assert [*scored] == [
        "flight_id", "scheduled_departure", "rank", "risk", "band", "destination_name", "airline", "carrier", "origin",
        "destination", "prediction", "model_version",
    ]  # fmt: skip
    airlines = dict(zip(_words(scored["carrier"]), _words(scored["airline"]), strict=True))
    places = dict(zip(_words(scored["destination"]), _words(scored["destination_name"]), strict=True))
    assert (airlines["UA"], airlines["B6"]) == ("United Air Lines Inc.", "JetBlue Airways")
    assert (places["LAX"], places["HNL"]) == ("Los Angeles Intl", "Honolulu Intl")
    assert places["SJU"] is None, "airports.csv lacks San Juan"
    assert set(_words(scored["model_version"])) == {Registry(night.room).champion()}


def test_bands_follow_from_the_risk_and_ranks_from_the_prediction(night: Night) -> None:
    scored = night.columns(night.online, "scored")
    p, rank = np.asarray(scored["prediction"]), np.asarray(scored["rank"])
    assert ((p > 0) & (p < 1)).all()
    assert np.array_equal(np.asarray(scored["risk"]), np.round(p, 3))
    assert p[rank == 1.0] == p.max()
    assert (np.diff(p[np.argsort(rank)]) <= 0).all()
    words = np.array(_words(scored["band"]))
    for word, low, high in (("low", 0, 0.2), ("moderate", 0.2, 0.4), ("high", 0.4, 0.6), ("very high", 0.6, 1)):
        assert np.array_equal(words == word, (p >= low) & (p < high))


def test_scheduled_departures_are_those_of_the_local_day(night: Night) -> None:
    departures = np.asarray(night.columns(night.online, "scored")["scheduled_departure"])
    assert departures.min() >= np.datetime64("2013-03-01T05:00")
    assert departures.max() < np.datetime64("2013-03-02T05:00")


def test_one_flight_in_memory_gets_the_same_bits_as_in_the_batch(night: Night, in_memory: Callable[..., Any]) -> None:
    for alone, in_batch in in_memory("flights", night.room, night.online, range(0, FLIGHTS_ON_MARCH_1, 37)):
        assert alone == in_batch


@pytest.mark.parametrize("together", [1, 97, 1000])
def test_real_time_scoring_gives_the_same_bits_however_many_are_sent_together(
    night: Night, started: Callable[[ScoringService], ScoringService], together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "RECORDS", together)
    use_case = find("flights")
    service = started(ScoringService(use_case, str(night.store)))
    batch = replay.batch_of(night.room, use_case.config, "online")
    found = replay.replayed(use_case, batch, "online", AS_OF, Directly(service))
    assert (found.records, found.scored) == (FLIGHTS_ON_MARCH_1, FLIGHTS_ON_MARCH_1)


def test_an_unchanged_night_is_reused(night: Night) -> None:
    assert {result.status for mode in ("offline", "online") for result in _run(night.store, mode).values()} == {
        "reused"
    }


def test_the_sources_read_files_that_are_installed() -> None:
    use_case = find("flights")
    readers = [use_case.load(own.reader) for own in use_case.config.sources.values() if own.reader]
    assert all(isinstance(reader, CsvFiles) and Path(reader.address).is_file() for reader in readers)


def _equal(ours: Column, theirs: Column) -> bool:
    if isinstance(ours, Category):
        return ours.values() == _words(theirs)
    return np.array_equal(np.asarray(ours), np.asarray(theirs), equal_nan=True)


def _forgotten(night: Night, store: Path) -> Path:
    """A copy of the store in which the weather has not been read."""
    shutil.copytree(night.store, store)
    shutil.rmtree(store / "flights/raw/weather")
    return store
