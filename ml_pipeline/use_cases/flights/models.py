"""The arithmetic: what is made of each source, the model of lateness, and what people get to see."""

from __future__ import annotations

import numpy as np

from ml_pipeline.chain import Chain, Preparation, chain, check, keep, writes
from ml_pipeline.columns import Category, Floats, Mask, Times
from ml_pipeline.models import Impute, Levels, LogisticRegression, RecentRate, Spline, Standardise

LATE_MINUTES = 15.0
STRONGEST_WIND = 254.0
BANDS = ("low", "moderate", "high", "very high")
BAND_BORDERS = (0.2, 0.4, 0.6)
"""Probabilities at which the next band begins."""


@check("the times of the flight cannot be read")
def readable(scheduled_departure: Times, scheduled_arrival: Times) -> Mask:
    """Without them there is nothing to predict, nor a moment to predict it at."""
    return ~np.isnat(scheduled_departure) & ~np.isnat(scheduled_arrival)


def flight_id(carrier: Category, flight: Floats, origin: Category, scheduled_departure: Times) -> Category:
    """Carrier, number, origin and moment of departure, such as `UA1545 EWR 2013-01-01T10:15`."""
    moments = np.datetime_as_string(scheduled_departure, unit="m")
    rows = zip(carrier.values(), flight.tolist(), origin.values(), moments.tolist(), strict=True)
    complete = (
        None if None in (line, at) or number != number else f"{line}{number:.0f} {at} {when}"
        for line, number, at, when in rows
    )
    return Category.of(list(complete))


@writes("tail_number", "destination")
def schedule_names(tailnum: Category, dest: Category) -> tuple[Category, Category]:
    """The names that other sources go by."""
    return tailnum, dest


def minutes_of_day(hour: Floats, minute: Floats) -> Floats:
    """Local time of departure."""
    return hour * 60 + minute


def scheduled_minutes(scheduled_departure: Times, scheduled_arrival: Times) -> Floats:
    """From gate to gate, as planned."""
    return (scheduled_arrival - scheduled_departure) / np.timedelta64(1, "m")


@writes("weekday", "month")
def calendar(time_hour: Times) -> tuple[Category, Category]:
    """Of the local day: New York is four or five hours behind UTC, and no flight leaves between one and five."""
    day = (time_hour - np.timedelta64(5, "h")).astype("datetime64[D]")
    weekday = (day.astype(np.int64) + 3) % 7
    month = day.astype("datetime64[M]").astype(np.int64) % 12
    days, months = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), tuple(f"{number:02d}" for number in range(1, 13))
    return Category(weekday.astype(np.int32), days), Category(month.astype(np.int32), months)


def late(arr_delay: Floats) -> Floats:
    """1 for a flight that arrived 15 minutes late or more, or not at all."""
    return np.where(np.isnan(arr_delay), 1.0, arr_delay >= LATE_MINUTES)


class PrepareFlights(Preparation):
    """What is known of a flight before it leaves; of its truth only the label stays."""

    steps = chain(
        readable, flight_id, schedule_names, minutes_of_day, scheduled_minutes, calendar, late,
        keep(
            "flight_id", "scheduled_departure", "landed_by", "carrier", "tail_number", "origin", "destination",
            "minutes_of_day", "scheduled_minutes", "distance", "weekday", "month", "late",
        ),
    )  # fmt: skip


@check("the wind is stronger than any that was ever measured")
def plausible_wind(wind_speed: Floats) -> Mask:
    """In miles per hour; one observation of 2013 says 1048."""
    return ~(wind_speed > STRONGEST_WIND)


@writes("wind_north", "wind_east")
def wind(wind_dir: Floats, wind_speed: Floats) -> tuple[Floats, Floats]:
    """The direction is that from which it blows, in degrees from north."""
    angle = np.deg2rad(wind_dir)
    return wind_speed * np.cos(angle), wind_speed * np.sin(angle)


def gust(wind_gust: Floats) -> Floats:
    """No gust is noted where there was none."""
    return np.nan_to_num(wind_gust)


@writes("temperature", "dew_point", "humidity", "precipitation", "visibility")
def weather_names(temp: Floats, dewp: Floats, humid: Floats, precip: Floats, visib: Floats) -> tuple[Floats, ...]:
    """Words instead of abbreviations."""
    return temp, dewp, humid, precip, visib


class PrepareWeather(Preparation):
    """Hourly observations at the airports of origin."""

    steps = chain(
        plausible_wind, wind, gust, weather_names,
        keep(
            "origin", "observed_at", "temperature", "dew_point", "humidity", "precipitation", "visibility", "pressure",
            "wind_speed", "gust", "wind_north", "wind_east",
        ),
    )  # fmt: skip


def tail_number(tailnum: Category) -> Category:
    """The name flights use."""
    return tailnum


def built(year: Floats) -> Floats:
    """Year of manufacture; a few are noted as 0."""
    return np.where(year > 1900, year, np.nan)


class PreparePlanes(Preparation):
    """Age and size of the plane."""

    steps = chain(tail_number, built, keep("tail_number", "built", "seats", "engines", "manufacturer"))


@writes("destination", "destination_name", "latitude", "longitude", "altitude")
def place(faa: Category, name: Category, lat: Floats, lon: Floats, alt: Floats) -> tuple[object, ...]:
    """Where the flight goes."""
    return faa, name, lat, lon, alt


class PrepareAirports(Preparation):
    """Name and place of the destination."""

    steps = chain(place, keep("destination", "destination_name", "latitude", "longitude", "altitude"))


def airline(name: Category) -> Category:
    """The carrier's full name."""
    return name


class PrepareAirlines(Preparation):
    """Name of the carrier."""

    steps = chain(airline, keep("carrier", "airline"))


late_by_origin = RecentRate("origin", label="late", known="landed_by", window="1d", name="recent_late_origin")
late_by_carrier = RecentRate("carrier", label="late", known="landed_by", window="1d", name="recent_late_carrier")


class LatenessModel(Chain):
    """A logistic regression on spline bases, levels and recent rates."""

    features = (
        Impute(
            "temperature", "dew_point", "humidity", "precipitation", "visibility", "pressure", "wind_speed", "gust",
            "wind_north", "wind_east", "built", "seats", "latitude", "longitude", "altitude", "recent_late_origin",
            "recent_late_carrier",
        ),
        Spline(
            "minutes_of_day", "scheduled_minutes", "distance", "temperature", "dew_point", "humidity", "precipitation",
            "visibility", "pressure", "wind_speed", "gust", "wind_north", "wind_east", "built", "seats", "latitude",
            "longitude", "altitude", "recent_late_origin", "recent_late_carrier", knots=8,
        ),
        Levels("carrier", "origin", "destination", "weekday", "manufacturer", rare=50),
        Standardise(),
    )  # fmt: skip
    estimator = LogisticRegression(ridge=(1000.0, 300.0, 100.0, 30.0))


def risk(prediction: Floats) -> Floats:
    """The probability, to three digits."""
    return np.round(prediction, 3)


def band(prediction: Floats) -> Category:
    """The risk in a word."""
    return Category(np.searchsorted(BAND_BORDERS, prediction, side="right").astype(np.int32), BANDS)


class DelayRisk(Preparation):
    """The table that people use, one row per flight."""

    steps = chain(
        risk, band,
        keep(
            "flight_id", "scheduled_departure", "rank", "risk", "band", "destination_name", "airline", "carrier",
            "origin", "destination", "prediction", "model_version",
        ),
    )  # fmt: skip
