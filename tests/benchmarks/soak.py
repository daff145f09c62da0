"""Online scoring under constant load while models take each other's place: what `make soak` does.

    python -m tests.benchmarks.soak [--seconds 300] [--every 5] [--rate 400] [--workers 1]

Two versions of one model are promoted in turn, by an entry in the promotion log as every promotion is. Each connection
sends a record at its fixed times and keeps what became of it. Then it is judged: that no request failed; that every
answer came from a version that was champion less than two seconds before it was asked for, or later; that memory is
flat; that answers near a promotion take no longer than others; and that the store holds every row that was answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import REALTIME, StageResult
from tests.benchmarks import online_model
from tests.benchmarks.online_contenders import OURS, ROOT, Place
from tests.benchmarks.online_figures import Target, judged
from tests.benchmarks.online_model import USE_CASE, Trained
from tests.benchmarks.online_server import PATIENCE, Server, at_work
from tests.benchmarks.table import markdown

PATH = f"/{USE_CASE}/online/serve"
HEADERS = {"Content-Type": "application/json"}
CONNECTIONS = 8
LATEST = 2.0
"""Seconds after a promotion in which the model before it may still answer, and which count as near it."""
WARM = 0.2
"""The share of the time in which memory may still grow: what is imported at first use, and buffers."""
GROWTH = 1.05
"""Memory at the end, in the line that fits it, beside that after the warm-up: more than noise."""


class Sent(NamedTuple):
    """A request, by the seconds of one clock: when it began and ended, and the version that answered, "" if none."""

    began: float
    ended: float
    version: str


class Promoted(NamedTuple):
    """A promotion: the version, and the seconds between which it came into the log."""

    version: str
    began: float
    ended: float


class Weight(NamedTuple):
    """Resident bytes of all processes at a second."""

    at: float
    bytes: int


class Seen(NamedTuple):
    """What a soak left; `stored` are the rows of predictions in the store, after the server has ended."""

    sent: Sequence[Sent]
    promoted: Sequence[Promoted]
    weights: Sequence[Weight]
    stored: int


class Soak(NamedTuple):
    """How long, how often, how much."""

    seconds: float
    every: float
    rate: float
    workers: int


def main(words: list[str]) -> None:
    """Soak, judge, print."""
    parser = argparse.ArgumentParser(description="Constant load with promotions.")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between promotions")
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / ".ml-pipeline/bench/soak")
    asked = parser.parse_args(words)
    shutil.rmtree(asked.folder, ignore_errors=True)
    trained = online_model.train(asked.folder)
    seen = soaked(trained, asked.folder, Soak(asked.seconds, asked.every, asked.rate, asked.workers))
    targets = aims(seen)
    text = f"## Soak\n\n{summary(seen)}\n\n{markdown(judged(targets))}"
    print(f"\n{text}")
    (asked.folder / "soak.md").write_text(text)
    sys.exit(any(own.outcome == "missed" for own in targets))


def soaked(trained: Trained, folder: Path, soak: Soak) -> Seen:
    """The server under load, from its first request until it has ended."""
    bodies = [json.dumps(record).encode() for record in online_model.records(trained.learnt)]
    with at_work(OURS, Place(trained.store, folder, folder / "server"), soak.workers) as server:
        promoted = [Promoted(trained.versions[0], 0.0, 0.0)]
        weights: list[Weight] = []
        end = time.monotonic() + soak.seconds
        beside = [
            threading.Thread(target=_promote, args=(trained, promoted, end, soak.every)),
            threading.Thread(target=_weigh, args=(server, weights, end)),
        ]
        for thread in beside:
            thread.start()
        with ThreadPoolExecutor(CONNECTIONS) as senders:
            pause = CONNECTIONS / soak.rate
            found = list(
                senders.map(lambda own: _send(server.port, bodies[own::CONNECTIONS], end, pause), range(CONNECTIONS))
            )
        for thread in beside:
            thread.join()
    return Seen([one for own in found for one in own], promoted, weights, stored(trained.store))


def aims(seen: Seen) -> list[Target]:
    """What is aimed at, with what was found."""
    good = [one for one in seen.sent if one.version]
    calm, near = (_slow([one for one in good if is_near(one, seen.promoted) == by]) for by in (False, True))
    start, last, growth = flatness(seen.weights)
    megabytes = f"{start / 1e6:.1f} MB after the warm-up, {last / 1e6:.1f} at the end"
    return [
        Target("failed requests", 0.0, False, float(len(seen.sent) - len(good)), f"of {len(seen.sent):,}"),
        Target("answers of a model that was not champion", 0.0, False, float(len(stale(good, seen.promoted)))),
        Target("memory at the end × after the warm-up", GROWTH, False, growth, megabytes),
        Target("p99 near a promotion × the calm one", 3.0, False, near / calm, f"{near:.3g} against {calm:.3g} ms"),
        Target("rows answered and not stored", 0.0, False, float(len(good) - seen.stored), f"{seen.stored:,} stored"),
    ]


def summary(seen: Seen) -> str:
    """In a sentence."""
    times = [one.ended - one.began for one in seen.sent if one.version]
    middle = 1000 * float(np.median(times)) if times else float("nan")
    lasted = max(one.ended for one in seen.sent) - min(one.began for one in seen.sent)
    return (
        f"{len(seen.sent):,} requests in {lasted:.0f} s over {CONNECTIONS} connections, "
        f"{len(seen.promoted) - 1} promotions; median {middle:.3g} ms."
    )


def stale(sent: Sequence[Sent], promoted: Sequence[Promoted]) -> list[Sent]:
    """Answers of a version that was not champion at any moment from two seconds before the request to its end."""
    gone = [*(own.ended for own in promoted[1:]), float("inf")]
    reigns = [(own.version, own.began, until) for own, until in zip(promoted, gone, strict=True)]
    return [one for one in sent if not any(_reigned(one, *reign) for reign in reigns)]


def is_near(one: Sent, promoted: Sequence[Promoted]) -> bool:
    """Whether any of its time was within two seconds after a promotion."""
    return any(own.began <= one.ended and one.began <= own.ended + LATEST for own in promoted[1:])


def flatness(weights: Sequence[Weight]) -> tuple[float, float, float]:
    """Bytes at both ends of the line that fits memory after the warm-up best, and their ratio."""
    if len(weights) < 3:
        return float("nan"), float("nan"), float("nan")
    began, ended = weights[0].at, weights[-1].at
    late = [own for own in weights if own.at >= began + WARM * (ended - began)]
    slope, level = np.polyfit([own.at - began for own in late], [float(own.bytes) for own in late], 1)
    first, last = (level + slope * (own.at - began) for own in (late[0], late[-1]))
    return float(first), float(last), float(last / first)


def stored(uri: str) -> int:
    """Rows of predictions that real-time scoring left in the store."""
    room = Store(uri).within(USE_CASE)
    keys = [key for key in room.keys("runs/") if key.startswith(f"runs/{REALTIME}")]
    results = [msgspec.json.decode(room.get(key), type=StageResult) for key in keys]
    return sum(open_dataset(room, own.key).manifest.rows for result in results for own in result.artifacts)


def _slow(sent: Sequence[Sent]) -> float:
    """Milliseconds within which 99 of 100 were answered; NaN of none."""
    return float(np.percentile([1000 * (one.ended - one.began) for one in sent], 99)) if sent else float("nan")


def _reigned(one: Sent, version: str, since: float, until: float) -> bool:
    return one.version == version and since <= one.ended and one.began - LATEST <= until


def _send(port: int, bodies: Sequence[bytes], end: float, pause: float) -> list[Sent]:
    """Over one connection, a request at each of its times, and a new connection where one is lost."""
    found: list[Sent] = []
    at = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    while (now := time.monotonic()) < end:
        version = _asked(connection, bodies[len(found) % len(bodies)])
        found.append(Sent(now, time.monotonic(), version))
        at = max(at + pause, now)
        time.sleep(max(at - time.monotonic(), 0.0))
    connection.close()
    return found


def _asked(connection: http.client.HTTPConnection, body: bytes) -> str:
    """The version that answered, "" where none did."""
    try:
        connection.request("POST", PATH, body, HEADERS)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()
        return ""
    return str(content["model_version"]) if answer.status == 200 and content["predictions"] else ""


def _promote(trained: Trained, promoted: list[Promoted], end: float, every: float) -> None:
    """One, then the other, again and again."""
    while time.monotonic() + every < end:
        time.sleep(every)
        version, began = trained.versions[len(promoted) % 2], time.monotonic()
        trained.promote(version)
        promoted.append(Promoted(version, began, time.monotonic()))


def _weigh(server: Server, weights: list[Weight], end: float) -> None:
    """Once a second."""
    while (now := time.monotonic()) < end:
        weights.append(Weight(now, server.memory("VmRSS")))
        time.sleep(1.0)


if __name__ == "__main__":
    main(sys.argv[1:])
