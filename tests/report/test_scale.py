from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.report.scale import Scale, around, rounded_up, spacing

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


@given(low=st.floats(-1e6, 1e6), width=VALUES)
def test_an_axis_of_amounts_holds_both_ends_and_is_no_wider_than_it_must(low: float, width: float) -> None:
    ends = around(low, low + width)
    near = 1e-6 * (ends[1] - ends[0])
    assert ends[0] <= low + near
    assert low + width <= ends[1] + near
    assert ends[1] - ends[0] <= 5 * width or width <= 1e-9 * abs(low)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e20, 1e9])
def test_one_amount_has_an_axis_too(value: float) -> None:
    low, high = around(value, value)
    assert low < value < high


def test_two_amounts_that_differ_by_the_last_bit_have_an_axis_too() -> None:
    low, high = around(1e9, float(np.nextafter(1e9, np.inf)))
    assert low < 1e9 < high


@pytest.mark.parametrize("size", [1.0, 999.0, 12_345.0, 5e5, 2e6, 3e9, 7e12])
def test_labels_of_an_axis_are_short_and_all_different(size: float) -> None:
    scale = Scale(0.0, size, 0.0, 1.0)
    labels = [scale.label(value) for value in scale.ticks()]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 5


def test_labels_far_from_0_are_told_apart() -> None:
    scale = Scale(999_996.0, 1_000_004.0, 0.0, 1.0)
    assert scale.label(999_998.0) != scale.label(1_000_000.0)


def test_ends_lie_at_the_borders() -> None:
    upwards = Scale(0.0, 2.0, 300.0, 100.0)
    assert (upwards(0.0), upwards(1.0), upwards(2.0)) == (300.0, 200.0, 100.0)
