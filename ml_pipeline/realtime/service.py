"""Real-time scoring of one use case: what every request of a process shares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Column, Columns, Kind
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import PipelineError
from ml_pipeline.handlers.serve import identity
from ml_pipeline.realtime.answers import Answer
from ml_pipeline.realtime.examples import example
from ml_pipeline.realtime.follower import Follower
from ml_pipeline.realtime.journal import Entry, Journal
from ml_pipeline.realtime.raw_records import Taken
from ml_pipeline.realtime.references import Known, ReferenceRoom
from ml_pipeline.realtime.scorer import Functions, Scored, Scorer
from ml_pipeline.realtime.set_aside import all_bad

PINNED = 4
"""Versions besides the champion that are kept in memory."""
MOMENTS = 2
"""Moments besides now whose references are kept."""


class ScoringService:
    """Scores records of one use case with the champion of the moment; may be called from many threads at once.

    Args:
        use_case: Whose records it scores.
        store_uri: The object store, as in `StageRequest.store`.
        shadow: A model version that is scored beside the champion and only recorded; "" for none.
    """

    def __init__(self, use_case: UseCase, store_uri: str, *, shadow: str = "") -> None:
        self.use_case, self.shadow = use_case, shadow
        self.store = Store(store_uri).within(use_case.config.name)
        self.registry, self.room = Registry(self.store), ReferenceRoom(use_case, self.store)
        self.pinned = lru_cache(PINNED)(self._stored)
        self.earlier = lru_cache(MOMENTS)(self.room.known)

    @cached_property
    def functions(self) -> Functions:
        """The use case's own code, loaded when it is first needed."""
        return Functions(self.use_case)

    @cached_property
    def follower(self) -> Follower:
        """What is newest."""
        return Follower(self.functions, self.store, self.room, self.shadow)

    @cached_property
    def journal(self) -> Journal:
        """What was scored."""
        return Journal(self.use_case, self.store, lambda: self.follower.shadow)

    @property
    def champion(self) -> str:
        """The model version that is served now, "" while there is none."""
        champion = self.follower.champion
        return champion.version if champion else ""

    def start(self) -> None:
        """Load what there is to load and begin to follow it; a champion that is missing is no error here.

        Raises:
            NotFoundError: there is no such model as the shadow.
        """
        self.follower.start()
        self.journal.start()

    def close(self) -> None:
        """Stop; everything scored so far is stored before this returns, which waits for a store that is away."""
        self.follower.stop()
        self.journal.close()

    def check_ready(self) -> None:
        """Nothing, where it can score; also with what it has, while the store is away.

        Raises:
            PipelineError: why it cannot.
        """
        self._scorer("")
        self._known(None)

    def score_json(self, body: bytes, *, version: str = "", as_of: dt.datetime | None = None) -> bytes:
        """Score a raw record, or an array of them.

        Args:
            body: JSON.
            version: A model version; the champion where it is "".
            as_of: What the request pretends that now is: what became known later is not used. Such a request repeats
                the past, so it is not recorded.

        Returns:
            JSON: `{"model_version", "as_of", "predictions": [{…}], "set_aside": [{"record", "reason", "column"?}]}`.

        Raises:
            DataError: the body is no JSON of records, or something is wrong with every one of them.
            BusyError: more is scored than can be recorded.
            NotFoundError: there is no such model.
            NotReadyError: there is nothing to score with yet.
        """
        return self._answer(self.functions.records.of_json, body, version, as_of).as_json()

    def score_bodies(self, bodies: Sequence[bytes]) -> list[bytes | PipelineError]:
        """`score_json` for requests that came at the same time: what each would get if it had come alone.

        They are scored in one go, unless anything about any of them is out of the ordinary.
        """
        together = self._together(bodies) if len(bodies) > 1 else None
        return list(map(self._alone, bodies)) if together is None else [*together]

    def score_arrow(self, body: bytes, *, version: str = "", as_of: dt.datetime | None = None) -> bytes:
        """`score_json` for an Arrow IPC stream: another one, all but the predictions in its metadata, as JSON."""
        return self._answer(self.functions.records.of_arrow, body, version, as_of).as_arrow()

    def predict(self, features: Columns, *, version: str = "") -> dict[str, Column]:
        """What the model gives for rows that are combined already, under the names that are stored; not recorded."""
        return self._scorer(version).predict(features)

    def inputs(self, version: str = "") -> dict[str, Kind]:
        """The columns that a model reads, with their kinds.

        Raises:
            NotFoundError: there is no such model.
        """
        if version:
            self._scorer(version)
        return self.functions.model.inputs()

    def example(self) -> list[dict[str, Any]]:
        """Two raw records as a caller would send them: stored ones, or made up where there are none."""
        return example(self.functions, self.store)

    def _alone(self, body: bytes) -> bytes | PipelineError:
        try:
            return self.score_json(body)
        except PipelineError as error:
            return error

    def _together(self, bodies: Sequence[bytes]) -> list[bytes] | None:
        """None where a record is not as it should be, or meets its own key in another request."""
        found = self.functions.records.of_bodies(bodies)
        if found is None:
            return None
        taken, sizes = found
        try:
            return self._recorded(taken, "", faultless=True).parted(sizes)
        except PipelineError:
            return None

    def _answer(self, read: Callable[[bytes], Taken], body: bytes, version: str, as_of: dt.datetime | None) -> Answer:
        scorer, known = self._scorer(version), self._known(as_of)
        taken = read(body)
        if as_of is None:
            return self._recorded(taken, version)
        scored = scorer.score(taken, known.references, as_of)
        return Answer(scorer.version, as_of, scored.answer, scored.set_aside)

    def _recorded(self, taken: Taken, version: str, *, faultless: bool = False) -> Answer:
        """Scored as of now, and kept; where records must be faultless and one is not, an error, and nothing is kept."""
        scorer, known = self._scorer(version), self._known(None)
        now, entry = dt.datetime.now(dt.UTC).replace(microsecond=0), None
        self.journal.reserve(taken.sent)
        try:
            scored = scorer.score(taken, known.references, now)
            if faultless and scored.set_aside:
                raise all_bad(scored.set_aside)
            entry = Entry(scorer, scored.predictions, self._for_shadow(scored, version))
        finally:
            self.journal.record(entry, taken.sent)
        return Answer(scorer.version, now, scored.answer, scored.set_aside)

    def _for_shadow(self, scored: Scored, version: str) -> Columns:
        """What the shadow reads of rows that the champion predicted."""
        if version or not self.follower.shadow or not scored.predictions:
            return {}
        names = {*identity(self.use_case.config), *self.functions.model.inputs()}
        return {name: scored.combined[name] for name in names}

    def _scorer(self, version: str) -> Scorer:
        champion = self.follower.champion
        if version:
            known = {own.version: own for own in (self.follower.former, champion) if own}
            return known.get(version) or self.pinned(version)
        if champion is None:
            raise self.follower.why_not("champion")
        return champion

    def _stored(self, version: str) -> Scorer:
        return Scorer.of(self.functions, self.registry, version)

    def _known(self, as_of: dt.datetime | None) -> Known:
        """The references of now, or of an earlier moment, for which the store is asked whether anything has landed."""
        if as_of:
            known = self.earlier(as_of)
            if self.room.is_newer(known, as_of):
                self.earlier.cache_clear()
            return self.earlier(as_of)
        if self.follower.known is None:
            raise self.follower.why_not("references")
        return self.follower.known
