"""A service of pages on a real HTTP server that does, per test, what services do."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest

from ml_pipeline.connectors import PagedJson
from ml_pipeline.connectors.http_json import REDIRECTS, TRIES
from ml_pipeline.data.sources import Window
from ml_pipeline.errors import SourceError, UsageError

WINDOW = Window(dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 2, tzinfo=dt.UTC))
TYPES = {"id": "string", "name": "string"}
PATHS = {"id": "protocolSection.identificationModule.nctId", "name": "protocolSection.identificationModule.briefTitle"}


class Request(NamedTuple):
    """What the server was asked, when (seconds), and by whom."""

    path: str
    query: dict[str, list[str]]
    at: float
    agent: str

    @property
    def token(self) -> str:
        return self.query.get("pageToken", [""])[0]


class Reply(NamedTuple):
    """What it answers; `length` is what it says of its body, if that is not true."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None


def study(number: int) -> dict[str, Any]:
    return {"protocolSection": {"identificationModule": {"nctId": f"N{number}", "briefTitle": f"Trial {number}"}}}


def page(*numbers: int, token: str = "") -> Reply:
    content = {"studies": [study(number) for number in numbers]} | ({"nextPageToken": token} if token else {})
    return Reply(json.dumps(content).encode())


BUSY = Reply(b"busy", 503, "text/plain")
THREE = {"": [page(1, 2, token="A")], "A": [page(3, token="B")], "B": [page(4)]}


