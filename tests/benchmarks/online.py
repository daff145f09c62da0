"""Online scoring beside its limit and its peers under load, in one run: what `make bench-online` does.

    python -m tests.benchmarks.online [--seconds 3] [--rounds 3] [--folder .ml-pipeline/bench/online]

The product trains a model of 20 numbers and 5 categories; its peers get the same coefficients. All answer the same
records with the same probabilities before anything is measured. Then wrk puts load on one after the other, in rounds:
one row and 100 rows a request, at 1 and 8 connections, with one worker and with one for each core. All servers are
there throughout, idle but for the one that is asked; wrk and the server share the cores. The product keeps what it
scores, as it always does; its peers keep nothing. Raw figures are left in the folder as JSON, tables as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.benchmarks import online_bodies, online_model
from tests.benchmarks.bench import machine
from tests.benchmarks.online_contenders import CONTENDERS, OURS, PEERS, ROOT, SERVERS, Contender, Place
from tests.benchmarks.online_figures import MANY, Case, Figures, Swapped, tables
from tests.benchmarks.online_load import MISSING, Load, is_there, load
from tests.benchmarks.online_model import FLIGHTS, Learnt, Record, Trained
from tests.benchmarks.online_server import Server, at_work

ALIKE = 1e-9
"""How far two probabilities of the same record may be apart."""
EVERY = 2.0
"""Seconds between two promotions under load."""
WARM = 1.0
"""Seconds of load before the first round."""


class Site(NamedTuple):
    """The folder of a run, the model in it, and the records that are sent, by use case."""

    folder: Path
    trained: Trained
    records: dict[str, list[Record]]

    @property
    def models(self) -> Path:
        """Where the peers' are."""
        return self.folder / "models"

    def place(self, server: str, workers: int) -> Place:
        """What a server finds."""
        return Place(self.trained.store, self.models, self.folder / f"{server.replace(' ', '-')}-{workers}")

    def bodies(self, contender: Contender, rows: int) -> Path:
        """The requests that a contender is sent."""
        return self.folder / f"{contender.path.strip('/').replace('/', '-') or contender.words.__name__}-{rows}.jsonl"


def main(words: list[str]) -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description="Online scoring beside its limit and its peers, under load.")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, for each contender and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=online_model.ROWS, help="events that the model learns from")
    parser.add_argument("--only", nargs="*", default=list(SERVERS), choices=list(SERVERS), metavar="SERVER")
    parser.add_argument("--folder", type=Path, default=ROOT / ".ml-pipeline/bench/online")
    asked = parser.parse_args(words)
    if not is_there():
        sys.exit(MISSING)
    site = prepared(asked.folder, asked.only, asked.rows)
    figures = measured(site, asked.only, asked.rounds, asked.seconds)
    text = f"## Online scoring\n\n{tables(figures)}"
    print(f"\n{text}", flush=True)
    (asked.folder / "online.md").write_text(text)
    (asked.folder / "online.json").write_bytes(msgspec.json.format(msgspec.json.encode(_raw(figures)), indent=1))


def prepared(folder: Path, servers: Sequence[str], rows: int = online_model.ROWS) -> Site:
    """Train, tell the peers, and write all requests; anew each time."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    trained = online_model.train(folder, rows)
    records = {online_model.USE_CASE: online_model.records(trained.learnt)}
    if f"{OURS} {FLIGHTS}" in servers:
        online_model.train_flights(trained.store)
        records[FLIGHTS] = online_model.flights(trained.store)
    site = Site(folder, trained, records)
    for contender in _chosen(servers):
        for count in online_bodies.BODIES:
            file, own = site.bodies(contender, count), records[contender.records]
            online_bodies.write(file, contender.words, trained.learnt, own, count)
    if any(contender.kind == "peer" for contender in _chosen(servers)):
        _tell_peers(site)
    return site


def measured(site: Site, servers: Sequence[str], rounds: int, seconds: float) -> Figures:
    """All cases; then the product alone, while models take each other's place."""
    rounded: dict[Case, dict[str, list[Load]]] = {}
    memory: dict[int, dict[str, int]] = {}
    missing: dict[str, str] = {}
    for workers in sorted({1, len(os.sched_getaffinity(0))}):
        with ExitStack() as stack:
            running = _started(stack, site, servers, workers, missing)
            chosen = _chosen(running)
            check(site, chosen, running)
            for rows in online_bodies.BODIES:
                for connections in (1, MANY):
                    case = Case(workers, rows, connections)
                    rounded[case] = _rounds(site, chosen, running, case, rounds, seconds)
            memory[workers] = {name: server.memory() for name, server in running.items()}
    return Figures(rounded, memory, swapped(site, max(3 * seconds, 3 * EVERY)) if OURS in servers else None, missing)


