from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.errors import ChainError
from ml_pipeline.models import Cyclic


def test_a_number_becomes_sines_and_cosines_of_its_place_in_the_period() -> None:
    model = Cyclic("hour", period=24, harmonics=2)
    hours = np.array([0.0, 6.0, 13.5, np.nan])
    block = Cyclic.transform({"hour": hours}, model.parameters)["hour"]
    angle = 2 * np.pi * hours / 24
    expected = np.column_stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)])
    np.testing.assert_allclose(block, expected, atol=1e-15)


def test_whole_periods_change_nothing() -> None:
    parameters = Cyclic("hour", period=24).parameters
    first, later = (Cyclic.transform({"hour": np.arange(24.0) + add}, parameters)["hour"] for add in (0, 24 * 2**30))
    assert np.array_equal(first, later)


def test_it_learns_nothing_and_gives_blocks() -> None:
    parameters = Cyclic("hour", period=24).parameters
    assert Cyclic.fitted(parameters)
    assert Cyclic.fit(parameters, {}, np.zeros(0)) == parameters
    assert Cyclic.outputs(parameters, {"hour": "number"}) == {"hour": "block"}


@pytest.mark.parametrize("options", [{"period": 0}, {"period": float("nan")}, {"period": 24, "harmonics": 0}])
def test_nonsense_is_refused(options: dict) -> None:
    with pytest.raises(ChainError, match="a period above 0"):
        Cyclic("hour", **options)