class Service:
    """Replies by token, the last one of a token again and again; all requests are written down."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[Request] = []

    @property
    def tokens(self) -> list[str]:
        """The tokens that were asked for, in order."""
        return [request.token for request in self.requests]

    def give(self, replies: dict[str, list[Reply]]) -> None:
        """From now on."""
        self.replies, self.requests = {token: list(own) for token, own in replies.items()}, []

    def reply(self, request: Request) -> Reply:
        self.requests.append(request)
        own = self.replies.get(request.token) or [Reply(b"unknown pageToken", 400, "text/plain")]
        return own.pop(0) if len(own) > 1 else own[0]

    def source(self, **more: Any) -> PagedJson:
        settings = {"paths": PATHS, "address": f"{self.url}/studies", "pause": 0.0, "backoff": 0.001, **more}
        return PagedJson(TYPES, **settings)

    def ids(self, window: Window = WINDOW, **more: Any) -> list[str]:
        """The records that a pull gives."""
        return [name for records in self.source(**more).read(window) for name in ids_of(records.batch)]


def ids_of(batch: pa.Table) -> list[str]:
    return batch.column("id").to_pylist()


def handler(services: list[Service]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            agent = self.headers["User-Agent"]
            reply = services[0].reply(Request(parts.path, parse_qs(parts.query), time.monotonic(), agent))
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = reply.length is not None

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    return Handler


@pytest.fixture
def service() -> Iterator[Service]:
    services: list[Service] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(services)) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        services.append(Service(f"http://127.0.0.1:{server.server_port}"))
        yield services[0]
        server.shutdown()
        thread.join()


def test_all_pages_are_read_in_order(service: Service, read: Callable[..., Any]) -> None:
    service.give(THREE)
    table, rejects = read(service.source(), WINDOW)
    assert table.to_pylist() == [{"id": f"N{number}", "name": f"Trial {number}"} for number in (1, 2, 3, 4)]
    assert rejects == []
    assert service.tokens == ["", "A", "B"]


def test_the_client_says_who_it_is(service: Service) -> None:
    service.give(THREE)
    service.ids()
    assert {request.agent for request in service.requests} == {"ml-pipeline"}


def test_parameters_stay_the_same_over_the_pages(service: Service) -> None:
    service.give(THREE)
    service.ids(
        address=f"{service.url}/studies?fields=a&fields=b&pageSize=10&empty=#here",
        asks=lambda window: {"pageSize": "2", "filter": f"RANGE[{window.since:%Y-%m-%d},MAX] & more"},
    )
    asked = [{name: value for name, value in own.query.items() if name != "pageToken"} for own in service.requests]
    assert asked == [{"fields": ["a", "b"], "pageSize": ["2"], "filter": ["RANGE[2024-01-01,MAX] & more"]}] * 3
    assert {request.path for request in service.requests} == {"/studies"}


def test_the_address_of_the_window_comes_first(service: Service) -> None:
    service.give(THREE)
    service.ids(WINDOW._replace(address=f"{service.url}/other"))
    assert {request.path for request in service.requests} == {"/other"}


def test_a_page_without_records_may_have_a_next_one(service: Service) -> None:
    nothing = Reply(b'{"nextPageToken": "B"}')
    service.give({"": [page(token="A")], "A": [nothing], "B": [page(1)]})
    assert service.ids() == ["N1"]


def test_without_records_the_columns_are_still_told(service: Service) -> None:
    service.give({"": [page()]})
    (records,) = service.source().read(WINDOW)
    assert (records.batch.column_names, records.batch.num_rows) == (list(TYPES), 0)


@pytest.mark.parametrize("last", [None, ""])
def test_an_empty_token_is_none(service: Service, last: str | None) -> None:
    service.give({"": [Reply(json.dumps({"studies": [study(1)], "nextPageToken": last}).encode())]})
    assert service.ids() == ["N1"]
    assert service.tokens == [""]


def test_other_services_have_other_words(service: Service) -> None:
    service.give({"": [Reply(b'{"items": [{"id": "a"}], "after": 7}'), Reply(b'{"items": []}')]})
    source = PagedJson(
        TYPES, address=service.url, records="items", next_page="after", page_parameter="from", pause=0, backoff=0
    )
    assert [ids_of(records.batch) for records in source.read(WINDOW)] == [["a"], []]
    assert [request.query.get("from") for request in service.requests] == [None, ["7"]]


def test_a_compressed_page_is_read(service: Service) -> None:
    service.give({"": [Reply(gzip.compress(page(1).body), headers=(("Content-Encoding", "gzip"),))]})
    assert service.ids() == ["N1"]


def test_bad_records_are_set_aside_and_the_others_read(service: Service, read: Callable[..., Any]) -> None:
    bad = {"protocolSection": {"identificationModule": {"nctId": {"is": "an object"}}}}
    studies = [study(1), {"protocolSection": {}}, bad, None, study(2)]
    service.give({"": [Reply(json.dumps({"studies": studies}).encode())]})
    table, rejects = read(service.source(), WINDOW)
    assert table.column("id").to_pylist() == ["N1", None, "N2"]
    assert rejects == [("id is not of type string", bad), ("the record is not an object", None)]


WHOLE = page(1).body
CUT = Reply(WHOLE[:-20])
SHORT = Reply(WHOLE[:-20], length=len(WHOLE))


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Reply(b"slowly", 429, "text/plain"), id="429"),
        pytest.param(BUSY, id="503"),
        pytest.param(Reply(b"<html>oops</html>", 502, "text/html"), id="502 in HTML"),
        pytest.param(CUT, id="JSON cut short"),
        pytest.param(SHORT, id="body cut short"),
        pytest.param(Reply(b"", 200), id="no body"),
        pytest.param(Reply(b"\xff\xfe", 200), id="no text"),
        pytest.param(Reply(b"no gzip", headers=(("Content-Encoding", "gzip"),)), id="no gzip"),
    ],
)
def test_trouble_that_passes_is_waited_for(service: Service, trouble: Reply) -> None:
    service.give({"": [page(0, token="A")], "A": [trouble, trouble, page(1)]})
    assert service.ids() == ["N0", "N1"]
    assert service.tokens == ["", "A", "A", "A"]


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (BUSY, "status 503: busy"),
        (Reply(b"slowly", 429, "text/plain"), "status 429: slowly"),
        (CUT, "no whole JSON"),
        (SHORT, "IncompleteRead"),
    ],
)
def test_trouble_that_lasts_is_told_after_a_number_of_tries(service: Service, trouble: Reply, says: str) -> None:
    service.give({"": [trouble]})
    with pytest.raises(SourceError, match=rf"asked {TRIES} times; the last time: .*{says}") as caught:
        service.ids()
    assert service.tokens == [""] * TRIES
    assert caught.value.exit_code == 75


def test_retry_after_is_respected(service: Service) -> None:
    service.give({"": [Reply(b"slowly", 429, "text/plain", (("Retry-After", "1"),)), page(1)]})
    assert service.ids() == ["N1"]
    first, second = service.requests
    assert second.at - first.at >= 1


def test_a_service_that_wants_to_be_left_alone_is(service: Service) -> None:
    service.give({"": [Reply(b"tomorrow", 503, "text/plain", (("Retry-After", "86400"),))]})
    with pytest.raises(SourceError, match="asked 1 times; the last time: status 503: tomorrow"):
        service.ids()
    assert len(service.requests) == 1


def test_between_failures_the_pause_doubles(service: Service) -> None:
    service.give({"": [BUSY, BUSY, BUSY, page(1)]})
    service.ids(backoff=0.02)
    waits = [later.at - earlier.at for earlier, later in pairwise(service.requests)]
    assert all(wait >= least for wait, least in zip(waits, (0.02, 0.04, 0.08), strict=True))


def test_no_two_requests_are_closer_than_the_pause(service: Service) -> None:
    moved = Reply(b"", 301, headers=(("Location", "/moved?pageToken=B"),))
    service.give({"": [BUSY, CUT, page(1, token="A")], "A": [moved], "B": [page(2)]})
    assert service.ids(pause=0.05) == ["N1", "N2"]
    assert len(service.requests) == 5
    assert all(later.at - earlier.at >= 0.05 for earlier, later in pairwise(service.requests))


def test_a_redirection_is_followed(service: Service) -> None:
    there = Reply(b"", 301, headers=(("Location", f"{service.url}/new?pageToken=A"),))
    service.give({"": [there], "A": [page(1)]})
    assert service.ids() == ["N1"]
    assert [request.path for request in service.requests] == ["/studies", "/new"]


@pytest.mark.parametrize(("to", "asked"), [("/studies", REDIRECTS + 1), ("file:///etc/passwd", 1)])
def test_a_redirection_without_end_or_to_a_file_is_not(service: Service, to: str, asked: int) -> None:
    service.give({"": [Reply(b"", 302, headers=(("Location", to),))]})
    with pytest.raises(SourceError, match="the service leads elsewhere"):
        service.ids()
    assert len(service.requests) == asked


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_quoted_and_not_repeated(service: Service, status: int) -> None:
    service.give({"": [Reply(b"`filter.advanced` is invalid: " + b"x" * 1_000, status, "text/plain")]})
    with pytest.raises(SourceError, match=rf"the service refuses the request.*status {status}: `filter.adv") as caught:
        service.ids()
    assert str(caught.value).count("x") < 200
    assert len(service.requests) == 1


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_web_page_instead_of_json_is_told(service: Service, kind: str) -> None:
    service.give({"": [Reply(b"\n<!DOCTYPE html><title>Maintenance</title>", kind=kind)]})
    with pytest.raises(SourceError, match=r"a web page \(HTML\) instead of JSON.*Maintenance"):
        service.ids()
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"{}", b'{"error": "x"}', b'{"studies": {"a": 1}}', b'{"studies": null}']
)
def test_json_that_is_no_page_is_told(service: Service, body: bytes) -> None:
    service.give({"": [Reply(body)]})
    with pytest.raises(SourceError, match=r"no page of records.*an object with a list 'studies'"):
        service.ids()


def test_nobody_there_is_told_without_what_may_be_a_key(service: Service) -> None:
    with pytest.raises(SourceError, match=rf"http://127.0.0.1:1/studies, asked {TRIES} times.*refused") as caught:
        service.ids(address="http://me:hunter2@127.0.0.1:1/studies?key=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/a",
        "file:///etc/passwd",
        "studies.json",
        "http://",
        "me:hunter2@host",
        "http://host:hunter2",
        "http://[hunter2",
    ],
)
def test_only_the_web_is_asked(service: Service, address: str) -> None:
    with pytest.raises(UsageError, match="the address is no URL of a service") as caught:
        service.ids(address=address)
    assert "hunter2" not in str(caught.value)


def test_pages_that_lead_in_a_circle_end(service: Service) -> None:
    progress: dict[str, bytes] = {}
    service.give({"": [page(1, token="A")], "A": [page(2, token="B")], "B": [page(3, token="A")]})
    with pytest.raises(SourceError, match="the pages of the service lead in a circle"):
        service.ids(WINDOW._replace(progress=progress))
    assert service.tokens == ["", "A", "B"]
    assert progress == {}


# A pull that ends in the middle


def killed_after(service: Service, pages: int, window: Window) -> list[str]:
    """What a pull gave until it was killed."""
    reading = service.source().read(window)
    given = [name for _ in range(pages) for name in ids_of(next(reading).batch)]
    reading.close()
    return given


@pytest.fixture
def kept() -> Window:
    """A window that keeps progress."""
    return WINDOW._replace(progress={})


def test_a_killed_pull_goes_on_without_asking_twice(service: Service, kept: Window) -> None:
    service.give(THREE)
    assert killed_after(service, 2, kept) == ["N1", "N2", "N3"]
    service.give(THREE)
    assert service.ids(kept) == ["N1", "N2", "N3", "N4"]
    assert service.tokens == ["B"]


def test_a_pull_goes_on_where_the_service_went_away(service: Service, kept: Window) -> None:
    service.give(THREE | {"A": [BUSY]})
    with pytest.raises(SourceError):
        service.ids(kept)
    service.give(THREE)
    assert service.ids(kept) == ["N1", "N2", "N3", "N4"]
    assert service.tokens == ["A", "B"]


def test_a_pull_that_had_all_asks_for_nothing(service: Service, kept: Window) -> None:
    service.give(THREE)
    first = service.ids(kept)
    service.give({})
    assert service.ids(kept) == first
    assert service.requests == []


def test_a_token_that_the_service_has_forgotten_begins_the_pull_anew(service: Service, kept: Window) -> None:
    service.give(THREE)
    killed_after(service, 2, kept)
    service.give({"": [page(5)]})
    for asked in (["B", ""], []):  # of the old pages none is left, also where they were more
        service.requests.clear()
        assert service.ids(kept) == ["N5"]
        assert service.tokens == asked


def test_a_token_that_is_forgotten_at_once_is_told(service: Service, kept: Window) -> None:
    service.give({"": [page(1, token="A")]})
    for asked in (["", "A"], ["A", "", "A"]):
        service.requests.clear()
        with pytest.raises(SourceError, match=r"refuses the request.*status 400: unknown pageToken"):
            service.ids(kept)
        assert service.tokens == asked


def test_pages_of_another_request_are_not_taken(service: Service, kept: Window) -> None:
    service.give(THREE)
    killed_after(service, 2, kept)
    service.give({"": [page(9)]})
    assert service.ids(kept, address=f"{service.url}/studies?filter=other") == ["N9"]
    assert service.tokens == [""]


def test_a_page_that_is_none_is_not_kept(service: Service, kept: Window) -> None:
    service.give({"": [Reply(b'{"error": "x"}')]})
    with pytest.raises(SourceError):
        service.ids(kept)
    assert kept.progress == {}


def test_without_progress_nothing_is_kept(service: Service) -> None:
    service.give(THREE)
    killed_after(service, 2, WINDOW)
    service.give(THREE)
    assert len(service.ids()) == 4
    assert service.tokens == ["", "A", "B"]
