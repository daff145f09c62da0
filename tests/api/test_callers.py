from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from ml_pipeline.api.tokens import SCOPES, add
from tests.api.conftest import Clients
from tests.api_site import RECORD, Shop

pytestmark = pytest.mark.long

ROUTES = {
    "read": [
        ("GET", "/metrics"),
        ("GET", "/runs"),
        ("GET", "/models/shop"),
        ("GET", "/openapi.json"),
        ("GET", "/v2"),
        ("GET", "/v2/models/shop"),
    ],
    "score": [("POST", "/shop/online/serve"), ("POST", "/v2/models/shop/infer")],
    "run": [
        ("POST", "/shop/offline/train"),
        ("POST", "/shop/online/serve?run_id=r"),
        ("DELETE", "/runs/shop-0000"),
        ("POST", "/shop/offline/nothing"),
    ],
    "promote": [("POST", "/models/shop/champion/promote"), ("POST", "/models/shop/rollback")],
}
"""Routes by the scope that they need."""
OPEN = ["/health", "/ready", "/v2/health/live", "/v2/health/ready"]


class Guarded(NamedTuple):
    """A server that asks for tokens, and a token for each scope."""

    client: httpx.Client
    tokens: dict[str, str]

    def ask(self, method: str, path: str, scope: str) -> httpx.Response:
        """With the token of one scope."""
        return self.client.request(
            method, path, headers={"Authorization": f"Bearer {self.tokens[scope]}"}, content=b"!"
        )


@pytest.fixture
def guarded(shop: Shop, client_of: Clients, tmp_path: Path) -> Guarded:
    """One token for each scope."""
    path = tmp_path / "tokens.yaml"
    secrets = {scope: add(path, f"only-{scope}", [scope]) for scope in SCOPES}
    return Guarded(client_of(shop.settings(tokens=str(path))), secrets)


def test_nobody_gets_in_without_a_token(guarded: Guarded) -> None:
    for method, path in [*(route for routes in ROUTES.values() for route in routes), ("GET", "/nothing")]:
        answer = guarded.client.request(method, path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "CallerError" in answer.text


@pytest.mark.parametrize("value", ["Bearer", "Bearer mlp_wrong", "Basic YTpi", "mlp_wrong", "Bearer \xff"])
def test_nor_with_one_that_is_not_known(guarded: Guarded, value: str) -> None:
    answer = guarded.client.get("/runs", headers={"Authorization": value.encode("latin-1")})
    assert answer.status_code == 401
    assert "mlp_wrong" not in answer.text


def test_a_token_does_what_its_scope_allows_and_nothing_else(guarded: Guarded) -> None:
    for needed, routes in ROUTES.items():
        for method, path in routes:
            for scope in SCOPES:
                answer = guarded.ask(method, path, scope)
                assert (answer.status_code == 403) == (scope != needed), (path, scope, answer.text)
                if scope != needed:
                    assert f"the scope {needed}" in answer.text or "run_id" in path


def test_those_who_watch_the_server_need_none(guarded: Guarded) -> None:
    for path in OPEN:
        assert guarded.client.get(path).status_code == 200


def test_approving_needs_the_scope_that_promotes(guarded: Guarded) -> None:
    headers = {"Authorization": f"Bearer {guarded.tokens['run']}"}
    answer = guarded.client.post("/shop/offline/promote", json={"approved_by": "me", "reason": "so"}, headers=headers)
    assert answer.status_code == 403


def test_the_log_of_promotions_says_whose_token_it_was(guarded: Guarded) -> None:
    headers = {"Authorization": f"Bearer {guarded.tokens['promote']}"}
    read = {"Authorization": f"Bearer {guarded.tokens['read']}"}
    version = guarded.client.get("/models/shop/champion", headers=read).json()["version"]
    answer = guarded.client.post(f"/models/shop/{version}/promote", json={"reason": "again"}, headers=headers)
    assert answer.status_code == 422  # it is champion already: who asked was let in


def test_no_token_is_in_an_answer_or_a_log(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for scope in SCOPES:
        for routes in ROUTES.values():
            said += [guarded.ask(method, path, scope).text for method, path in routes]
    everything = "".join(said) + caplog.text
    for secret in guarded.tokens.values():
        assert secret not in everything


def test_a_server_without_tokens_answers_loopback_alone(client: httpx.Client) -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1", "[::1]:80"):
        assert client.get("/runs", headers={"Host": host}).status_code == 200
    for host in ("example.org", "127.0.0.1.example.org", "localhost.example.org:8000", ""):
        answer = client.post("/shop/online/serve", json=RECORD, headers={"Host": host})
        assert answer.status_code == 403
        assert answer.json()["error"] == "ScopeError"


def test_and_no_page_of_another_site(client: httpx.Client) -> None:
    for origin, status in (("http://localhost:3000", 200), ("https://example.org", 403), ("null", 403)):
        assert client.post("/shop/online/serve", json=RECORD, headers={"Origin": origin}).status_code == status
