"""What moved, in units of how far chance could have moved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.lineage.effect import MOST, Measured, Moved, measured, moved

if TYPE_CHECKING:
    from tests.lineage.shelf import Shelf


def _estimator(coefficients: Any, errors: Any = None, bias: float = 0.0) -> dict[str, Any]:
    own = {"bias": bias, "coefficients": coefficients}
    known = {"standard_errors": {"bias": 0.1, "coefficients": errors}} if errors is not None else {}
    return {"estimator": {**own, **known}}


def test_a_move_is_counted_in_the_larger_standard_error() -> None:
    old = _estimator({"weight": 1.0, "depot": {"north": 0.5}}, {"weight": 0.1, "depot": {"north": 0.05}})
    new = _estimator({"weight": 2.0, "depot": {"north": 0.3}}, {"weight": 0.5, "depot": {"north": 0.02}})
    first, second = moved(old, new)
    assert (first.name, first.standard_error, first.move) == ("depot.north", 0.05, pytest.approx(-4.0))
    assert second == Moved("weight", 1.0, 2.0, 0.5, 2.0)


def test_a_word_that_only_one_of_them_knows_moved_from_or_to_nothing() -> None:
    old, new = _estimator({"depot": {"a": 1.0}}), _estimator({"depot": {"b": 3.0}}, bias=0.5)
    assert moved(old, new) == [
        Moved("depot.b", None, 3.0, None, 3.0),
        Moved("depot.a", 1.0, None, None, -1.0),
        Moved("bias", 0.0, 0.5, None, 0.5),
    ]


def test_an_error_of_zero_is_no_unit() -> None:
    found = moved(_estimator({"x": 1.0}, {"x": 0.0}), _estimator({"x": 2.0}, {"x": 0.0}))
    assert found == [Moved("x", 1.0, 2.0, None, 1.0)]


def test_blocks_and_arrays_are_moved_place_by_place_and_few_are_told() -> None:
    old, new = _estimator({"text": np.zeros(100), "block": [0.0, 0.0]}), _estimator({"text": np.arange(100.0)})
    found = moved(old, new)
    assert [own.name for own in found][:2] == ["text[99]", "text[98]"]
    assert len(found) == MOST


def test_a_model_without_coefficients_has_none_that_moved() -> None:
    assert moved({}, {"estimator": {"leaves": [1, 2]}}) == []


def test_metrics_stand_side_by_side(shelf: Shelf) -> None:
    metric = {"value": 0.7, "low": 0.6, "high": 0.8}
    shelf.evaluated("a", metrics={"roc_auc": metric}, test="d")
    shelf.evaluated("b", metrics={"roc_auc": metric, "brier": metric}, test="d")
    assert measured(shelf.registry, "a", "b") == (
        [Measured("roc_auc", metric, metric), Measured("brier", None, metric)], True,
    )  # fmt: skip
    shelf.evaluated("c", metrics={"roc_auc": metric}, test="e")
    assert not measured(shelf.registry, "a", "c")[1]
    assert measured(shelf.registry, "x", "y") == ([], False)
