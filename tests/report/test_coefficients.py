from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_pipeline.report.coefficients import MOST, section
from tests.report.reader import Reader
from tests.report.samples import PARAMETERS


def rows(parameters: dict[str, Any]) -> list[str]:
    page = section(parameters)
    return page.split("<tbody>")[1].split("</tbody>")[0].removesuffix("</tr>").split("</tr>")


def test_the_largest_come_first_each_with_its_name_and_interval() -> None:
    found = rows(PARAMETERS)
    names = [Reader(row + "</tr>").text for row in found]
    assert names == [
        "weight +0.5000 +0.3040 to +0.6960",
        "depot north +0.2500 –",
        "depot south −0.2500 −0.4460 to −0.0540",
        "age of van, part 1 of 3 +0.1250 +0.1054 to +0.1446",
        "age of van, part 2 of 3 −0.0625 −0.0821 to −0.0429",
        "age of van, part 3 of 3 +0.0312 +0.0117 to +0.0508",
    ]


def test_an_error_of_zero_has_no_whisker() -> None:
    weight, north, *_ = rows(PARAMETERS)
    assert "whisker" in weight
    assert "whisker" not in north
    assert "circle" in north


def test_hashed_text_is_summed_up() -> None:
    assert "notes: hashed into 3 buckets, 2 of them with a coefficient that is not 0, the largest ±0.75" in section(
        PARAMETERS
    )


def test_no_more_than_thirty_are_shown_and_none_that_is_zero() -> None:
    values = {f"word {at}": float(at) for at in range(100)}
    assert len(rows({"estimator": {"coefficients": {"depot": values}}})) == MOST
    assert len(rows({"estimator": {"coefficients": {"depot": {"a": 0.0, "b": 1.0}}}})) == 1


@pytest.mark.parametrize("coefficients", [{"notes": np.zeros(0)}, {"depot": {}}, {"weight": 0.0}])
def test_where_all_is_zero_there_is_no_table(coefficients: dict[str, Any]) -> None:
    assert "<table" not in section({"estimator": {"coefficients": coefficients}})
