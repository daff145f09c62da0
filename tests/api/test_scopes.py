"""Every route that our own OpenAPI describes asks for the scope that it says it needs."""

from __future__ import annotations

import hmac
import re
from pathlib import Path

import pytest

from ml_pipeline.api.tokens import SCOPES, Scope, TokenFile, add
from tests.api.conftest import Clients
from tests.api_site import QUICK, Shop

pytestmark = pytest.mark.long


def test_every_route_refuses_a_token_without_its_scope(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    secrets = {scope: add(path, scope, [scope]) for scope in SCOPES}
    client = client_of(shop.settings(tokens=str(path), bounds=QUICK), command=["/bin/true"])

    def ask(method: str, route: str, scope: Scope) -> int:
        headers = {"Authorization": f"Bearer {secrets[scope]}"}
        return client.request(method, re.sub("{.*?}", "x", route), headers=headers).status_code

    document = client.get("/openapi.json", headers={"Authorization": f"Bearer {secrets['read']}"}).json()
    needed = {
        (method.upper(), route): re.search(r"Scope: `?(\w+)", own["description"])
        for route, methods in document["paths"].items()
        for method, own in methods.items()
        if own["security"]
    }
    assert {found[1] for found in needed.values() if found} == set(SCOPES)
    for (method, route), found in needed.items():
        assert found, route
        allowed = {scope for scope in SCOPES if ask(method, route, scope) != 403}
        assert allowed == {found[1]}, (method, route)


def test_a_token_is_compared_with_every_entry_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, compared = tmp_path / "tokens.yaml", list[str]()
    first, *_ = [add(path, name, ["read"]) for name in "abc"]
    constant_time = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return constant_time(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    file = TokenFile(path)
    for secret in (first, "mlp_unknown"):
        compared.clear()
        assert (file.find(secret.encode()) is None) == (secret != first)
        assert compared == [token.sha256 for token in file.tokens]
