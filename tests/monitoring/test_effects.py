from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from ml_pipeline.columns import Category, Floats
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.word_profile import WordProfile
from ml_pipeline.monitoring.bins import Bins
from ml_pipeline.monitoring.effects import of_bins, of_missing, of_new_words, of_quantiles

ROWS = 20_000
DRAWS = ("normal", "exponential", "lognormal", "zeros", "rounded", "flags")


def drawn(draw: str, seed: int, shift: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    size = ROWS
    return {
        "normal": lambda: rng.normal(shift, 1.0, size),
        "exponential": lambda: rng.exponential(1.0 + shift, size),
        "lognormal": lambda: rng.lognormal(shift, 1.0, size),
        "zeros": lambda: np.where(rng.random(size) < 0.6 - shift / 5, 0.0, rng.exponential(size=size)),
        "rounded": lambda: rng.normal(shift, 1.0, size).round(1),
        "flags": lambda: (rng.random(size) < 0.3 + shift / 4).astype(np.float64),
    }[draw]()


def counted(edges: list[float], values: Floats) -> Floats:
    """Shares between edges (each belongs to the bin below it) and of missing values."""
    known = values[np.isfinite(values)]
    counts = np.diff([(known <= edge).sum() for edge in edges], prepend=0, append=len(known))
    return np.append(counts, len(values) - len(known)) / len(values)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_index_and_divergence_are_those_of_the_rows(draw: str, shift: float) -> None:
    before, after = drawn(draw, 1), drawn(draw, 2, shift)
    reference, current = NumberProfile.of(before), NumberProfile.of(after)
    deciles = reference.quantiles(np.arange(1, 10) / 10)
    several = [value for value in np.unique(deciles) if (deciles == value).sum() > 1]
    edges = sorted({*deciles.tolist(), *np.nextafter(several, -np.inf).tolist()})
    n, m = reference.looked_at, current.looked_at
    p, q = (counted(edges, each) for each in (before, after))
    used = p + q > 0.0
    p, q = (np.maximum(each[used], 0.005) for each in (p, q))
    p, q = p / p.sum(), q / q.sum()
    psi, divergence = of_bins(Bins.of_numbers(reference, current), n, m)
    assert psi.value == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=0.05, abs=2e-3)
    assert divergence.value == pytest.approx(jensenshannon(p, q, base=2), rel=0.05, abs=5e-3)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shift", [0.1, 0.5])
def test_the_distance_of_wasserstein_is_that_of_the_rows(draw: str, shift: float) -> None:
    before, after = drawn(draw, 3), drawn(draw, 4, shift)
    low, high = np.quantile(before, [0.25, 0.75])
    unit = (high - low) / 1.349 or before.std()
    (found,) = of_quantiles(NumberProfile.of(before), NumberProfile.of(after))
    assert found.value == pytest.approx(wasserstein_distance(before, after) / unit, rel=0.05, abs=0.01)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("size", [300, 3_000])
def test_chance_alone_gives_what_is_expected_and_is_rarely_improbable(draw: str, size: int) -> None:
    rng = np.random.default_rng(5)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(60):
        both = rng.permutation(drawn(draw, seed))
        reference, current = NumberProfile.of(both[size : 4 * size]), NumberProfile.of(both[:size])
        bins = of_bins(Bins.of_numbers(reference, current), reference.looked_at, current.looked_at)
        for effect in [*bins, *of_quantiles(reference, current)]:
            found.setdefault(effect.name, []).append((effect.value, effect.by_chance, effect.chance))
    for name, effects in found.items():
        value, by_chance, chance = np.array(effects).T
        assert value.mean() < 1.3 * by_chance.mean(), name
        assert (chance < 0.01).mean() <= 0.05, name


@given(
    st.lists(st.sampled_from("abcde") | st.none(), min_size=1, max_size=80),
    st.lists(st.sampled_from("abcdexy") | st.none(), min_size=1, max_size=80),
)
def test_all_effects_are_finite_and_none_is_below_0(before: list[str | None], after: list[str | None]) -> None:
    reference, current = WordProfile.of(Category.of(before)), WordProfile.of(Category.of(after))
    effects = [of_missing(reference, current)]
    if reference.counted and current.counted:
        bins = Bins.of_words(reference, current)
        assert bins.reference.sum() == pytest.approx(1.0)
        assert bins.current.sum() == pytest.approx(1.0)
        effects += [*of_bins(bins, len(before), len(after)), *of_new_words(reference, current)]
        new = sum(word in ("x", "y") or word not in before for word in after if word) / sum(
            word is not None for word in after
        )
        assert effects[-1].value == pytest.approx(new)
    for effect in effects:
        assert effect.value >= 0.0
        assert np.isfinite([effect.value, effect.by_chance]).all()
        assert 0.0 <= effect.chance <= 1.0


def test_of_a_reference_that_may_have_any_word_none_is_said_to_be_new() -> None:
    keys = WordProfile.of(Category.of([f"key {each}" for each in range(5_000)]))
    assert of_new_words(keys, WordProfile.of(Category.of(["another"] * 500))) == []


def test_words_that_occur_once_make_new_ones_less_remarkable() -> None:
    rare = WordProfile.of(Category.of(["a"] * 400 + [f"once {each}" for each in range(100)]))
    usual = WordProfile.of(Category.of(["a"] * 500))
    current = WordProfile.of(Category.of(["a"] * 400 + [f"other {each}" for each in range(100)]))
    ((often,), (never,)) = of_new_words(rare, current), of_new_words(usual, current)
    assert (often.value, never.value) == (0.2, 0.2)
    assert often.by_chance == pytest.approx(0.2, abs=0.01)
    assert often.chance > 0.5
    assert never.chance < 1e-100
