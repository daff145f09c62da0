"""What monitoring found last, for Prometheus.

A thread asks the store now and then, and a scrape takes what is in memory: it waits for no store. Where the store is
away the values stay, and one gauge says how old they are.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import NamedTuple

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ml_pipeline.artifacts.registry import Model, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import FAULTS, PipelineError
from ml_pipeline.handlers import monitoring_summary
from ml_pipeline.handlers.monitoring_summary import Summary
from ml_pipeline.monitoring.severity import SEVERITIES

SECONDS = 30.0
"""Between two looks at the store. Monitoring runs once a day or so."""
log = logging.getLogger("ml_pipeline.api")

SEVERITY = "Severity of the last run of monitoring: " + ", ".join(f"{at} {name}" for at, name in enumerate(SEVERITIES))
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ml_pipeline_monitoring_severity": (f"{SEVERITY}.", ()),
    "ml_pipeline_monitoring_age_seconds": ("Since the last run of monitoring ended.", ()),
    "ml_pipeline_monitoring_stale_seconds": ("Since the store last told what monitoring found.", ()),
    "ml_pipeline_champion_age_seconds": ("Since the moment as of which the champion was trained.", ()),
    "ml_pipeline_live_metric": (
        "The metric that decides, as truth has come, with its 95 % interval.",
        ("model_version", "metric", "bound"),
    ),
    "ml_pipeline_truth_coverage": ("Share of the predictions whose truth is known.", ("model_version",)),
    "ml_pipeline_drifted_columns": ("Columns that drifted in the last run of monitoring.", ("severity",)),
}
"""What each says, and its labels besides the use case."""


class Seen(NamedTuple):
    """What the store told of a use case, and when, on the monotonic clock; `key` is that of the summary."""

    at: float
    key: str = ""
    summary: Summary | None = None
    champion: Model | None = None


class Monitored(Collector):
    """The last summary and the champion of each use case."""

    def __init__(self, names: list[str], store: str) -> None:
        self.rooms = {name: Store(store).within(name) for name in names}
        began = time.monotonic()
        self.seen = {name: Seen(began) for name in names}
        self.trouble, self.stopped = dict[str, str](), Event()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Look at the store again and again."""
        Thread(target=self._follow, name="monitoring metrics", daemon=True).start()
        try:
            yield
        finally:
            self.stopped.set()

    def look(self) -> None:
        """Take over what is newest; of a use case whose part of the store cannot be read all stays as it was."""
        for name, room in self.rooms.items():
            try:
                self.seen[name] = _seen(room, self.seen[name])
            except (PipelineError, *FAULTS) as error:
                self._say(name, str(error))
            else:
                self.trouble.pop(name, None)

    def collect(self) -> Iterator[Metric]:
        """All that is known, as of now."""
        made = {
            name: GaugeMetricFamily(name, says, labels=["use_case", *more]) for name, (says, more) in GAUGES.items()
        }
        for use_case, seen in list(self.seen.items()):
            for name, labels, value in _values(seen):
                made[name].add_metric([use_case, *labels], value)
        yield from made.values()

    def _say(self, name: str, why: str) -> None:
        """Once, until it is another trouble."""
        if self.trouble.get(name) != why:
            log.warning("what monitoring found of %s cannot be read: %s", name, why)
        self.trouble[name] = why

    def _follow(self) -> None:
        while True:
            self.look()
            if self.stopped.wait(SECONDS):
                return


def _seen(room: Store, before: Seen) -> Seen:
    """Only what is newer than what was known is listed, and the champion is read once."""
    is_there = before.key and room.exists(before.key)
    key = monitoring_summary.newest(room, before.key if is_there else "")
    summary = monitoring_summary.read(room, key) if key else None
    registry = Registry(room)
    version, champion = registry.champion(), before.champion
    if not champion or champion.version != version:
        champion = registry.model(version) if version else None
    return Seen(time.monotonic(), key, summary, champion)


def _values(seen: Seen) -> Iterator[tuple[str, list[str], float]]:
    """Name, labels besides the use case, and value."""
    yield "ml_pipeline_monitoring_stale_seconds", [], time.monotonic() - seen.at
    if seen.champion:
        yield "ml_pipeline_champion_age_seconds", [], _age(dt.datetime.fromisoformat(seen.champion.as_of))
    if not (summary := seen.summary):
        return
    yield "ml_pipeline_monitoring_severity", [], SEVERITIES.index(summary.severity)
    yield "ml_pipeline_monitoring_age_seconds", [], _age(summary.finished)
    for version, own in summary.models.items():
        if own.predicted:
            yield "ml_pipeline_truth_coverage", [version], own.known / own.predicted
        for bound, value in own.value.items():
            yield "ml_pipeline_live_metric", [version, own.metric, bound], math.nan if value is None else value
    for severity, count in summary.drifted.items():
        yield "ml_pipeline_drifted_columns", [severity], count


def _age(moment: dt.datetime) -> float:
    return time.time() - moment.timestamp()
