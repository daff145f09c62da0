"""What a container engine tells of its containers while they come and go, also where it is restarted meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import docker
from docker.errors import DockerException
from ml_pipeline_airflow.identity import STORE
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

WATCHED = ["start", "kill", "die"]
WINDOW, PAUSE = 2, 0.2
"""Seconds: a stream of events would never end by itself; an engine that is away is asked again after a pause."""

GONE = (DockerException, RequestException, HTTPError, OSError)


class Event(NamedTuple):
    """`at` is in nanoseconds, `code` the exit code of one that has died."""

    at: int
    action: str
    container: str
    store: str
    code: int


class Journal:
    """Events of the containers of stages, in order of time."""

    def __init__(self, url: str) -> None:
        self.url, self.events = url, set[Event]()
        self.over = threading.Event()
        self.heard = int(time.time())

    def runs(self, store: str) -> list[list[Event]]:
        """The events of every container of a store."""
        own = sorted(event for event in list(self.events) if event.store == store)
        return [
            [event for event in own if event.container == container] for container in {event.container for event in own}
        ]

    def listen(self) -> None:
        """Until it is over, a window at a time; what was told twice counts once."""
        while not self.over.is_set():
            end = int(time.time()) + WINDOW
            try:
                self._hear(end)
            except GONE:
                time.sleep(PAUSE)
            else:
                self.heard = end - 1

    def _hear(self, end: int) -> None:
        wanted = {"label": STORE, "event": WATCHED}
        with closing(docker.APIClient(base_url=self.url, version="1.41")) as client:
            for event in client.events(since=self.heard, until=end, decode=True, filters=wanted):
                self.events.add(_event(event))


@contextmanager
def journal(url: str) -> Iterator[Journal]:
    """Of the engine at an address, as long as it is needed."""
    made = Journal(url)
    thread = threading.Thread(target=made.listen, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        thread.join()


def _event(told: dict[str, Any]) -> Event:
    about = told["Actor"]["Attributes"]
    return Event(told["timeNano"], told["Action"], told["Actor"]["ID"], about[STORE], int(about.get("exitCode", -1)))
