"""What was measured under load, and what it is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal, NamedTuple

from tests.benchmarks.online_contenders import CONTENDERS, ECHO, ECHO_FEATURES, OURS, REAL, SERVE, Contender
from tests.benchmarks.online_load import Load
from tests.benchmarks.table import MISSING, markdown

MLSERVER, BENTOML = "MLServer", "BentoML"
FEW, MANY = 1, 8
"""Connections."""
Measure = Literal["rate", "p50", "p99"]
TIMES: tuple[Measure, Measure] = ("p50", "p99")


class Case(NamedTuple):
    """What all contenders are measured at."""

    workers: int
    rows: int
    connections: int

    @property
    def title(self) -> str:
        """In words."""
        counted = ((self.rows, "row", "a request"), (self.connections, "connection", ""), (self.workers, "worker", ""))
        return ", ".join(f"{count} {noun}{'s' * (count > 1)} {more}".strip() for count, noun, more in counted)


class Swapped(NamedTuple):
    """Load on the product in calm, and while one model takes another's place again and again."""

    calm: Load
    swapping: Load
    promotions: int


class Figures(NamedTuple):
    """The rounds by case and contender, peak bytes of all processes by workers and server, and the swap."""

    rounds: Mapping[Case, Mapping[str, Sequence[Load]]]
    memory: Mapping[int, Mapping[str, int]]
    swapped: Swapped | None = None
    missing: Mapping[str, str] = {}

    def middle(self, case: Case, name: str, what: Measure) -> float:
        """The middle one of the rounds; NaN where there is none."""
        loads = self.rounds.get(case, {}).get(name, ())
        return median(float(getattr(load, what)) for load in loads) if loads else float("nan")

    def rate(self, case: Case, name: str) -> float:
        """Requests a second."""
        return self.middle(case, name, "rate")

    def best(self, case: Case, server: str) -> float:
        """Requests a second of a peer, asked in the way in which it answers most of them."""
        rates = [self.rate(case, own.name) for own in CONTENDERS if own.server == server]
        return max((rate for rate in rates if rate == rate), default=float("nan"))

    def worker(self, server: str, workers: int) -> float:
        """Megabytes of a server's processes, shared by its workers."""
        return self.memory.get(workers, {}).get(server, float("nan")) / workers / 1e6


class Target(NamedTuple):
    """What is aimed at: at least, or at most, so much."""

    aim: str
    limit: float
    least: bool
    found: float
    note: str = ""

    @property
    def outcome(self) -> str:
        """Met, missed, or not measured."""
        if self.found != self.found:
            return "not measured"
        return "met" if (self.found >= self.limit if self.least else self.found <= self.limit) else "missed"


def tables(figures: Figures) -> str:
    """A table for each case, then one of all targets."""
    parts = [
        f"### {case.title[0].upper()}{case.title[1:]}\n\n{markdown(table(figures, case))}" for case in figures.rounds
    ]
    missing = "".join(f"\n{server} was not measured: {why}\n" for server, why in figures.missing.items())
    return "\n".join([*parts, f"### Aimed at\n\n{markdown(judged(targets(figures)))}{missing}"])


def table(figures: Figures, case: Case) -> list[list[str]]:
    """Header and one line per contender, the quickest first."""
    header = ["contender", "requests/s", "p50 ms", "p99 ms", "failed", "× best MLServer", "MB a worker"]
    measured = [own for own in CONTENDERS if figures.rounds[case].get(own.name)]
    lines = sorted(measured, key=lambda own: (own.kind != "limit", -figures.rate(case, own.name)))
    return [header, *(_line(figures, case, own) for own in lines)]


def judged(aims: Iterable[Target]) -> list[list[str]]:
    """Each target with what was found."""
    lines = [[own.aim, _aimed(own), f"{own.found:.3g}", own.outcome, own.note] for own in aims]
    return [["target", "aimed at", "found", "outcome", ""], *lines]


