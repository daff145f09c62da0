"""Learning further rows from what is known of those before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Columns, Floats, take
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.engines.passes import Passes
from ml_pipeline.errors import FitError
from ml_pipeline.models import (
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
    Standardise,
    linear_model,
)
from tests.contract.compare import bits

MODELS = (LinearRegression, LogisticRegression, PoissonRegression, SoftmaxRegression)


def _rows(model: Any, count: int, seed: int) -> tuple[dict[str, Any], Floats]:
    """Numbers, a block and words, and labels that the model could have made."""
    chance = np.random.default_rng(seed)
    word = Category(chance.integers(0, 3, count).astype(np.int32), ("a", "b", "c"))
    x = {"n": chance.normal(size=count), "block": chance.normal(size=(count, 2)), "word": word}
    z = 0.8 * x["n"] - 0.5 * x["block"][:, 0] + 0.3 * word.codes - 0.3
    if model is LinearRegression:
        return x, z + chance.normal(size=count)
    if model is PoissonRegression:
        return x, chance.poisson(np.exp(z)).astype(np.float64)
    return x, (chance.random(count) < 1 / (1 + np.exp(-z))).astype(np.float64)


def _vector(learnt: Any) -> Floats:
    return np.array([value for _, value in _numbers({key: learnt[key] for key in ("bias", "coefficients")})])


def _numbers(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _numbers(value[key], f"{name}.{key}")
    elif np.ndim(value):
        yield from ((f"{name}.{place}", own) for place, own in enumerate(value))
    else:
        yield name, value


def _part(x: Columns, y: Floats, rows: slice) -> tuple[Columns, Floats]:
    return take(x, rows), y[rows]


def _go_on(model: Any, parameters: Any, x: Columns, y: Floats) -> Any:
    return model.fit(model.continued(parameters), x, y)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wide", [False, True])
def test_two_halves_teach_about_what_all_rows_teach_at_once(
    model: Any, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_model, "WIDE", 3 if wide else linear_model.WIDE)
    x, y = _rows(model, 4000, 1)
    start = model().parameters
    first = model.fit(start, *_part(x, y, slice(0, 2000)))
    both, whole = _go_on(model, first, *_part(x, y, slice(2000, None))), model.fit(start, x, y)
    alone = model.fit(start, *_part(x, y, slice(2000, None)))
    z = _vector(whole)
    assert np.abs(_vector(both) - z).max() < 0.05
    assert np.abs(_vector(both) - z).sum() < min(np.abs(_vector(own) - z).sum() for own in (first, alone))


@pytest.mark.parametrize("model", MODELS)
def test_the_precision_is_the_diagonal_of_the_hessian_and_the_ridge(model: Any) -> None:
    x, y = _rows(model, 500, 2)
    del x["word"]
    learnt = model.fit(model("n", "block", ridge=3.0).parameters, x, y)
    full = np.column_stack([np.ones(500), x["n"], x["block"]])
    p = model.transform(x, learnt)
    curvature = {
        LinearRegression: lambda: np.ones((500, 1)),
        LogisticRegression: lambda: (p * (1 - p))[:, None],
        PoissonRegression: lambda: p[:, None],
        SoftmaxRegression: lambda: p * (1 - p),
    }[model]()
    expected = np.square(full).T @ curvature + np.array([[0.0], [3.0], [3.0], [3.0]])
    found, classes = learnt["precision"], learnt.get("classes")
    each = [{part: found[part][name] for part in found} for name in classes] if classes else [found]
    for own, of_class in zip(each, expected.T, strict=True):
        known = [own["bias"], *own["coefficients"]["n"], *own["coefficients"]["block"]]
        order = [of_class[0], of_class[1], of_class[2], of_class[3]]
        np.testing.assert_allclose(known, order, rtol=1e-3)


@given(seed=st.integers(0, 99), ridge=st.floats(0.1, 100.0), rows=st.integers(1, 40))
def test_of_columns_that_have_nothing_in_common_halves_teach_exactly_what_all_rows_do(
    seed: int, ridge: float, rows: int
) -> None:
    chance = np.random.default_rng(seed)
    # In the first half every product of two columns, the ones among them, is summed to 0.
    signs = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    first = np.tile(signs * [1.0, 5.0], (8, 1))
    block = np.concatenate([first, chance.normal(size=(rows, 2))])
    y = chance.normal(size=len(block)) + block @ [1.0, -2.0]
    start, model = LinearRegression("block", ridge=ridge).parameters, LinearRegression
    known = model.fit(start, *_part({"block": block}, y, slice(0, 32)))
    both = _go_on(model, known, *_part({"block": block}, y, slice(32, None)))
    np.testing.assert_allclose(_vector(both), _vector(model.fit(start, {"block": block}, y)), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_half_and_half_again_are_as_well_known_as_all(model: Any) -> None:
    x, y = _rows(model, 3000, 3)
    first = model.fit(model().parameters, *_part(x, y, slice(0, 1500)))
    both = _go_on(model, first, *_part(x, y, slice(1500, None)))
    whole = dict(_numbers(model.fit(model().parameters, x, y)["precision"]))
    found = dict(_numbers(both["precision"]))
    assert found.keys() == whole.keys()
    np.testing.assert_allclose([found[name] for name in whole], list(whole.values()), rtol=0.1)


def test_rows_that_surprise_nobody_change_nothing_but_how_well_it_is_known() -> None:
    x, y = _rows(LinearRegression, 300, 4)
    known = LinearRegression.fit(LinearRegression().parameters, x, y)
    more, _ = _rows(LinearRegression, 200, 5)
    after = _go_on(LinearRegression, known, more, LinearRegression.transform(more, known))
    np.testing.assert_allclose(_vector(after), _vector(known), rtol=1e-12, atol=1e-14)
    before, now = (dict(_numbers(own["precision"])) for own in (known, after))
    assert all(now[name] >= before[name] for name in before)
    assert now[".bias"] == pytest.approx(before[".bias"] + 200)


@pytest.mark.parametrize("model", MODELS)
def test_many_rows_of_another_world_are_believed(model: Any) -> None:
    x, y = _rows(model, 100, 6)
    known = model.fit(model().parameters, x, y)
    other, labels = _rows(model, 60_000, 7)
    turned = {**other, "n": -other["n"]}
    after = _go_on(model, known, turned, labels)
    alone = model.fit(model().parameters, turned, labels)
    # Of a bias and a coefficient for every word the rows tell no more than the sums, which the predictions are made of.
    of_known, of_after, of_alone = (model.transform(turned, own) for own in (known, after, alone))
    assert np.abs(of_after - of_alone).mean() < 0.01
    assert np.abs(of_known - of_alone).mean() > 0.2


def test_a_few_rows_of_one_label_move_little() -> None:
    x, y = _rows(LogisticRegression, 4000, 8)
    known = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    few, _ = _rows(LogisticRegression, 5, 9)
    after = _go_on(LogisticRegression, known, few, np.ones(5))
    moved = _vector(after) - _vector(known)
    assert 0.0 < np.abs(moved).max() < 0.05
    assert after["bias"] > known["bias"]


@pytest.mark.parametrize("model", MODELS)
def test_words_that_no_new_row_has_stay_and_new_ones_come(model: Any) -> None:
    x, y = _rows(model, 900, 10)
    known = model.fit(model("word").parameters, x, y)
    other = {"word": Category.of(["c", "d"] * 50)}
    after = _go_on(model, known, other, y[:100])
    pairs = [(known["coefficients"], after["coefficients"])]
    if model is SoftmaxRegression:
        pairs = [(known["coefficients"][name], after["coefficients"][name]) for name in known["classes"]]
    for before, now in pairs:
        assert list(now["word"]) == ["a", "b", "c", "d"]
        assert now["word"]["d"] != 0.0
        # The bias moved, and what was known of these two came from other rows.
        assert [now["word"][name] for name in "ab"] == [before["word"][name] for name in "ab"]


def test_a_lasso_has_chosen_and_has_no_further_say() -> None:
    x, y = _rows(LinearRegression, 2000, 11)
    x = {**x, "noise": np.random.default_rng(12).normal(size=2000)}
    known = LinearRegression.fit(LinearRegression("n", "noise", ridge=0.0, lasso=200.0).parameters, x, y)
    assert known["coefficients"]["noise"] == 0.0
    # Laplace's distribution of lasso 200 has the variance 2 / 200².
    assert known["precision"]["coefficients"]["noise"][0] == pytest.approx(np.square(x["noise"]).sum() + 200**2 / 2)
    after = _go_on(LinearRegression, known, *_part(x, y, slice(0, 100)))
    assert after["fit"]["converged"]
    assert 0.0 < abs(after["coefficients"]["noise"]) < 0.01
    assert after["lasso"] == 200.0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wide", [False, True])
def test_the_number_of_workers_changes_no_bit(model: Any, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_model, "WIDE", 3 if wide else linear_model.WIDE)
    x, y = _rows(model, 2000, 13)
    known = model.fit(model().parameters, *_part(x, y, slice(0, 500)))
    loads = [lambda part=slice(s, s + 100): {**take(x, part), "y": y[part]} for s in range(500, 2000, 100)]
    found = []
    for workers in (1, 2, 3):
        with Passes(LocalEngine(workers, 64 << 30)) as total:
            start = model.continued({**known, "columns": ["n", "block", "word"]})
            found.append(model.fit(start, loads, lambda batch: batch["y"], total))
    assert bits(found[0]) == bits(found[1]) == bits(found[2])
    whole = _go_on(model, known, *_part(x, y, slice(500, None)))
    np.testing.assert_allclose(_vector(found[0]), _vector(whole), atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_it_goes_on_from_the_file_to_the_last_bit(model: Any) -> None:
    x, y = _rows(model, 600, 14)
    known = model.fit(model().parameters, *_part(x, y, slice(0, 300)))
    stored = parameters_file.load(parameters_file.dump(known, model.__name__))
    rest = _part(x, y, slice(300, None))
    assert bits(_go_on(model, stored, *rest)) == bits(_go_on(model, known, *rest))


def test_no_standard_errors_and_a_sentence_why() -> None:
    x, y = _rows(LogisticRegression, 600, 15)
    known = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    after = _go_on(LogisticRegression, known, x, y)
    assert "standard_errors" in known
    assert "standard_errors" not in after
    assert "prior" not in after
    assert "of what was known before" in after["fit"]["note"]


def test_parameters_that_do_not_say_how_well_they_are_known_are_refused() -> None:
    x, y = _rows(LogisticRegression, 200, 16)
    known = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    del known["precision"]
    with pytest.raises(FitError, match="how well they are known") as refused:
        LogisticRegression.continued(known)
    assert "train offline once" in refused.value.do


def test_encoders_stay_as_they_were_fitted() -> None:
    class Model(Chain):
        features = (Standardise("n"),)
        estimator = LogisticRegression(ridge=(1.0, 10.0))

    x, y = _rows(LogisticRegression, 600, 17)
    known = Model.fit(Model.start(), x, y)
    after = _go_on(Model, known, {**x, "n": x["n"] + 9.0}, y)
    assert after["features"] == known["features"]
    assert after["estimator"]["coefficients"] != known["estimator"]["coefficients"]
    assert Model.variants(after) == []


def test_a_model_that_does_not_say_how_it_goes_on_says_so() -> None:
    with pytest.raises(FitError, match="Standardise does not say how to go on"):
        Standardise.continued({})
