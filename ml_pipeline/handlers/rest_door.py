"""The REST door seen from outside: a server on this machine for as long as it is needed, and requests to any."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from ml_pipeline.errors import DataError, RejectedError, SourceError, StageError, UsageError

SECONDS = 120.0
"""Until a request must be answered."""
START_SECONDS = 120.0
"""Until a server must be ready: it reads and prepares what is known of all sources."""
STOP_SECONDS = 30.0
LISTENS = re.compile(r"http://127\.0\.0\.1:\d+")


class RestDoor:
    """A server by its URL; `token` is what it knows the caller by, where it asks for one."""

    def __init__(self, url: str, token: str = "") -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise UsageError("this is no URL of a server", given=url, expected="such as http://127.0.0.1:8000")
        self.url, self.headers = url.rstrip("/"), {"Authorization": f"Bearer {token}"} if token else {}

    def score(self, use_case: str, body: bytes, as_of: dt.datetime, model_version: str) -> Mapping[str, Any]:
        """What is answered to records that are sent as of a moment, to a given model.

        Raises:
            DataError: the server refuses the records, or answers no JSON.
            SourceError: it cannot be reached, or is not able to answer.
        """
        asked = urlencode({"as_of": as_of.isoformat(), "model_version": model_version})
        headers = {**self.headers, "Content-Type": "application/json"}
        order = urllib.request.Request(f"{self.url}/{use_case}/online/serve?{asked}", body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(order, timeout=SECONDS) as answer:  # noqa: S310 - of these two schemes
                found: Mapping[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            return _refusal(error, self.url)
        except (OSError, ValueError) as error:
            raise SourceError(
                "the REST server gives no answer that can be used",
                given=f"{self.url}: {error}",
                do="check that `ml-pipeline api` runs there",
            ) from error
        return found

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=SECONDS):  # noqa: S310
                return True
        except OSError:
            return False


def _refusal(error: urllib.error.HTTPError, url: str) -> Mapping[str, Any]:
    """That all records are set aside is an answer too."""
    with error:
        content = error.read()
    try:
        said = json.loads(content)
    except ValueError:
        said = {}
    if said.get("error") == RejectedError.__name__:
        return {"predictions": [], "set_aside": said["set_aside"]}
    kind = DataError if error.code < 500 else SourceError
    raise kind(
        f"the REST server refuses the records: {said.get('what', f'status {error.code}')}",
        given=said.get("given", f"{url}: {' '.join(content.decode('utf-8', 'replace')[:200].split())}"),
        expected=said.get("expected", ""),
        do=said.get("do", ""),
    )


@contextmanager
def opened(use_case: str, store: str) -> Iterator[str]:
    """The URL of a server of our own on this machine, which scores records of one use case; it ends with the block.

    Raises:
        StageError: it does not start.
    """
    command = [sys.executable, "-m", "ml_pipeline", "api", "--use-case", use_case, "--service", "online/serve"]
    with TemporaryFile("a+", encoding="utf-8", errors="replace") as said:
        server = subprocess.Popen([*command, "--port", "0", "--store", store], stdout=said, stderr=said)  # noqa: S603
        try:
            yield _ready(server, said)
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _ready(server: subprocess.Popen[bytes], said: IO[str]) -> str:
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        listens = LISTENS.search(_text(said))
        if listens and RestDoor(listens[0]).is_ready():
            return listens[0]
        time.sleep(0.1)
    ended = f"it ended with {server.poll()}" if server.poll() is not None else "it was not ready in time"
    raise StageError(
        "the REST server does not start",
        given=f"{ended}: {' '.join(_text(said)[-1000:].split())}",
        do="try `ml-pipeline api` by itself; it needs the extra `api`",
    )


def _text(said: IO[str]) -> str:
    said.seek(0)
    return said.read()
