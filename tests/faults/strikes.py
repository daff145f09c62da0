"""The faults: each strikes at a moment, lasts a while, and is over. What is killed is really killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from random import Random

from tests.faults import clock, engine
from tests.faults.night import Night
from tests.faults.place import Place

Strike = Callable[[Place, Night, Random], str]
"""Returns when the fault is over; what it was in this case, empty where there was nothing left to strike."""
PATIENCE = 5.0
"""Seconds within which a container should come."""


def worker(place: Place, night: Night, chance: Random) -> str:
    """SIGKILL of the process that executes the task."""
    return "SIGKILL" if night.now and night.now.kill() else ""


def marked_failed(place: Place, night: Night, chance: Random) -> str:
    """SIGTERM of it, as Airflow sends where a person marks the task failed, or clears it."""
    return "SIGTERM" if night.now and night.now.terminate() else ""


def container(place: Place, night: Night, chance: Random) -> str:
    """SIGKILL of whatever container the night has now, or gets next."""
    found = _containers(place)
    killed = [name for own, name in found.items() if place.engine.kill_container(own)]
    return ", ".join(killed)


def dockerd(place: Place, night: Night, chance: Random) -> str:
    """SIGKILL of the engine's daemon, which comes back, and then leaves containers alone or ends them."""
    live_restore, away = chance.random() < 0.5, chance.uniform(0.0, 2.0)
    place.engine.kill()
    time.sleep(away)
    place.engine.start(live_restore=live_restore)
    return f"away for {away:.1f} s, {'live-restore' if live_restore else 'no live-restore'}"


def store(place: Place, night: Night, chance: Random) -> str:
    """SIGKILL of the object store, which comes back."""
    away = chance.uniform(0.0, 2.0)
    place.store.kill()
    time.sleep(away)
    place.store.start()
    return f"away for {away:.1f} s"


def network(place: Place, night: Night, chance: Random) -> str:
    """Connections to the store end and none can be made for a while, or no packet of a container arrives."""
    ends, away = chance.random() < 0.5, chance.uniform(0.2, 4.0)
    (place.store.wire.cut if ends else engine.cut)()
    time.sleep(away)
    (place.store.wire.mend if ends else engine.mend)()
    return f"{'connections end' if ends else 'packets vanish'} for {away:.1f} s"


def slow_store(place: Place, night: Night, chance: Random) -> str:
    """Each piece to and from the store takes its time."""
    each, length = chance.uniform(0.02, 0.2), chance.uniform(1.0, 4.0)
    place.store.wire.slow(each)
    time.sleep(length)
    place.store.wire.mend()
    return f"{1000 * each:.0f} ms a piece for {length:.1f} s"


def full_disk(place: Place, night: Night, chance: Random) -> str:
    """The store has no room."""
    length = chance.uniform(0.5, 4.0)
    place.store.fill()
    time.sleep(length)
    place.store.drain()
    return f"full for {length:.1f} s"


def clock_jump(place: Place, night: Night, chance: Random) -> str:
    """The clock of a stage is set in mid-run, by seconds or by half a day, while its worker's is right."""
    seconds = chance.choice((-1, 1)) * int(10 ** chance.uniform(0.5, 4.6))
    struck = [clock.put_ahead(place.engine.process(own), seconds) for own in _containers(place)]
    return f"{seconds:+d} s" if any(struck) else ""


def _containers(place: Place) -> dict[str, str]:
    end = time.monotonic() + PATIENCE
    while not (found := place.engine.stages(running=True)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


CLOCK = "clock jump"
STRIKES: Mapping[str, Strike] = {
    "worker": worker,
    "marked failed": marked_failed,
    "container": container,
    "engine": dockerd,
    "store": store,
    "network cut": network,
    "slow store": slow_store,
    "full disk": full_disk,
    CLOCK: clock_jump,
}