def targets(figures: Figures) -> list[Target]:
    """Those of the design, each with what was found."""
    cores = max(figures.memory, default=1)
    return [
        *(_ratio(figures, Case(1, 1, many), MLSERVER, 5.0) for many in (FEW, MANY)),
        *(_ratio(figures, Case(1, 1, many), BENTOML, 10.0) for many in (FEW, MANY)),
        *(_ratio(figures, Case(1, 100, many), MLSERVER, 3.0) for many in (FEW, MANY)),
        *(_serve(figures, Case(1, 1, many)) for many in (FEW, MANY)),
        *_times(figures),
        _workers(figures, cores),
        *_memory(figures, cores),
        *(_swap(figures.swapped) if figures.swapped else ()),
    ]


def _line(figures: Figures, case: Case, own: Contender) -> list[str]:
    loads = figures.rounds[case][own.name]
    rate, best = figures.rate(case, own.name), figures.best(case, MLSERVER)
    times = [f"{figures.middle(case, own.name, what):.3g}" for what in TIMES]
    failed, memory = sum(load.failed for load in loads), figures.worker(own.server, case.workers)
    return [own.name, f"{rate:,.0f}", *times, f"{failed:,}", _known(rate / best), _known(memory)]


def _known(value: float) -> str:
    return f"{value:.3g}" if value == value else MISSING


def _aimed(own: Target) -> str:
    return f"{'≥' if own.least else '≤'} {own.limit:g}"


def _ratio(figures: Figures, case: Case, peer: str, limit: float) -> Target:
    ours, theirs = figures.rate(case, OURS), figures.best(case, peer)
    return Target(f"× {peer}: {case.title}", limit, True, ours / theirs, f"{ours:,.0f} against {theirs:,.0f}")


def _serve(figures: Figures, case: Case) -> Target:
    ours, echo = figures.rate(case, SERVE), figures.rate(case, ECHO_FEATURES)
    return Target(f"serve alone × echo: {case.title}", 0.6, True, ours / echo, f"{ours:,.0f} against {echo:,.0f}")


def _times(figures: Figures) -> list[Target]:
    """Milliseconds. Eight connections wait for one another: at eight the echo's own are beside them."""
    asked: tuple[tuple[Measure, int, float], ...] = (("p50", FEW, 0.6), ("p50", MANY, 0.6), ("p99", MANY, 4.0))
    found = []
    for what, connections, limit in asked:
        case = Case(1, 1, connections)
        ours, echo = (figures.middle(case, name, what) for name in (OURS, ECHO))
        found.append(Target(f"{what} ms: {case.title}", limit, False, ours, f"echo {echo:.3g}"))
    return found


def _workers(figures: Figures, cores: int) -> Target:
    """Of all cores, which the load shares with the workers."""
    ours, echo = (
        figures.rate(Case(cores, 1, MANY), name) / figures.rate(Case(1, 1, MANY), name) for name in (OURS, ECHO)
    )
    return Target(f"{cores} workers × one", 1.7, True, ours, f"echo {echo:.2f}: wrk needs a part of the cores")


def _memory(figures: Figures, cores: int) -> list[Target]:
    servers = {own.name: own.server for own in CONTENDERS}
    return [
        Target(
            f"MB a worker: {name}, {count} worker{'s' * (count > 1)}",
            120.0,
            False,
            figures.worker(servers[name], count),
        )
        for name in (OURS, REAL)
        for count in (1, cores)
    ]


def _swap(swapped: Swapped) -> list[Target]:
    calm, own = swapped.calm, swapped.swapping
    note = f"{swapped.promotions} promotions in {own.seconds:.0f} s, {own.requests:,} requests"
    return [
        Target("promotion under load: failed requests", 0.0, False, float(own.failed), note),
        Target(
            "promotion under load: p99 × the calm one",
            3.0,
            False,
            own.p99 / calm.p99,
            f"{own.p99:.3g} against {calm.p99:.3g} ms",
        ),
    ]
