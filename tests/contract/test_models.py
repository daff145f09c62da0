"""Every rule, of every model of the package and of every use case that can be found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import ml_pipeline
from ml_pipeline.discovery import find, names
from ml_pipeline.templates import BaseModel
from tests.contract.rules import Rule, cases, treats_each_row_alone
from tests.contract.subjects import Recipe, Subject, classes, concrete, escaped, gaps, of_package, of_use_case

PACKAGE = of_package()
USE_CASES = [recipe for name in names() for recipe in of_use_case(name)]
CASES = [pytest.param(rule, recipe, id=name) for name, rule, recipe in cases([*PACKAGE, *USE_CASES])]


@pytest.mark.parametrize(("rule", "recipe"), CASES)
def test_a_model(rule: Rule, recipe: Recipe, subject_of: Callable[[Recipe], Subject]) -> None:
    rule(subject_of(recipe))


@pytest.mark.parametrize("recipe", [own for own in PACKAGE if not own.by_row], ids=lambda own: own.name)
def test_only_a_model_that_needs_all_rows_at_once_is_spared(
    recipe: Recipe, subject_of: Callable[[Recipe], Subject]
) -> None:
    with pytest.raises(AssertionError, match="are others in slices"):
        treats_each_row_alone(subject_of(recipe))


def test_no_model_escapes() -> None:
    packages = {ml_pipeline.__name__, *(own.package for own in map(find, names()) if own.built_in)}
    tried = {recipe.model for recipe in [*PACKAGE, *USE_CASES]}
    assert escaped(BaseModel, packages, tried) == []


def test_a_model_is_abstract_by_what_it_lacks() -> None:
    lacking = {own.__name__: gaps(own) for own in classes(ml_pipeline, BaseModel) if gaps(own)}
    assert lacking["BaseModel"] == {"transform"}
    assert lacking["Chain"] == {"estimator"}
    assert not lacking.keys() & {own.__name__ for own in concrete(ml_pipeline, BaseModel)}
