from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Bag, Category, Column, take
from ml_pipeline.errors import ChainError
from ml_pipeline.models import (
    Cross,
    HashedLevels,
    HashedText,
    Impute,
    Levels,
    LogisticRegression,
    ManyLevels,
    Spline,
    Standardise,
    explanation,
    fnv,
)
from ml_pipeline.models.explanation import reasons
from ml_pipeline.templates import BaseModel


class Trip(Chain):
    features = (
        Impute("wind_speed", "seats"),
        Spline("distance", knots=3, degree=1),
        Levels("carrier", rare=1),
        ManyLevels("tags", rare=1),
        HashedText("notes", buckets=64),
        Standardise("seats"),
    )
    estimator = LogisticRegression()


class Late(Chain):
    features = (
        Impute("wind"),
        Spline("distance", "wind", knots=6),
        Levels("carrier", "origin", rare=30),
        ManyLevels("tags", rare=30),
        HashedText("notes", buckets=50),
        Standardise(),
    )
    estimator = LogisticRegression()


X: dict[str, Column] = {
    "wind_speed": np.array([2.0, np.nan, 2.0]),
    "seats": np.array([189.0, 150.0, np.nan]),
    "distance": np.array([0.0, 5.0, 1234567.0]),
    "carrier": Category.of(["UA", "HA", None]),
    "tags": Category.of(["snow\nfog", "fog", None]),
    "notes": Category.of(["Late CREW on ice", "crew", None]),
}
PARAMETERS = {
    "features": [
        {"columns": ["wind_speed", "seats"], "medians": {"wind_speed": 3.0, "seats": 160.0}},
        {"columns": ["distance"], "knots": 3, "degree": 1, "positions": {"distance": [0.0, 10.0]}},
        {"columns": ["carrier"], "rare": 1, "levels": {"carrier": {"UA": 0, "(other)": 1}}},
        {"columns": ["tags"], "rare": 1, "levels": {"tags": {"fog": 0, "snow": 1, "(other)": 2}}},
        {"columns": ["notes"], "buckets": 64, "ngrams": 2},
        {"columns": ["seats"], "mean": {"seats": 170.0}, "scale": {"seats": 10.0}},
    ],
    "estimator": {
        "bias": 9.0,
        "coefficients": {
            "carrier": {"UA": -0.31, "(other)": 0.2},
            "distance": [0.4, -0.6],
            "notes": np.zeros(64),
            "seats": 0.1,
            "seats_missing": -0.5,
            "tags": {"fog": 0.3, "snow": 0.3},
            "wind_speed": 0.001,
            "wind_speed_missing": 0.25,
        },
    },
}


def lines(x: dict[str, Column], parameters: dict, most: int = 9) -> tuple[list[list[str]], list[list[str]]]:
    result = reasons(Trip, x, parameters, most)
    assert list(result) == ["speaks_for", "speaks_against"]
    return tuple([(text or "").split("\n") for text in column.values()] for column in result.values())


def test_each_kind_of_column_is_told_in_words() -> None:
    speaks_for, speaks_against = lines(X, PARAMETERS)
    assert speaks_for == [
        ["distance 0 (+0.40)", "tags fog (+0.30)", "tags snow (+0.30)", "seats 189 (+0.19)"],
        # Number and mark together: 0.25 + 3 * 0.001.
        ["tags fog (+0.30)", "wind speed missing (+0.25)", "carrier HA (+0.20)"],
        ["carrier missing (+0.20)"],
    ]
    assert speaks_against == [
        ["carrier UA (-0.31)"],
        ["seats 150 (-0.20)", "distance 5 (-0.10)"],
        # The median, 160, is one deviation below the mean.
        ["distance 1.23457e+06 (-0.60)", "seats missing (-0.60)"],
    ]


def test_only_the_strongest_are_named_and_no_reason_is_no_text() -> None:
    assert lines(X, PARAMETERS, most=1)[0] == [
        ["distance 0 (+0.40)"],
        ["tags fog (+0.30)"],
        ["carrier missing (+0.20)"],
    ]
    bare = {**PARAMETERS, "estimator": {"bias": 1.0, "coefficients": {"wind_speed": 1e-5}}}
    assert reasons(Trip, X, bare, 3)["speaks_for"].values() == [None] * 3
    none = {**PARAMETERS, "estimator": {"bias": 1.0, "coefficients": {}}}
    assert reasons(Trip, X, none, 3)["speaks_against"].values() == [None] * 3
    assert len(reasons(Trip, take(X, slice(0, 0)), PARAMETERS, 3)["speaks_for"]) == 0


def test_what_was_hashed_is_told_as_the_phrase_that_was_read() -> None:
    bag = HashedText.transform({"notes": Category.of(["crew on"])}, PARAMETERS["features"][4])["notes"]
    assert isinstance(bag, Bag)
    assert len(bag.places) == 3
    single = HashedText.transform({"notes": Category.of(["crew"])}, PARAMETERS["features"][4])["notes"].places
    theta = np.zeros(64)
    theta[bag.places] = 0.5
    theta[single] = 2.0
    estimator = {"bias": 0.0, "coefficients": {"notes": theta}}
    speaks_for, _ = lines(X, {**PARAMETERS, "estimator": estimator})
    assert speaks_for[0][0] == 'notes "crew" (+2.00)'
    assert 'notes "crew on" (+0.50)' in speaks_for[0]
    assert speaks_for[1:] == [['notes "crew" (+2.00)'], [""]]


