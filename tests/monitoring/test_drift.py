from __future__ import annotations

import json
import tracemalloc

import msgspec
import numpy as np
import pytest

from ml_pipeline.artifacts.registry import SKETCHES, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Column, Columns
from ml_pipeline.config import Drift as Limits
from ml_pipeline.config import Levels
from ml_pipeline.data.profile import Profile
from ml_pipeline.monitoring.drift import Drift, drift, from_training

ROWS = 5_000
LIMITS = Limits()


def rows(seed: int = 0, count: int = ROWS, **others: Column) -> Columns:
    rng = np.random.default_rng(seed)
    columns = {
        "size": rng.normal(10.0, 3.0, count),
        "flag": (rng.random(count) < 0.3).astype(np.float64),
        "depot": Category.of(rng.choice(["north", "south", "east"], count, p=[0.5, 0.3, 0.2]).tolist()),
        "sent": np.datetime64("2024-01-01", "us") + rng.integers(0, 10**12, count),
    }
    return columns | others


def found(current: Columns, reference: Columns | None = None, limits: Limits = LIMITS) -> Drift:
    return drift(Profile.of(reference or rows()), Profile.of(current), limits)


def column(drifted: Drift, name: str) -> tuple[str, str]:
    own = next(own for own in drifted.columns if own.column == name)
    return own.severity, own.sentence


def test_nothing_is_said_where_nothing_changed() -> None:
    drifted = found(rows(1))
    assert (drifted.severity, drifted.sentence) == ("ok", "ok: 4 of 4 columns.")
    assert {own.severity for own in drifted.columns} == {"ok"}


def test_a_shift_is_found_with_what_how_much_and_where() -> None:
    drifted = found(rows(1, size=np.random.default_rng(2).normal(11.8, 3.0, ROWS)))
    severity, sentence = column(drifted, "size")
    assert severity == drifted.severity == "act"
    for told in (
        "size: ",
        "population stability index 0.3",
        "Wasserstein distance 0.6",
        "5,000 rows beside 5,000 of the reference",
        "% of the rows",
    ):
        assert told in sentence
    assert drifted.sentence == "act: size; ok: 3 of 4 columns."


@pytest.mark.parametrize(("share", "severity"), [(0.0, "ok"), (0.01, "ok"), (0.06, "watch"), (0.3, "act")])
def test_a_new_word_and_missing_values_count_by_their_share(share: float, severity: str) -> None:
    drawn, before = np.random.default_rng(3).random(ROWS) < share, rows(1)
    depot = Category(np.where(drawn, 3, before["depot"].codes).astype(np.int32), (*before["depot"].vocabulary, "west"))  # type: ignore[union-attr]
    size = np.where(drawn, np.nan, before["size"])  # type: ignore[arg-type]
    drifted = found(rows(1, depot=depot, size=size))
    levels = ("ok", "watch", "act")
    assert levels.index(column(drifted, "depot")[0]) >= levels.index(severity)
    assert levels.index(column(drifted, "size")[0]) >= levels.index(severity)
    if severity == "ok":
        assert drifted.severity == "ok"
    else:
        assert "words that the reference does not have" in column(drifted, "depot")[1]
        assert "missing" in column(drifted, "size")[1]


def test_few_rows_are_a_state_of_their_own_even_if_all_are_different() -> None:
    drifted = found({name: own[:100] for name, own in rows(1, size=np.full(ROWS, 1e6)).items()})
    assert drifted.severity == "not enough data"
    assert column(drifted, "size") == ("not enough data", "size: 100 rows here tell nothing; it takes 300.")
    small = found(rows(1), reference=rows(0, 50))
    assert column(small, "size") == ("not enough data", "size: 50 rows in the reference tell nothing; it takes 300.")


def test_a_column_that_vanished_is_told() -> None:
    current = {name: own for name, own in rows(1).items() if name != "size"}
    drifted = found(current)
    assert drifted.severity == "not comparable"
    assert "size: it vanished" in column(drifted, "size")[1]
    assert drifted.sentence == "not comparable: size; ok: 3 of 4 columns."


def test_a_reference_of_another_schema_is_told_column_by_column() -> None:
    other = {
        "size": Category.of(["a"] * ROWS),
        "flag": np.ones((ROWS, 2)),
        "depot": np.ones(ROWS),
        "sent": np.ones(ROWS),
    }
    drifted = found(rows(1), reference=other)
    assert {own.severity for own in drifted.columns} == {"not comparable"}
    assert column(drifted, "size")[1] == (
        "size: it is a number, in the reference a category. See what delivers it in another form."
    )
    assert "a block of 2" in column(drifted, "flag")[1]
    widths = found({"b": np.ones((ROWS, 3))}, reference={"b": np.ones((ROWS, 2))})
    assert column(widths, "b")[0] == "not comparable"


