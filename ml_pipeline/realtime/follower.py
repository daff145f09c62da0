"""Follows the promotion log and the snapshots of other sources, so that a request finds what is newest in memory."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import FAULTS, NotFoundError, NotReadyError, PipelineError
from ml_pipeline.realtime.references import Known, ReferenceRoom
from ml_pipeline.realtime.scorer import Functions, Scorer

CHAMPION_SECONDS = 0.5
LOOK_SECONDS = 4.0
PATIENCE = 2.0
"""Seconds that are waited for a thread that asks the store."""
log = logging.getLogger("ml_pipeline.realtime")


class Follower:
    """Holds the champion, the shadow and the references of now; each is replaced whole, by one assignment.

    The `former` champion is kept for requests that began with it.

    Where the store is away, all stay as they were, and `trouble` says of each why it may be old or is not there.
    """

    def __init__(self, functions: Functions, store: Store, room: ReferenceRoom, shadow: str) -> None:
        self.functions, self.registry, self.room, self.shadow_version = functions, Registry(store), room, shadow
        self.champion: Scorer | None = None
        self.former: Scorer | None = None
        self.swaps = 0
        self.shadow: Scorer | None = None
        self.known: Known | None = None
        self.trouble: dict[str, PipelineError] = {}
        self.stopped = Event()
        self.threads = [
            self._thread(self.look_at_champion, CHAMPION_SECONDS),
            self._thread(self.look_around, LOOK_SECONDS),
        ]

    def start(self) -> None:
        """Load what there is, and begin to follow it.

        Raises:
            NotFoundError: there is no such model as the shadow.
        """
        self.look_at_champion()
        self.look_around()
        if isinstance(trouble := self.trouble.get("shadow"), NotFoundError):
            raise trouble
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self.stopped.set()
        for thread in self.threads:
            if thread.ident:
                thread.join(PATIENCE)

    def why_not(self, what: str) -> PipelineError:
        """Why there is no champion, or no references, to be raised."""
        found = self.trouble.get(what) or NotReadyError(f"the {what} of the use case is still being loaded")
        return found.with_traceback(None)  # raised again and again, it would grow

    def look_at_champion(self) -> None:
        """Take over what the promotion log says."""
        with self._told("champion"):
            version = self.registry.champion()
            if not version:
                name = self.functions.config.name
                raise NotReadyError(
                    "there is no champion to predict with",
                    given=name,
                    do=f"run `ml-pipeline run {name} offline` first, or promote a model",
                )
            if self.champion is None or self.champion.version != version:
                scorer = Scorer.of(self.functions, self.registry, version)
                self.swaps += self.champion is not None
                self.former, self.champion = self.champion, scorer
                log.info("%s is served now", version)

    def look_around(self) -> None:
        """Take over snapshots that have landed, and the shadow once it is there."""
        now = dt.datetime.now(dt.UTC)
        with self._told("references"):
            if self.known is None or self.room.is_newer(self.known, now):
                self.known = self.room.known(now)
                self.room.forget_all_but(self.known)
        with self._told("shadow"):
            if self.shadow_version and self.shadow is None:
                self.shadow = Scorer.of(self.functions, self.registry, self.shadow_version)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Keep what goes wrong, and say it once."""
        before = self.trouble.get(what)
        try:
            yield
        except PipelineError as error:
            self.trouble[what] = error
        except FAULTS as error:
            self.trouble[what] = NotReadyError(f"the {what} cannot be used: {type(error).__name__}: {error}")
        else:
            self.trouble.pop(what, None)
        now = self.trouble.get(what)
        if now and (before is None or before.what != now.what):
            log.warning("%s: %s", what, now)

    def _thread(self, look: Callable[[], None], seconds: float) -> Thread:
        def follow() -> None:
            while not self.stopped.wait(seconds):
                look()

        return Thread(target=follow, name=look.__name__, daemon=True)
