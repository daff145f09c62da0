"""Bins of numbers are named as their values are written, whether a value is a bin of its own or not."""

from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Floats
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.profile import Profile
from ml_pipeline.monitoring.bins import Bins


def named(values: Floats) -> list[str]:
    profile = Profile.of({"size": values}).columns["size"]
    assert isinstance(profile, NumberProfile)
    found = Bins.of_numbers(profile, profile)
    assert found.reference.sum() == pytest.approx(1.0)
    return found.names


def test_without_repeated_values_bins_lie_between_deciles() -> None:
    names = named(np.arange(1000.0))
    assert (names[0].partition(" ")[0], names[-2].partition(" ")[0], names[-1]) == ("up", "above", "missing")
    assert len(names) == 11
    assert all(" to " in name for name in names[:-2])


def test_a_value_that_many_rows_have_is_a_bin_of_its_own() -> None:
    assert named(np.repeat([0.0, 5.0, 9.0], [300, 600, 100]))[:4] == ["below 0", "0", "0 to below 5", "5"]
