"""The page of a monitoring run: whether to worry, and what the days were like."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.models.metric import Metric, known
from ml_pipeline.monitoring.drift import Drift
from ml_pipeline.monitoring.severity import SEVERITIES, Finding, Severity, worst
from ml_pipeline.monitoring.visit import Visit
from ml_pipeline.report import by_day, data_table, drift_table, slices
from ml_pipeline.report.document import document
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, interval, measured, plural
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning, moment, some

HEADLINES: Mapping[Severity, str] = {
    "ok": "✓ Nothing to do. ",
    "not enough data": "… Too early to tell. ",
    "watch": "! Keep an eye on it. ",
    "not comparable": "? Something is not what it was. ",
    "act": "✗ Act. ",
}
KINDS: Mapping[Severity, str] = {"ok": "passed", "act": "failed"}
MOST_FINDINGS, MOST_DAYS = 40, 60


class Watched(NamedTuple):
    """What a monitoring run found; all plain values.

    `days` are the lines of the dataset `performance`, `now` by model version what all days together are worth, `then`
    their metrics.yaml, `decides` the metric by which models are compared; `visits` tell of the data that
    were scored, and `drifts` how far each of what the dataset `health` names has drifted. `series` is what several
    champions together are worth, and what their test rows had promised.
    """

    config: UseCaseConfig
    as_of: str
    findings: Sequence[Finding]
    days: Sequence[by_day.Day]
    now: Mapping[str, Mapping[str, Any]]
    then: Mapping[str, Mapping[str, Any]]
    decides: str
    visits: Sequence[Visit] = ()
    drifts: Mapping[str, Drift] = MappingProxyType({})
    synthetic: Sequence[str] = ()
    series: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None


def render(watched: Watched) -> str:
    """The page; the same facts give the same text."""
    sections = {
        "Day by day": _days(watched),
        "Models": _models(watched),
        "Data": data_table.section(watched.visits),
        "Drift": drift_table.section(watched.drifts),
        "Numbers": _numbers(watched),
    }
    return document(f"{watched.config.name} monitoring", _header(watched), sections)


def _header(watched: Watched) -> Markup:
    severity = worst(watched.findings)
    urgent = sorted(watched.findings, key=lambda own: -SEVERITIES.index(own.severity))
    found = [f"{own.severity}: {own.sentence}" for own in urgent]
    when = join([", as of ", tag("time", moment(watched.as_of))])
    return tag(
        "header",
        tag("p", f"Monitoring · {watched.config.name}", class_="kind"),
        tag("h1", watched.config.question),
        tag("p", "What was predicted, and what has become true since", when),
        tag(
            "div",
            tag("p", tag("strong", HEADLINES[severity]), "What was found:"),
            tag("ul", *(tag("li", text) for text in some(found, MOST_FINDINGS))),
            class_=f"verdict {KINDS.get(severity, '')}".rstrip(),
        ),
        *_banner(watched),
    )


def _banner(watched: Watched) -> Iterable[Markup]:
    if watched.synthetic:
        told = f" The records of {', '.join(watched.synthetic)} are made up."
        yield tag("p", tag("strong", "SYNTHETIC DATA."), told, class_="synthetic", role="note")


def _days(watched: Watched) -> Markup:
    if not watched.days:
        return tag("p", "Nothing was predicted by a model that is still stored.")
    then = [watched.series[1]] if watched.series else watched.then.values()
    promised = [own["metrics"][watched.decides] for own in then if known(watched.decides, own.get("metrics", {}))]
    return by_day.figures(watched.days, watched.decides, promised)


def _models(watched: Watched) -> Markup:
    """Each by itself; where champions followed one another, what they served together, and a line for each."""
    if not watched.series:
        return join(_model(watched, version) for version in watched.now)
    return join([_judged(watched, "All champions", *watched.series), _lines(watched)])


def _model(watched: Watched, version: str) -> Markup:
    if not (now := watched.now[version]):
        return tag("p", tag("code", version), ": not enough of its predictions have come true or not.")
    return _judged(watched, version, now, watched.then.get(version, {}))


def _lines(watched: Watched) -> Markup:
    """Models by the last day that they predicted, the newest first."""
    name = watched.decides
    last = {day["model_version"]: day["day"] for day in sorted(watched.days, key=lambda day: str(day["day"]))}
    rows = [Row(version, _line(watched, version)) for version in sorted(last, key=lambda one: last[one], reverse=True)]
    columns = ("Model", "Days", "Predicted", "Known", f"{meaning(name).name}, came true", "Test rows")
    return table("Models, the newest first", columns, rows)


def _line(watched: Watched, version: str) -> list[str]:
    own = [day for day in watched.days if day["model_version"] == version]
    counts = [f"{sum(day[name] for day in own):,.0f}" for name in ("predicted", "known")]
    found = (watched.now.get(version, {}), watched.then.get(version, {}))
    metrics = [one.get("metrics", {}).get(watched.decides) for one in found]
    return [f"{len(own)}", *counts, *(_value(one) if one else NONE for one in metrics)]


def _judged(watched: Watched, version: str, now: Mapping[str, Any], then: Mapping[str, Any]) -> Markup:
    """What became true beside what was promised, then by slice."""
    promised = then.get("metrics", {})
    rows = [
        Row(meaning(name).name, [_value(own), _value(promised[name]) if name in promised else NONE])
        for name, own in now["metrics"].items()
    ]
    caption = f"{version}: {plural(now['rows'], 'row')} that came true, beside test rows"
    parts = [table(caption, ("Metric", "Came true", "Test rows"), rows)]
    return join([*parts, slices.section(now, watched.config.evaluate)] if now.get("slices") else parts)


def _value(metric: Metric) -> Markup:
    """The value, and its interval below it."""
    return join([NONE]) if math.isnan(metric["value"]) else join([measured(metric), tag("small", interval(metric))])


def _numbers(watched: Watched) -> Markup:
    """The plots as a table, the newest days first."""
    name = watched.decides
    newest = sorted(watched.days, key=lambda day: (day["day"], day["model_version"]), reverse=True)[:MOST_DAYS]
    rows = [
        Row(by_day.date(day), [day["model_version"], *_counts(day), day["state"], _value(by_day.metric(day, name))])
        for day in newest
    ]
    return table("Days, the newest first", ("Day", "Model", "Predicted", "Known", "State", meaning(name).name), rows)


def _counts(day: by_day.Day) -> list[str]:
    return [f"{day[name]:,.0f}" for name in ("predicted", "known")]
