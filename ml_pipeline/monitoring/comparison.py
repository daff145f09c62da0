"""One column beside that of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ml_pipeline.config import Drift as Limits
from ml_pipeline.config import Levels
from ml_pipeline.data.column_profile import ColumnProfile
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.word_profile import WordProfile
from ml_pipeline.monitoring.bins import Bins
from ml_pipeline.monitoring.effects import Effect, of_bins, of_missing, of_new_words, of_quantiles
from ml_pipeline.monitoring.severity import SEVERITIES, Finding, Severity

CALLED = {
    "psi": "population stability index {:.2f}",
    "jensen_shannon": "Jensen-Shannon distance {:.2f}",
    "wasserstein": "Wasserstein distance {:.2f} standard deviations",
    "missing": "missing share changed by {:.1%}",
    "new": "{:.1%} of the rows have words that the reference does not have",
}


class Comparison(NamedTuple):
    """What was measured of a column, and in words where most of it lies and what was compared."""

    effects: list[Effect]
    where: str

    @classmethod
    def of(cls, reference: ColumnProfile, current: ColumnProfile) -> Comparison:
        """Of two columns of one kind, or of any where one has no value at all; both have rows.

        Moments move on, and of blocks no values are kept: of both, what is missing is compared alone.
        """
        effects, where = [of_missing(reference, current)], ""
        if isinstance(reference, WordProfile) and isinstance(current, WordProfile):
            more, where = _of_words(reference, current)
        elif isinstance(reference, NumberProfile) and isinstance(current, NumberProfile):
            more, where = _of_numbers(reference, current)
        else:
            more = []
        shares = [own.missing / own.rows for own in (reference, current)]
        where = where or "missing from {:.1%} to {:.1%} of the rows".format(*shares)
        return cls([*effects, *more], f"{where} ({current.rows:,} rows beside {reference.rows:,} of the reference)")

    def beside(self, column: str, usual: Mapping[tuple[str, str], float]) -> Comparison:
        """With what is usual in place of what chance gives, where that is less."""
        return self._replace(
            effects=[
                effect._replace(by_chance=max(effect.by_chance, usual.get((column, effect.name), 0.0)))
                for effect in self.effects
            ]
        )

    def judged(self, effects: Iterable[Effect], limits: Limits) -> Finding:
        """The worst of the effects, whose `chance` is that after looking at everything."""
        by_size = sorted(effects, key=lambda effect: -effect.beyond_chance / getattr(limits, effect.name).watch)
        found = [(_severity(effect, limits), effect) for effect in by_size]
        severity = max((own for own, _ in found), key=SEVERITIES.index)
        if severity == "ok":
            return Finding("ok", f"no drift, {CALLED[found[0][1].name].format(found[0][1].value)}.")
        told = [CALLED[effect.name].format(effect.value) for own, effect in found if own == severity]
        return Finding(severity, f"{', '.join(told)}; most of it: {self.where}.")


def _of_words(reference: WordProfile, current: WordProfile) -> tuple[list[Effect], str]:
    """Texts, most of which no list of words holds, are compared by their lengths."""
    if 2 * reference.unlisted > reference.counted:
        return _of_numbers(reference.lengths, current.lengths)
    if not reference.counted or not current.counted:
        return [], ""
    bins = Bins.of_words(reference, current)
    effects = of_bins(bins, reference.looked_at, current.looked_at)
    return [*effects, *of_new_words(reference, current)], bins.largest()


def _of_numbers(reference: NumberProfile, current: NumberProfile) -> tuple[list[Effect], str]:
    if not reference.is_seen or not current.is_seen:
        return [], ""
    bins = Bins.of_numbers(reference, current)
    effects = of_bins(bins, reference.looked_at, current.looked_at)
    return [*effects, *of_quantiles(reference, current)], bins.largest()


def _severity(effect: Effect, limits: Limits) -> Severity:
    levels: Levels = getattr(limits, effect.name)
    if effect.chance >= limits.alpha or effect.beyond_chance < levels.watch:
        return "ok"
    return "act" if effect.beyond_chance >= levels.act else "watch"
