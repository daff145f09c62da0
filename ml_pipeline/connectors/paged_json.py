"""Records of a service that gives pages of JSON, each naming the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ml_pipeline.chain import Links
from ml_pipeline.connectors.address import address_of
from ml_pipeline.connectors.http_json import Answer, HttpJson
from ml_pipeline.connectors.json_records import JsonRecords
from ml_pipeline.connectors.page_pull import PagePull, Shape
from ml_pipeline.data.sources import Records, Types, Window
from ml_pipeline.errors import UsageError


def _nothing(_: Window) -> Mapping[str, str]:
    return {}


@dataclass(eq=False)
class PagedJson:
    """All pages at a URL, one batch each. All values are given as text.

    With a window that keeps progress, every page is stored when it has arrived, and a pull that starts again asks for
    none of those twice; if the service no longer knows where it was, the pull begins anew.

    Args:
        types: The columns that are wanted, with their types.
        paths: Column -> where its value is in a record (see JsonRecords); without one, under the column's name.
        adds: Functions whose columns are stored with the record.
        address: An http(s) URL, perhaps with parameters of its own; pipeline.yaml may say another.
        records: The key of a page under which its array of records is.
        next_page: The key of a page under which the next one's token is; without it, the page is the last.
        page_parameter: The parameter that takes the token; all others stay the same over the pages.
        asks: A window -> further parameters.
        pause: Seconds between two requests, at least.
        backoff: Seconds before the first repetition of a request that failed; doubled for each further one.
    """

    types: Types
    _: KW_ONLY
    paths: Mapping[str, str] = field(default_factory=dict)
    adds: Links = ()
    address: str = ""
    records: str = "studies"
    next_page: str = "nextPageToken"
    page_parameter: str = "pageToken"
    asks: Callable[[Window], Mapping[str, str]] = _nothing
    pause: float = 1.0
    backoff: float = 1.0

    def read(self, window: Window) -> Iterator[Records]:
        """The records of a window, page by page.

        Raises:
            UsageError: the address is no URL.
            SourceError: the service refuses, or gives no pages in spite of being asked several times.
        """
        url = _checked(address_of(window, self.address))
        flat, service = JsonRecords(self.types, self.paths), HttpJson(self.pause, self.backoff)
        asked = self.asks(window)
        own = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        fixed = [*(pair for pair in own if pair[0] not in asked), *asked.items()]

        def ask(token: str | None) -> Answer:
            return service.get(_with(url, [*fixed, (self.page_parameter, token)] if token else fixed))

        pull = PagePull(ask, _with(url, fixed), Shape(self.records, self.next_page), window.progress)
        try:
            for page in pull.pages():
                yield flat.records(page)
        finally:
            service.close()


def _checked(url: str) -> str:
    if not _is_service(url):
        raise UsageError(
            "the address is no URL of a service",
            given=f"one that begins with {url.partition(':')[0]!r}",  # what follows may be a password
            expected="https://host/path",
            do="correct the address in pipeline.yaml",
        )
    return url


def _is_service(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or the host is not whole
        return False


def _with(url: str, parameters: Sequence[tuple[str, str]]) -> str:
    return urlsplit(url)._replace(query=urlencode(parameters, quote_via=quote), fragment="").geturl()
