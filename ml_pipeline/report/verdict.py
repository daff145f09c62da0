"""The top of the page: the question, the model, and whether it passed."""

from __future__ import annotations

from ml_pipeline.report.facts import Facts
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.words import moment, some

MOST = 40
"""Reasons that are listed; the rest is counted."""


def header(facts: Facts) -> Markup:
    """Question, model version, verdict with its reasons, and a warning where data are made up."""
    model = facts.model
    when = join([", as of ", tag("time", moment(model["as_of"]))]) if "as_of" in model else ""
    return tag(
        "header",
        tag("p", f"Model report · {facts.config.name}", class_="kind"),
        tag("h1", facts.config.question),
        tag("p", "Model ", tag("code", model.get("version", "")), f" ({model.get('model', '')})", when),
        judgement(facts),
        banner(facts),
    )


def synthetic(facts: Facts) -> list[str]:
    """The sources whose records are made up."""
    return sorted({*facts.model.get("synthetic", ()), *facts.metrics.get("synthetic", ())})


def judgement(facts: Facts) -> Markup:
    """Whether the gate let it pass, and why."""
    verdict = facts.metrics.get("verdict")
    if not verdict:
        return tag("p", "No verdict yet: this model has not been evaluated.", class_="verdict")
    passed = verdict["passed"]
    sentence = tag("p", tag("strong", "✓ Passed. " if passed else "✗ Not passed. "), _consequence(facts, passed))
    reasons = tag("ul", *(tag("li", reason) for reason in some(verdict["reasons"], MOST)))
    return tag("div", sentence, reasons, class_=f"verdict {'passed' if passed else 'failed'}")


def _consequence(facts: Facts, passed: bool) -> str:
    if not passed:
        return "It does not become champion of its own accord. The evidence:"
    manual = facts.config.promotion.policy == "manual"
    return (
        "A person decides whether it becomes champion. The evidence:"
        if manual
        else "It may become champion. The evidence:"
    )


def banner(facts: Facts) -> Markup:
    """A warning where data are made up."""
    sources = synthetic(facts)
    if not sources:
        return Markup()
    told = f" The records of {', '.join(sources)} are made up: nothing on this page says anything about the world."
    return join([tag("p", tag("strong", "SYNTHETIC DATA."), told, class_="synthetic", role="note")])