class Lines(Chain):
    features = (
        Cross("carrier", "origin"),
        Levels("carrier_and_origin", rare=1),
        HashedLevels("tail", buckets=2**18),
        HashedText("notes", buckets=2**18),
    )
    estimator = LogisticRegression()


def test_crossed_and_hashed_levels_are_told_as_the_words_of_the_row() -> None:
    x = {
        "carrier": Category.of(["UA", "AA", None]),
        "origin": Category.of(["JFK", "LGA", "LGA"]),
        "tail": Category.of(["N123", None, "N7"]),
        "notes": Category.of(["late crew", "late", None]),
    }
    links = [dict(link.parameters) for link in Lines.features]
    links[1]["levels"] = {"carrier_and_origin": {"UA x JFK": 0, "(other)": 1}}
    theta = {name: np.zeros(2**18) for name in ("tail", "notes")}
    theta["tail"][fnv.buckets(fnv.hashes(["N123", "N7"]), 2**18)] = [0.75, -0.25]
    theta["notes"][fnv.buckets(fnv.hashes(["late crew"]), 2**18)] = 0.5
    coefficients = {"carrier_and_origin": {"UA x JFK": 0.125, "(other)": -0.375}, **theta}
    parameters = {"features": links, "estimator": {"bias": 0.0, "coefficients": coefficients}}
    speaks_for, speaks_against = (column.values() for column in reasons(Lines, x, parameters, 3).values())
    assert speaks_for == [
        'tail N123 (+0.75)\nnotes "late crew" (+0.50)\ncarrier and origin UA x JFK (+0.12)', None, None,
    ]  # fmt: skip
    assert speaks_against == [
        None, "carrier and origin AA x LGA (-0.38)", "carrier and origin missing (-0.38)\ntail N7 (-0.25)",
    ]  # fmt: skip


def test_a_reason_is_one_line_whatever_the_word_is() -> None:
    x = {**X, "carrier": Category.of(["U\nA", "", "\u2028x"])}
    assert [row[-2] for row in lines(x, PARAMETERS)[0][:2]] == ["carrier U A (+0.20)", "wind speed missing (+0.25)"]
    assert [row[-1] for row in lines(x, PARAMETERS)[0][1:]] == ["carrier (+0.20)", "carrier x (+0.20)"]


def test_other_chains_and_missing_columns_are_refused() -> None:
    class Odd(Chain):
        features = ()
        estimator = BaseModel("a")

    with pytest.raises(ChainError, match=r"Odd cannot give reasons.*Given: BaseModel"):
        reasons(Odd, {"a": np.zeros(1)}, {"features": [], "estimator": {}}, 3)
    with pytest.raises(ChainError, match="Trip needs the column 'seats'"):
        reasons(Trip, {name: column for name, column in X.items() if name != "seats"}, PARAMETERS, 3)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 1999), min_size=1, max_size=40))
def test_the_reasons_of_a_row_are_its_own(make_batch: Callable, rows: list[int]) -> None:
    x, y = make_batch(2000)
    fitted = Late.fit(Late().parameters, x, y)
    whole = reasons(Late, x, fitted, 4)
    some = reasons(Late, take(x, np.array(rows)), fitted, 4)
    for name, column in whole.items():
        assert [column.values()[row] for row in rows] == some[name].values()


def test_all_reasons_together_are_the_score(make_batch: Callable) -> None:
    x, y = make_batch(500)
    fitted = Late.fit(Late().parameters, {**x, "wind": np.nan_to_num(x["wind"])}, y)
    fitted["estimator"]["coefficients"] |= {"wind_missing": 0.0}
    texts = reasons(Late, x, fitted, 99)
    p = Late.transform(x, fitted)
    for row in range(0, 500, 7):
        said = [line for column in texts.values() for line in (column.values()[row] or "").split("\n") if line]
        total = sum(float(line.rsplit("(", 1)[1][:-1]) for line in said)
        assert fitted["estimator"]["bias"] + total == pytest.approx(np.log(p[row] / (1 - p[row])), abs=0.005 * 60)


@pytest.mark.long
@pytest.mark.parametrize("effects", [1, 1000])
def test_reasons_are_the_same_however_many_rows_are_compared_together(
    effects: int, make_batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = make_batch(300)
    fitted = Late.fit(Late().parameters, x, y)
    whole = reasons(Late, x, fitted, 3)
    monkeypatch.setattr(explanation, "EFFECTS", effects)
    parts = reasons(Late, x, fitted, 3)
    assert {name: column.values() for name, column in parts.items()} == {
        name: column.values() for name, column in whole.items()
    }
