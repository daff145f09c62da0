"""The model card (Mitchell et al. 2019, "Model cards for model reporting"): what it is for, and where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ml_pipeline.config import Split
from ml_pipeline.report import slices
from ml_pipeline.report.facts import Facts
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import interval, measured, plural
from ml_pipeline.report.words import meaning, moment, some, typical

MOST = 12
"""Slices that are named as weak; the rest is counted."""
UNSAID = "Not stated: card in pipeline.yaml is the place for it."


def section(facts: Facts) -> Markup:
    """A list of headings and what stands under each."""
    entries = {
        "Intended use": facts.config.card.intended_use or UNSAID,
        "Data": join(_data(facts)),
        "Label": join(_label(facts)),
        "Quality": _listed(_quality(facts)) or "Not measured yet.",
        "Known limits": _listed(_limits(facts)) or "None stated, and none found by measuring.",
    }
    return tag("dl", *(join([tag("dt", name), tag("dd", told)]) for name, told in entries.items()))


def plain(facts: Facts) -> dict[str, Any]:
    """The same as plain values, for card.yaml."""
    times = facts.profile.get(facts.config.time, {})
    return {
        "question": facts.config.question,
        "intended_use": facts.config.card.intended_use or UNSAID,
        "data": {
            "as_of": facts.model.get("as_of", ""),
            "went_on_from": facts.model.get("start", ""),
            "training_rows": facts.model.get("rows", 0),
            "from": times.get("first", ""),
            "to": times.get("last", ""),
            "test_rows": facts.metrics.get("rows", 0),
            "synthetic_sources": list(facts.model.get("synthetic", [])),
        },
        "label": facts.config.card.label or f"{facts.config.label}, as the use case's code defines it",
        "metrics": dict(facts.metrics.get("metrics", {})),
        "limits": [str(limit) for limit in _limits(facts)],
    }


def _listed(sentences: Iterator[str]) -> Markup:
    found = list(sentences)
    return tag("ul", *(tag("li", sentence) for sentence in found)) if found else Markup()


def _data(facts: Facts) -> Iterator[str]:
    if as_of := facts.model.get("as_of"):
        sources = ", ".join(facts.config.sources)
        yield join(["What was known as of ", tag("time", moment(as_of)), f", from {sources}. "])
    seen = facts.profile.get(facts.config.time, {})
    if "first" in seen:
        ends = (tag("time", seen[end][:10]) for end in ("first", "last"))
        yield join(
            ["In the training rows ", tag("code", facts.config.time), " is from ", next(ends), " to ", next(ends), ". "]
        )
    trained, judged = (plural(each.get("rows", 0), "row") for each in (facts.model, facts.metrics))
    learning = facts.config.learning
    if (start := facts.model.get("start")) and learning:
        yield join(["It went on from the model ", tag("code", start), ", whose rows are not counted here. "])
        yield f"{trained} taught it more, {judged} judged it: a share of {learning.test}, drawn by a hash of the key."
    else:
        yield f"{trained} trained it, {judged} judged it: {_split(facts.config.split)}."


def _split(split: Split) -> str:
    if split.by == "time":
        return f"those of the last {split.test}, after {split.validation} by which settings were chosen"
    return (
        f"a share of {split.test}, drawn by a hash of the key, as were {split.validation} by which settings were chosen"
    )


def _label(facts: Facts) -> Iterator[str]:
    label = tag("code", facts.config.label)
    yield facts.config.card.label or join([label, ", as the use case's code defines it."])
    if known := typical(facts.metrics, facts.metrics.get("classes", ())):
        yield join([" In the test rows ", label, f" is {known}."])


def _quality(facts: Facts) -> Iterator[str]:
    for name, metric in facts.metrics.get("metrics", {}).items():
        yield f"{meaning(name).name} {measured(metric)} (95 % interval {interval(metric)})"


def _limits(facts: Facts) -> Iterator[str]:
    """Those that people know, then those that were measured."""
    yield from facts.config.card.limits
    yield from some(slices.below_floor(facts.metrics, facts.config.evaluate), MOST)
    if weaker := slices.weaker(facts.metrics):
        verb = "Ranked" if slices.decides(facts.metrics) == "roc_auc" else "Predicted"
        yield f"{verb} clearly worse than all rows together: {', '.join(some(weaker, MOST))}."
    if small := len(slices.unjudged(facts.metrics)):
        yield f"{plural(small, 'slice')} could not be judged; they are listed under Slices."
    if note := facts.parameters.get("estimator", {}).get("fit", {}).get("note"):
        yield note
