from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from ml_pipeline.discovery import find
from ml_pipeline.stages import steps
from tests.api.conftest import Clients
from tests.api_site import RECORD, Shop


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    """As it is served."""
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and what is said of it."""
    return [(method, path, own) for path, methods in document["paths"].items() for method, own in methods.items()]


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """A value against a schema of the document."""
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_every_step_stage_and_service_has_a_route_of_its_own(document: dict[str, Any]) -> None:
    config = find("shop").config
    for mode in config.modes:
        for step in steps(config, mode):
            assert "post" in document["paths"][f"/shop/{mode}/{step.name}"]
            assert "post" in document["paths"][f"/shop/{mode}/{step.stage.name}"]


def test_every_operation_says_what_it_takes_and_gives(document: dict[str, Any]) -> None:
    names = [own["operationId"] for _, _, own in operations(document)]
    assert len(set(names)) == len(names)
    for method, path, own in operations(document):
        assert own["summary"], path
        assert own["description"], path
        assert own["tags"], path
        good = [status for status in own["responses"] if status < "300"]
        assert good, path
        assert "503" in own["responses"], path
        assert ("requestBody" in own) == (method == "post"), path
        for status, response in own["responses"].items():
            (media, *_), (said, *_) = zip(*response["content"].items(), strict=True)
            assert said["schema"]
            if status >= "400" and path != "/ready":
                wanted = "ProtocolError" if path.startswith("/v2") else "Problem"
                assert said["schema"] == {"$ref": f"#/components/schemas/{wanted}"}
                assert media == ("application/json" if path.startswith("/v2") else "application/problem+json")


def test_what_needs_a_token_says_so(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    open_to_all = {path for _, path, own in operations(document) if not own["security"]}
    assert open_to_all == {"/health", "/ready", "/v2/health/live", "/v2/health/ready"}
    for _, path, own in operations(document):
        if path not in open_to_all:
            assert "Scope: " in own["description"]
            assert {"401", "403"} <= own["responses"].keys()


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if reference := value.get("$ref"):
                assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)


def test_the_record_is_that_of_the_source(document: dict[str, Any]) -> None:
    content = document["paths"]["/shop/online/serve"]["post"]["requestBody"]["content"]
    one, many = content["application/json"]["schema"]["anyOf"]
    assert one["properties"]["pages"] == {"type": ["number", "null"]}
    assert one["properties"]["came_at"] == {"type": ["string", "null"], "format": "date-time"}
    assert many["items"] == one
    assert "application/vnd.apache.arrow.stream" in content


def test_examples_are_of_the_use_case_and_fit_their_schemas(document: dict[str, Any]) -> None:
    operation = document["paths"]["/shop/online/serve"]["post"]
    asked = operation["requestBody"]["content"]["application/json"]
    answered = operation["responses"]["200"]["content"]["application/json"]
    assert asked["examples"]["one record"]["value"]["visit"]
    assert answered["examples"]["several records"]["value"]["predictions"][0]["visit"]
    for said in (asked, answered):
        for example in said["examples"].values():
            validate(document, said["schema"], example["value"])


def test_answers_are_as_described(client: httpx.Client, document: dict[str, Any]) -> None:
    version = client.get("/models/shop/champion").json()["version"]
    names = {"use_case": "shop", "version": version, "model": "shop"}
    ordered = client.post("/shop/offline/ingest", json={"as_of": "2024-06-16"})
    for method, path, own in operations(document):
        real = path.format(**names, run=ordered.json()["id"], file="card.yaml")
        if method == "get":
            answer = client.get(real)
            assert answer.status_code == 200, (path, answer.text)
            described = own["responses"]["200"]["content"]
            assert answer.headers["content-type"].partition(";")[0] in described
            if answer.headers["content-type"] == "application/json":
                validate(document, described["application/json"]["schema"], answer.json())
    scored = client.post("/shop/online/serve", json=RECORD)
    content = document["paths"]["/shop/online/serve"]["post"]["responses"]["200"]["content"]
    validate(document, content["application/json"]["schema"], scored.json())
    problem = client.post("/shop/online/serve", content=b"!").json()
    validate(document, {"$ref": "#/components/schemas/Problem"}, problem)
    validate(document, {"$ref": "#/components/schemas/Run"}, ordered.json())


def test_before_training_it_is_described_as_well(
    empty_shop: Shop, client_of: Clients, document: dict[str, Any]
) -> None:
    found = client_of(empty_shop.settings()).get("/openapi.json").json()
    assert found["paths"].keys() == document["paths"].keys()
    asked = found["paths"]["/shop/online/serve"]["post"]["requestBody"]["content"]["application/json"]
    for example in asked["examples"].values():
        validate(found, asked["schema"], example["value"])


def test_a_server_describes_what_it_offers_and_nothing_else(shop: Shop, client_of: Clients) -> None:
    client = client_of(shop.settings(services=("offline/train",)))
    paths = client.get("/openapi.json").json()["paths"]
    assert [path for path in paths if path.startswith("/shop/")] == ["/shop/offline/train"]
    assert client.post("/shop/online/serve", json=RECORD).status_code == 404
    assert client.get("/v2/models/shop").status_code == 404
