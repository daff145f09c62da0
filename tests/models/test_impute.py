from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.errors import ChainError
from ml_pipeline.models import Impute


def test_missing_numbers_become_the_median_and_are_marked() -> None:
    x = {"wind": np.array([1.0, np.nan, 3.0, 10.0]), "other": np.array([np.nan] * 4)}
    fitted = Impute.fit(Impute("wind").parameters, x, np.zeros(4))
    assert fitted["medians"] == {"wind": 3.0}
    filled = Impute.transform(x, fitted)
    assert list(filled) == ["wind", "other", "wind_missing"]
    assert filled["wind"].tolist() == [1.0, 3.0, 3.0, 10.0]
    assert filled["wind_missing"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert np.isnan(x["wind"][1])


def test_a_column_without_any_value_becomes_zero() -> None:
    x = {"wind": np.array([np.nan, np.nan])}
    fitted = Impute.fit(Impute("wind").parameters, x, np.zeros(2))
    assert Impute.transform(x, fitted)["wind"].tolist() == [0.0, 0.0]


def test_no_names_mean_all_numbers() -> None:
    parameters = Impute().parameters
    assert Impute.outputs(parameters, {"a": "number", "b": "category"}) == {
        "a": "number",
        "b": "category",
        "a_missing": "number",
    }


def test_a_category_is_refused_and_a_lack_is_named() -> None:
    with pytest.raises(ChainError, match="Impute cannot work on the column 'carrier'"):
        Impute.outputs(Impute("carrier").parameters, {"carrier": "category"})
    with pytest.raises(ChainError, match="Impute needs the column 'wind'"):
        Impute.transform({"seats": np.zeros(1)}, {"columns": ["wind"], "medians": {"wind": 1.0}})