def check(site: Site, contenders: Sequence[Contender], running: dict[str, Server]) -> None:
    """That all give the same probabilities to the same records.

    Raises:
        AssertionError: one does not, or refuses.
    """
    for contender in contenders:
        for rows in online_bodies.BODIES:
            body = site.bodies(contender, rows).read_bytes().splitlines()[0]
            answer = json.loads(running[contender.server].ask(contender.path, body))
            if contender.reads:
                _alike(
                    contender.name, contender.reads(answer), site.records[contender.records][:rows], site.trained.learnt
                )


def swapped(site: Site, seconds: float) -> Swapped:
    """The product alone: calm, then with a promotion again and again."""
    (contender,) = (own for own in CONTENDERS if own.name == OURS)
    with at_work(contender.server, site.place(f"{OURS}-swapped", 1), 1) as server:
        url, bodies = server.url(contender.path), site.bodies(contender, 1)
        load(url, bodies, MANY, WARM)
        calm = load(url, bodies, MANY, seconds)
        stop, promoted = threading.Event(), [0]
        swaps = threading.Thread(target=_swap, args=(site.trained, stop, promoted))
        swaps.start()
        try:
            swapping = load(url, bodies, MANY, seconds)
        finally:
            stop.set()
            swaps.join()
    return Swapped(calm, swapping, promoted[0])


def _swap(trained: Trained, stop: threading.Event, promoted: list[int]) -> None:
    """Promote one, then the other, until told to stop."""
    while not stop.wait(EVERY if promoted[0] else EVERY / 2):
        promoted[0] += 1
        trained.promote(trained.versions[promoted[0] % 2])


def _started(
    stack: ExitStack, site: Site, servers: Sequence[str], workers: int, missing: dict[str, str]
) -> dict[str, Server]:
    """All servers that can be; why the others cannot is said and kept."""
    running: dict[str, Server] = {}
    for name in servers:
        try:
            running[name] = stack.enter_context(at_work(name, site.place(name, workers), workers))
        except (RuntimeError, FileNotFoundError) as error:
            missing[name] = str(error).splitlines()[0]
            print(error, file=sys.stderr)
    return running


def _rounds(
    site: Site, contenders: Sequence[Contender], running: dict[str, Server], case: Case, rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """The contenders in turn; a first turn, for what is made at the first request, does not count."""
    found: dict[str, list[Load]] = {contender.name: [] for contender in contenders}
    for turn in range(rounds + 1):
        for own in contenders:
            url, bodies = running[own.server].url(own.path), site.bodies(own, case.rows)
            one = load(url, bodies, case.connections, seconds if turn else WARM)
            if turn:
                found[own.name].append(one)
                print(
                    f"{case.title:45}{own.name:32}{one.rate:9,.0f}/s {one.p50:8.3f} {one.p99:8.3f} ms", file=sys.stderr
                )
    return found


def _alike(name: str, found: list[float], sent: Sequence[Record], learnt: Learnt) -> None:
    expected = [learnt.probability(record) for record in sent]
    apart = max((abs(a - b) for a, b in zip(found, expected, strict=True)), default=float("inf"))
    if apart > ALIKE:
        raise AssertionError(f"{name} answers otherwise, by up to {apart:.2g}: {found[:3]}, not {expected[:3]}")


def _chosen(servers: Sequence[str] | dict[str, Server]) -> list[Contender]:
    return [contender for contender in CONTENDERS if contender.server in servers]


def _tell_peers(site: Site) -> None:
    """The coefficients as models of scikit-learn, made in the peers' own environment."""
    told = site.folder / "coefficients.json"
    told.write_bytes(msgspec.json.encode(site.trained.learnt))
    command = [str(PEERS / "python"), "-m", "tests.benchmarks.online_peers.exported", str(told), str(site.models)]
    subprocess.run(command, cwd=ROOT, check=True)


def _raw(figures: Figures) -> dict[str, Any]:
    rounds = [
        {**case._asdict(), "contender": name, "rounds": [one._asdict() for one in loads]}
        for case, own in figures.rounds.items()
        for name, loads in own.items()
    ]
    swap = figures.swapped
    told = (
        {"calm": swap.calm._asdict(), "swapping": swap.swapping._asdict(), "promotions": swap.promotions}
        if swap
        else None
    )
    memory = {str(workers): own for workers, own in figures.memory.items()}
    return {"machine": machine(), "rounds": rounds, "memory": memory, "swapped": told, "missing": figures.missing}


if __name__ == "__main__":
    main(sys.argv[1:])
