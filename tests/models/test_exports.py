from __future__ import annotations

import subprocess
import sys

import pytest

from ml_pipeline import models
from ml_pipeline.templates import BaseModel


def test_the_exported_names_are_these() -> None:
    assert models.__all__ == [
        "Cross",
        "Cyclic",
        "HashedLevels",
        "HashedText",
        "Impute",
        "Levels",
        "LinearRegression",
        "LogisticRegression",
        "ManyLevels",
        "PoissonRegression",
        "RecentRate",
        "SoftmaxRegression",
        "Spline",
        "Standardise",
    ]


@pytest.mark.parametrize("name", models.__all__)
def test_every_exported_name_is_a_model_of_that_name(name: str) -> None:
    model = getattr(models, name)
    assert issubclass(model, BaseModel)
    assert model.__name__ == name
    assert model.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Lasso'"):
        models.Lasso  # noqa: B018


def test_importing_one_model_leaves_the_others_and_heavy_libraries_alone() -> None:
    code = "import sys; from ml_pipeline.models import Levels; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ml_pipeline.models.levels" in loaded
    assert not {"ml_pipeline.models.spline", "ml_pipeline.models.logistic"} & set(loaded)
    assert not {"pandas", "pyarrow", "scipy", "sklearn"} & set(loaded)
