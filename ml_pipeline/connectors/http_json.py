"""JSON by HTTP: politely, patiently, and with every failure in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from ml_pipeline.connectors.json_records import NOT_JSON, decode
from ml_pipeline.errors import SourceError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

AGENT = "ml-pipeline"
"""Who asks."""
TRIES = 6
REDIRECTS = 5
LONGEST_WAIT = 300.0
"""Seconds. A service that asks for more is left alone; whoever ordered the run tries again later."""
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0


class Answer(NamedTuple):
    """A response that asking again would not change; `document` is what its body says, if it is JSON."""

    url: str
    status: int
    kind: str
    body: bytes
    document: Any = None

    @property
    def accepted(self) -> bool:
        """Whether the service did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_page(self) -> bool:
        """Whether it is a web page for people."""
        return "html" in self.kind or self.body.lstrip()[:1] == b"<"

    @property
    def words(self) -> str:
        """How it begins."""
        return f"status {self.status}: {' '.join(self.body.decode('utf-8', 'replace')[:200].split())}"

    def content(self) -> Any:
        """The document.

        Raises:
            SourceError: the service refused, or answered with a web page.
        """
        if not self.accepted:
            raise SourceError(
                "the service refuses the request",
                given=f"{self.url}: {self.words}",
                do="correct the address in pipeline.yaml, or what sources.py asks for",
            )
        if self.is_page:
            raise SourceError(
                "the service answers with a web page (HTML) instead of JSON",
                given=f"{self.url}: {self.words}",
                do="correct the address in pipeline.yaml; if it is right, the service is perhaps being maintained",
            )
        return self.document


class HttpJson:
    """A client that asks again, with growing pauses, where that may help.

    Args:
        pause: Seconds between the end of a request and the next one, at least.
        backoff: Seconds before the first repetition; doubled for each further one, and never less than the service's
            own `Retry-After`.
    """

    def __init__(self, pause: float, backoff: float) -> None:
        import urllib3

        self.pause, self.backoff, self._free = pause, backoff, 0.0
        self._pool = urllib3.PoolManager(
            headers={"accept": "application/json", **urllib3.make_headers(accept_encoding=True, user_agent=AGENT)},
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=False,
        )

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()

    def get(self, url: str) -> Answer:
        """What the service says.

        Raises:
            SourceError: it cannot be reached, is busy or gives no whole JSON, each time it is asked.
        """
        from urllib3.exceptions import HTTPError

        trouble = ""
        for attempt in range(TRIES):
            wait = self.backoff * 2**attempt
            try:
                response = self._followed(url)
                answer, trouble = _judged(url, response)
                wait = max(wait, _retry_after(response))
            except HTTPError as error:
                trouble = str(error)
            if not trouble:
                return answer
            if wait > LONGEST_WAIT:
                break
            if attempt < TRIES - 1:
                time.sleep(wait)
        raise SourceError(
            "the service gives no answer that can be used",
            given=f"{shown(url)}, asked {attempt + 1} times; the last time: {trouble}",
            do="try again later; if it lasts, check the address in pipeline.yaml and the network",
        )

    def _followed(self, url: str) -> BaseHTTPResponse:
        """The response at the end of redirections."""
        for _ in range(REDIRECTS + 1):
            response = self._asked(url)
            location = response.get_redirect_location()
            if not location:
                return response
            url = urljoin(url, location)
            if urlsplit(url).scheme not in ("http", "https"):
                break
        raise SourceError(
            "the service leads elsewhere without end",
            given=f"{shown(url)} after {REDIRECTS} redirections",
            do="correct the address in pipeline.yaml",
        )

    def _asked(self, url: str) -> BaseHTTPResponse:
        time.sleep(max(0.0, self._free - time.monotonic()))
        try:
            return self._pool.request("GET", url, redirect=False)
        finally:
            self._free = time.monotonic() + self.pause


def shown(url: str) -> str:
    """Without parameters and user, either of which may hold a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _judged(url: str, response: BaseHTTPResponse) -> tuple[Answer, str]:
    """The answer, and why it is worth asking again; empty, if it is not."""
    answer = Answer(shown(url), response.status, response.headers.get("content-type", ""), response.data)
    if answer.status == 429 or answer.status >= 500:
        return answer, answer.words
    if not answer.accepted or answer.is_page:
        return answer, ""
    try:
        return answer._replace(document=decode(answer.body)), ""
    except NOT_JSON as error:
        return answer, f"{len(answer.body)} bytes that are no whole JSON: {error}"


def _retry_after(response: BaseHTTPResponse) -> float:
    """Seconds that the service itself asks to wait."""
    from urllib3.util import Retry

    return Retry().get_retry_after(response) or 0.0
