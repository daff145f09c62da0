from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.report.scale import Scale, rounded_up, spacing

VALUES = st.floats(1e-6, 1e6)


@given(low=st.floats(-1e4, 1e4), width=VALUES, most=st.integers(3, 8))
def test_ticks_are_few_round_and_within(low: float, width: float, most: int) -> None:
    scale = Scale(low, low + width, 0.0, 100.0)
    ticks = scale.ticks(most)
    assert len(ticks) <= most
    assert all(-0.01 <= scale(value) <= 100.01 for value in ticks)
    assert np.diff(ticks) == pytest.approx(spacing(scale.high - scale.low, most), rel=1e-3)


@given(VALUES)
def test_an_axis_ends_at_a_round_value_that_is_no_less(value: float) -> None:
    end = rounded_up(value)
    assert value <= end * (1 + 1e-9) <= 2.01 * value
    assert Scale(0.0, end, 0.0, 1.0).ticks(8)[-1] == pytest.approx(end)


def test_ends_lie_at_the_borders() -> None:
    upwards = Scale(0.0, 2.0, 300.0, 100.0)
    assert (upwards(0.0), upwards(1.0), upwards(2.0)) == (300.0, 200.0, 100.0)
