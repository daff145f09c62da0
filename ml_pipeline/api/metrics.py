"""What Prometheus scrapes. Labels take few values, whatever callers ask for: patterns of routes, never paths.

Where a server has several workers, their counts are added up: each keeps its own in files of the folder that
`PROMETHEUS_MULTIPROC_DIR` names, and whichever is asked reads them all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ml_pipeline.api.monitoring_metrics import Monitored
from ml_pipeline.realtime.service import ScoringService

SHARED = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
"""Upper bounds of the histogram, s."""


class Metrics:
    """The counts of one application."""

    def __init__(self, services: Mapping[str, ScoringService], monitored: Monitored) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "ml_pipeline_request_seconds",
            "Time to answer, by route and status.",
            ["route", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.runs = Gauge(
            "ml_pipeline_runs",
            "Runs ordered here by state.",
            ["state"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.services, self.served, self.monitored = services, _Served(services), monitored
        own: dict[str, Any] = {"labelnames": ["use_case"], "registry": self.registry}
        self.scored = _Sampled(Counter("ml_pipeline_scored_rows", "Rows scored and kept.", **own))
        self.swaps = _Sampled(Counter("ml_pipeline_champion_swaps", "Times that another champion took over.", **own))
        self.waiting = Gauge(
            "ml_pipeline_rows_waiting", "Scored rows that are not stored yet.", multiprocess_mode="livesum", **own
        )
        self._known: dict[tuple[str, int], Histogram] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        series = self._known.get((route, status))
        if series is None:
            series = self._known[route, status] = self.requests.labels(route, str(status))
        series.observe(seconds)

    def sample(self) -> None:
        """Take over what the services have counted by themselves."""
        for name, own in self.services.items():
            self.scored.reached(name, own.journal.recorded)
            self.swaps.reached(name, own.follower.swaps)
            self.waiting.labels(name).set(own.journal.kept)

    def text(self) -> bytes:
        """All of it in the text format."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        own = CollectorRegistry()
        own.register(self.served)
        own.register(self.monitored)
        return generate_latest(registry) + generate_latest(own)


class _Sampled:
    """A counter of what somebody else counts."""

    def __init__(self, counter: Counter) -> None:
        self.counter, self.known = counter, dict[str, int]()

    def reached(self, name: str, total: int) -> None:
        """It is so many now."""
        self.counter.labels(name).inc(total - self.known.get(name, 0))
        self.known[name] = total


class _Served(Collector):
    """What each use case serves, asked at the moment of the scrape, so that former champions leave no series."""

    def __init__(self, services: Mapping[str, ScoringService]) -> None:
        self.services = services

    def collect(self) -> Iterator[Metric]:
        champion = GaugeMetricFamily(
            "ml_pipeline_champion", "1 for the model that is served.", labels=["use_case", "model_version"]
        )
        for name, own in self.services.items():
            champion.add_metric([name, own.champion or "none"], 1)
        yield champion
