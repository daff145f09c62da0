from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_pipeline.monitoring.chance import adjusted, chi_square, more_than, two_sided


@given(st.floats(0.0, 500.0), st.integers(1, 60))
def test_the_tail_of_chi_square_is_that_of_scipy(value: float, degrees: int) -> None:
    assert chi_square(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), rel=1e-9, abs=1e-300)


@given(st.floats(-30.0, 30.0))
def test_two_sided_is_that_of_a_normal_distribution(z: float) -> None:
    assert two_sided(z) == pytest.approx(2.0 * stats.norm.sf(abs(z)), rel=1e-9)


@given(st.integers(1, 500), st.integers(1, 400), st.floats(1e-6, 0.999))
def test_the_bound_of_chernoff_is_never_below_the_binomial_tail(rows: int, found: int, expected: float) -> None:
    found = min(found, rows)
    assert more_than(found / rows, expected, rows) >= stats.binom.sf(found - 1, rows, expected) * (1 - 1e-9) - 1e-300


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_no_adjusted_chance_is_below_its_own_or_above_that_of_bonferroni(chances: list[float]) -> None:
    found = np.array(adjusted(chances))
    assert (found >= chances).all()
    assert (found <= np.minimum(1.0, len(chances) * np.array(chances)).max() + 1e-12).all()
    assert found.min() == pytest.approx(min(1.0, len(chances) * min(chances)))
    assert (np.diff(found[np.argsort(chances, kind="stable")]) >= 0.0).all()
