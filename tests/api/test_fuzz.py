"""Requests of every kind that our own OpenAPI allows, and many that it does not: schemathesis makes them.

A server must never break, say what is inside, or answer in another form than it describes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.api_site import QUICK, Shop, live

EXAMPLES, FEW = 10, 2
"""Generated requests of each operation and kind; few for each stage but one, for they share an endpoint."""
FORBIDDEN = ("Traceback", 'File "', "site-packages", "/ml_pipeline/")
CONFORMANCE = [response_schema_conformance, content_type_conformance]


@pytest.fixture(scope="module")
def url(use_cases: Path, trained_shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose stages end at once."""
    store = str(shutil.copytree(trained_shop, tmp_path_factory.mktemp("fuzzed") / "store"))
    with live(Shop(use_cases, store).settings(bounds=QUICK), command=["/bin/true"]) as url:
        yield url


@pytest.mark.long
def test_nothing_breaks(url: str) -> None:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}/openapi.json", timeout=60).json())
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 30
    statuses: set[int] = set()
    session = requests.Session()
    for operation in operations:
        stage = operation.path.startswith("/shop/") and operation.path not in (
            "/shop/online/serve",
            "/shop/offline/train",
        )
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with suppress(Unsatisfiable):  # nothing can be wrong with a request that has no parameters
                statuses |= tried(operation, mode, url, session, FEW if stage else EXAMPLES)
    session.close()
    assert {200, 202, 404, 422} <= statuses


def tried(operation: Any, mode: GenerationMode, url: str, session: requests.Session, examples: int) -> set[int]:
    """The statuses that came back for requests of one kind."""
    statuses: set[int] = set()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def once(case: Any) -> None:
        answer = case.call(base_url=url, session=session)
        statuses.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, (case.as_curl_command(), answer.text)
        assert not any(word in answer.text for word in FORBIDDEN), (case.as_curl_command(), answer.text)
        case.validate_response(answer, checks=CONFORMANCE)

    once()
    return statuses
