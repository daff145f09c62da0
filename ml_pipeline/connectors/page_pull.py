"""Page after page of a service, each stored as soon as it has come, so that a pull that was killed can go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple

from ml_pipeline.connectors.http_json import Answer
from ml_pipeline.connectors.json_records import decode
from ml_pipeline.errors import SourceError

NO_LONGER_KNOWN = 400
"""The status with which a service refuses a token that has become too old."""


class Shape(NamedTuple):
    """The keys of a page that hold its records and the token of the next."""

    records: str
    next_page: str


class Page(NamedTuple):
    """Its records; without a token it is the last."""

    records: list[Any]
    token: str | None


class PagePull:
    """All pages of one request.

    Args:
        ask: The answer for a token; for none, that with the first page.
        request: What is asked for, without a token: pages that were stored for another are none of ours.
        shape: Where things are in a page.
        kept: Where pages are stored; nowhere, if None.
    """

    def __init__(
        self, ask: Callable[[str | None], Answer], request: str, shape: Shape, kept: MutableMapping[str, bytes] | None
    ) -> None:
        self.ask, self.shape, self.kept = ask, shape, kept
        self._prefix = f"{sha256(request.encode()).hexdigest()[:16]}-"

    def pages(self) -> Iterator[list[Any]]:
        """The records of each page, one page in memory at a time.

        Raises:
            SourceError: the service refuses, or its pages never end.
        """
        stored, token, seen = self._resumed(), None, set[str]()
        for number in count():
            page = self._stored(number) if number < stored else self._kept(number, self.ask(token))
            yield page.records
            token = page.token
            if token is None:
                return
            if token in seen:
                self._forget(number + 1)
                raise SourceError(
                    "the pages of the service lead in a circle",
                    given=f"page {number + 1} names a next page that came before",
                    do="try again later; if it lasts, tell whoever runs the service",
                )
            seen.add(token)

    def _resumed(self) -> int:
        """How many pages are stored; none of them any longer, if the service has forgotten what comes next.

        It is asked before any page is given away, for then a record could come twice.
        """
        stored = sum(name.startswith(self._prefix) for name in self.kept or ())
        if not stored or (token := self._stored(stored - 1).token) is None:
            return stored
        answer = self.ask(token)
        if answer.status == NO_LONGER_KNOWN:
            self._forget(stored)
            return 0
        self._kept(stored, answer)
        return stored + 1

    def _stored(self, number: int) -> Page:
        return self._page(decode((self.kept or {})[self._name(number)]))

    def _kept(self, number: int, answer: Answer) -> Page:
        page = self._page(answer.content())
        if self.kept is not None:
            self.kept[self._name(number)] = answer.body
        return page

    def _forget(self, pages: int) -> None:
        """From the last on, so that what is left has no gap."""
        for number in reversed(range(pages)):
            if self.kept is not None:
                del self.kept[self._name(number)]

    def _name(self, number: int) -> str:
        return f"{self._prefix}{number:06d}.json"

    def _page(self, document: Any) -> Page:
        """Either may be missing, but not both.

        Raises:
            SourceError: the document is no page.
        """
        known = document.keys() & set(self.shape) if isinstance(document, dict) else set()
        records = document.get(self.shape.records, []) if known else None
        if not isinstance(records, list):
            raise SourceError(
                "the service answers with JSON that is no page of records",
                given=str(document)[:200],
                expected=f"an object with a list {self.shape.records!r}",
                do="correct the address in pipeline.yaml, or `records` in sources.py",
            )
        token = document.get(self.shape.next_page)
        return Page(records, None if token in (None, "") else str(token))
