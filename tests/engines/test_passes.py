"""A whole fit over batches: samples, kept batches and single precision change its cost, not its outcome."""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Columns, concat
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.engines.passes import FEWEST, MOST, WORTH, Passes, sample
from ml_pipeline.models import HashedText, Levels, LinearRegression, LogisticRegression, PoissonRegression, Standardise
from ml_pipeline.models import linear_model as linear_models
from ml_pipeline.templates import Parameters
from tests.engines.test_local import bits

pytestmark = pytest.mark.long

TEXTS = ("late crew", "ice", "crew on ice", "", "snow late", "no crew")
Loaders = list[Callable[[], dict[str, Any]]]


class Plain(Chain):
    features = (Standardise("a", "year", "block"), Levels("word", rare=3))
    estimator = LogisticRegression(ridge=0.5)


class Path(Chain):
    features = (Standardise("a", "year", "block"), Levels("word", rare=3), HashedText("text", buckets=16))
    estimator = LogisticRegression(ridge=(30.0, 3.0, 0.3))


class Unscaled(Chain):
    estimator = LinearRegression("a", "year", "block", "word", ridge=0.5)


def batch(rows: int, seed: int) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    a, block = chance.normal(size=rows), chance.normal(size=(rows, 3)) * [1.0, 5.0, 0.1]
    word = Category(chance.integers(-1, 4, rows).astype(np.int32), ("d", "b", "a", "c"))
    text = Category(chance.integers(-1, len(TEXTS), rows).astype(np.int32), TEXTS)
    year = 2013 + chance.integers(0, 2, rows).astype(float)
    z = a - block @ [0.5, 0.1, 2.0] + 0.4 * word.codes + 0.3 * text.codes + 0.5 * (year - 2013) - 1
    late = (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(float)
    return {"a": a, "block": block, "word": word, "text": text, "year": year, "late": late}


def loaders(sizes: list[int], seed: int = 0) -> Loaders:
    return [lambda rows=rows, at=at: batch(rows, 1000 * seed + at) for at, rows in enumerate(sizes)]  # type: ignore[misc]


def label(given: Columns) -> Any:
    return given["late"]


def fit(model: Any, x: Any, workers: int = 2) -> tuple[list[Parameters], list[tuple[int, bool]]]:
    """Parameters of every variant, and how each pass went."""
    passes, found, fitted = [], [], model.start()
    with Passes(LocalEngine(workers, 64 << 30)) as total:
        for variant in model.variants(fitted) or [{}]:
            warm = model.vary(fitted, variant)
            for last in model.passes(warm, x, label, total):
                passes.append((total.rows, total.sampled))
                fitted = last
            found.append(fitted)
    return found, passes


def flat(value: Any) -> np.ndarray:
    if isinstance(value, dict):
        return np.concatenate([flat(own) for own in value.values()])
    return np.ravel(value)


def coefficients(parameters: Parameters) -> np.ndarray:
    return np.append(flat(parameters["estimator"]["coefficients"]), parameters["estimator"]["bias"])


def exact(model: Any, x: Loaders) -> list[Parameters]:
    """Every variant fitted on all rows as one batch in memory."""
    whole, fitted, found = concat([load() for load in x]), model.start(), []
    for variant in model.variants(fitted) or [{}]:
        fitted = model.fit(model.vary(fitted, variant), whole, whole["late"])
        found.append(fitted)
    return found


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """Single precision for batches of any size."""
    monkeypatch.setattr(linear_models, "MANY", 1)


@pytest.mark.parametrize("model", [Plain, Path, Unscaled])
@pytest.mark.usefixtures("single")
def test_the_optimum_is_that_of_all_rows_in_memory(model: Any) -> None:
    x = loaders([700] * 14)
    found, _ = fit(model, x)
    for ours, theirs in zip(found, exact(model, x), strict=True):
        assert ours["estimator"]["fit"]["converged"]
        assert ours["estimator"]["fit"]["rows"] == 14 * 700
        np.testing.assert_allclose(coefficients(ours), coefficients(theirs), rtol=2e-6, atol=1e-6)
        errors, expected = (own["estimator"]["standard_errors"] for own in (ours, theirs))
        np.testing.assert_allclose(flat(errors["coefficients"]), flat(expected["coefficients"]), rtol=1e-3)


def test_a_wide_model_has_the_same_optimum_and_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = loaders([700] * 14)
    narrow = exact(Path, x)
    monkeypatch.setattr(linear_models, "WIDE", 0)
    one, *others = (fit(Path, x, workers) for workers in (1, 2, 3))
    assert [[bits(own) for own in found] for found, _ in others] == [[bits(own) for own in one[0]]] * 2
    assert any(was_sample for _, was_sample in one[1])
    for ours, theirs in zip(one[0], narrow, strict=True):
        assert ours["estimator"]["fit"]["converged"]
        np.testing.assert_allclose(coefficients(ours), coefficients(theirs), atol=3e-4)


@settings(max_examples=4)
@given(st.lists(st.integers(20, 200), min_size=12, max_size=15), st.integers(0, 100))
def test_the_same_bits_for_any_number_of_workers(sizes: list[int], seed: int) -> None:
    one, *others = ([bits(own) for own in fit(Path, loaders(sizes, seed), workers)[0]] for workers in (1, 2, 3))
    assert others == [one, one]


def test_a_sample_comes_first_and_leaves_few_passes() -> None:
    _, passes = fit(Plain, loaders([2000] * 20))
    encoders, *rest = passes
    sampled = [rows for rows, was_sample in rest if was_sample]
    assert encoders == (40_000, False)
    assert 2 <= len(sampled) <= 8
    assert set(sampled) == {FEWEST * 2000}
    assert rest[len(sampled) :] in ([(40_000, False)] * 2, [(40_000, False)] * 3)


def test_few_batches_have_no_sample() -> None:
    assert not any(was_sample for _, was_sample in fit(Plain, loaders([500] * 11))[1])


@given(st.integers(0, 5000))
def test_samples_are_spread_evenly(count: int) -> None:
    few = sample(count)
    assert bool(few) == (count >= WORTH * FEWEST)
    assert len(few) <= MOST
    if few:
        gaps = np.diff([-few[0] - 1, *few, 2 * count - few[-1] - 1])
        assert few[0] >= 0
        assert few[-1] < count
        assert gaps.max() - gaps.min() <= 2


def test_of_many_passes_the_first_alone_decodes() -> None:
    decoded: list[int] = []

    def counted(load: Any, number: int) -> Any:
        decoded.append(number)
        return load()

    x = [lambda load=load, at=at: counted(load, at) for at, load in enumerate(loaders([300] * 12))]  # type: ignore[misc]
    _, passes = fit(Path, x)
    assert len(passes) > 6
    assert sorted(decoded) == sorted([*range(12)] * 2)  # for the encoders, then for the estimator


def test_without_room_the_outcome_has_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    x = loaders([300] * 12)
    roomy, _ = fit(Path, x)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with caplog.at_level(logging.WARNING, "ml_pipeline"):
        narrow, _ = fit(Path, x)
    assert [bits(own) for own in narrow] == [bits(own) for own in roomy]
    (line,) = caplog.messages
    assert "No space left on device" in line


def test_a_pass_that_fails_gives_the_room_back() -> None:
    def broken() -> Any:
        raise OSError("the part is gone")

    before = _open_files()
    with pytest.raises(OSError, match="the part is gone"):
        fit(Path, [*loaders([300] * 12), broken])
    assert _open_files() == before


def _open_files() -> int:
    folder = pathlib.Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_a_sample_of_one_class_is_no_failure() -> None:
    def load(at: int) -> dict[str, Any]:
        own = batch(200, at)
        return own if at not in sample(12) else {**own, "late": np.zeros(200)}

    x = [lambda at=at: load(at) for at in range(12)]  # type: ignore[misc]
    (found,), _ = fit(Plain, x)
    (expected,) = exact(Plain, x)
    assert found["estimator"]["fit"]["converged"]
    np.testing.assert_allclose(coefficients(found), coefficients(expected), rtol=1e-6, atol=1e-7)


class Counted(Chain):
    estimator = PoissonRegression("a", ridge=0.5, weight="w")


@pytest.mark.parametrize("silent", ["w", "y"])
def test_a_sample_that_teaches_nothing_is_passed_over(silent: str) -> None:
    chance = np.random.default_rng(2)
    batches = [
        {"a": chance.normal(size=30), "w": np.ones(30), "y": chance.poisson(2.0, 30).astype(float)}
        for _ in range(WORTH * FEWEST)
    ]
    for number in sample(len(batches)):
        batches[number][silent] = np.zeros(30)
    loads: Loaders = [lambda batch=batch: batch for batch in batches]  # type: ignore[misc]
    with Passes(LocalEngine(1)) as total:
        found = Counted.fit(Counted().parameters, loads, lambda batch: batch["y"], total)
    whole = concat(batches)
    expected = Counted.fit(Counted().parameters, whole, whole["y"])
    assert found["estimator"]["coefficients"]["a"] == pytest.approx(
        expected["estimator"]["coefficients"]["a"], rel=1e-6
    )