def test_a_column_of_mixed_kinds_is_told() -> None:
    both = Profile.of({"x": np.ones(ROWS)}).merge(Profile.of({"x": Category.of(["a"] * ROWS)}))
    drifted = drift(Profile.of({"x": np.ones(ROWS)}), both, LIMITS)
    assert "a mixture of category and number" in column(drifted, "x")[1]


@pytest.mark.parametrize("value", [0.0, 3.0, -1e300])
def test_a_constant_column_is_compared(value: float) -> None:
    constant = {"x": np.full(ROWS, value)}
    assert found(constant, constant).severity == "ok"
    assert found({"x": np.full(ROWS, value + 1.0 if abs(value) < 1e9 else 7.0)}, constant).severity == "act"
    assert found({"x": np.random.default_rng(1).normal(size=ROWS)}, constant).severity == "act"


@pytest.mark.parametrize(
    "empty", [np.full(ROWS, np.nan), Category.of([None] * ROWS), np.full(ROWS, "NaT", "datetime64[us]")]
)
def test_a_column_without_any_value_is_compared_by_what_is_missing(empty: Column) -> None:
    assert found({"x": empty}, {"x": empty}).severity == "ok"
    for known in (np.ones(ROWS), Category.of(["a"] * ROWS)):
        for pair in (({"x": empty}, {"x": known}), ({"x": known}, {"x": empty})):
            drifted = found(*pair)
            assert drifted.severity == "act"
            assert "missing share changed by 100.0%" in column(drifted, "x")[1]


def test_a_million_categories_are_compared_in_little_room() -> None:
    def many(seed: int, words: int) -> Profile:
        codes = np.random.default_rng(seed).integers(0, words, 200_000).astype(np.int32)
        codes[::2] = 0
        return Profile.of({"c": Category(codes, tuple(f"word {each}" for each in range(words)))})

    reference, like_it, other = many(1, 1_000_000), many(2, 1_000_000), many(2, 3)
    assert len(reference.pack()) < 50_000
    tracemalloc.start()
    found = [drift(reference, current, LIMITS).severity for current in (like_it, other)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    assert found[0] == "ok"
    assert found[1] in ("watch", "act")


def test_texts_are_compared_by_their_lengths() -> None:
    def texts(length: int) -> Columns:
        lengths = np.random.default_rng(length).poisson(length, 1_000).tolist()
        return {"t": Category.of([f"{each:05d}" + "x" * size for each, size in enumerate(lengths)])}

    assert found(texts(300), texts(301)).severity == "ok"
    assert found(texts(500), texts(300)).severity == "act"


def test_moments_move_on_without_drift() -> None:
    later = np.datetime64("2030-01-01", "us") + np.arange(ROWS)
    assert column(found(rows(1, sent=later)), "sent")[0] == "ok"


def test_what_is_too_far_is_said_in_the_limits() -> None:
    shifted = rows(1, size=np.random.default_rng(2).normal(10.8, 3.0, ROWS))
    assert found(shifted).severity == "watch"
    loose = Limits(**{name: Levels(watch=5.0, act=9.0) for name in ("psi", "jensen_shannon", "wasserstein")})
    assert found(shifted, limits=loose).severity == "ok"
    strict = Limits(psi=Levels(watch=0.01, act=0.02))
    assert found(shifted, limits=strict).severity == "act"


def test_an_effect_that_chance_explains_is_none_however_large() -> None:
    rng = np.random.default_rng(4)
    few = {f"x{each}": rng.normal(size=40) for each in range(50)}
    reference = {f"x{each}": rng.normal(size=40) for each in range(50)}
    drifted = found(few, reference, Limits(least=20))
    assert max(own.effects["psi"].value for own in drifted.columns) > 0.5
    assert drifted.severity == "ok"


def test_what_is_found_can_be_written_as_json() -> None:
    told = json.loads(msgspec.json.encode(found(rows(1, size=np.full(ROWS, 3.0)))))
    assert told[0] == "act"


class TestFromTraining:
    def test_what_a_model_was_trained_on_is_the_reference(self, tmp_path: object) -> None:
        registry = Registry(Store(str(tmp_path)))
        registry.store.put(registry.key("m1", SKETCHES), Profile.of(rows()).pack())
        assert (
            from_training(registry, "m1", Profile.of(rows(1)), ["size", "depot"], LIMITS).sentence
            == "ok: 2 of 2 columns."
        )

    def test_a_profile_that_is_not_there_or_not_readable_is_a_state(self, tmp_path: object) -> None:
        registry = Registry(Store(str(tmp_path)))
        for content in (None, b"nonsense"):
            if content:
                registry.store.put(registry.key("m1", SKETCHES), content)
            told = from_training(registry, "m1", Profile.of(rows()), ["size"], LIMITS)
            assert (told.severity, told.columns) == ("not comparable", [])
            assert told.sentence.startswith("What m1 was trained on is not known: ")
