from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest

from ml_pipeline.api.rows import MOST
from ml_pipeline.api.settings import Bounds
from tests.api.conftest import Clients
from tests.api_site import AS_OF, RECORD, Shop

SERVE = "/shop/online/serve"


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """An error as the door says it, without anything of the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert "/ml_pipeline/" not in answer.text
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    return said


def test_a_record_is_scored_by_the_champion(client: httpx.Client) -> None:
    answer = client.post(SERVE, json=RECORD)
    assert answer.status_code == 200
    said = answer.json()
    assert [row["visit"] for row in said["predictions"]] == ["v1"]
    assert 0 < said["predictions"][0]["prediction"] < 1
    assert said["model_version"] == client.get("/models/shop/champion").json()["version"]
    assert said["set_aside"] == []


def test_records_are_answered_in_their_order_and_alone_as_together(client: httpx.Client) -> None:
    records = [{**RECORD, "visit": f"v{number}", "pages": number} for number in range(1, 4)]
    together = client.post(SERVE, json=records).json()["predictions"]
    alone = [client.post(SERVE, json=record).json()["predictions"][0] for record in records]
    assert [row["visit"] for row in together] == ["v1", "v2", "v3"]
    assert [row["prediction"] for row in together] == [row["prediction"] for row in alone]


def test_what_is_missing_may_be_null_or_left_out(client: httpx.Client) -> None:
    few = {"visit": "v1", "came_at": RECORD["came_at"]}
    nulls = {**dict.fromkeys(RECORD), **few}
    first, second = (client.post(SERVE, json=record).json()["predictions"] for record in (few, nulls))
    assert first == second


def test_an_arrow_stream_is_answered_with_one(client: httpx.Client) -> None:
    table = pa.table({**{name: [value] for name, value in RECORD.items()}})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    media = "application/vnd.apache.arrow.stream"
    answer = client.post(SERVE, content=sink.getvalue().to_pybytes(), headers={"content-type": media})
    assert answer.headers["content-type"] == media
    rows = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert rows[0]["prediction"] == client.post(SERVE, json=RECORD).json()["predictions"][0]["prediction"]


def test_many_records_take_the_long_way_to_the_same_end(client: httpx.Client) -> None:
    records = [{**RECORD, "visit": f"v{number}"} for number in range(1000)]
    answer = client.post(SERVE, json=records).json()
    assert len(answer["predictions"]) == 1000
    assert (
        answer["predictions"][7]["prediction"] == client.post(SERVE, json=RECORD).json()["predictions"][0]["prediction"]
    )


def test_a_version_and_a_moment_can_be_asked_for(client: httpx.Client) -> None:
    version = client.get("/models/shop/champion").json()["version"]
    record = {**RECORD, "came_at": AS_OF.isoformat()}
    answer = client.post(SERVE, params={"model_version": version, "as_of": "2024-06-15"}, json=record).json()
    assert answer["model_version"] == version
    assert answer["as_of"].startswith("2024-06-15T00:00:00")
    assert len(answer["predictions"]) == 1


@pytest.mark.parametrize(
    ("parameters", "status", "what"),
    [
        ({"model_version": "0123456789abcdef"}, 404, "there is no such model"),
        ({"as_of": "yesterday"}, 422, "the as-of is not a moment"),
        ({"model": "x"}, 422, "there is no such parameter"),
    ],
)
def test_what_is_asked_for_must_be_there(client: httpx.Client, parameters: Any, status: int, what: str) -> None:
    assert problem_of(client.post(SERVE, params=parameters, json=RECORD), status)["what"] == what


NO_RECORDS = {
    "nothing": b"",
    "no JSON": b"not JSON",
    "no UTF-8": b"\xff\xfe",
    "half": b"[1, 2",
    "a text": b'"a text"',
    "a number": b"17",
    "null": b"null",
    "NaN": b'{"visit": "v1", "pages": NaN}',
    "infinity": b'{"visit": "v1", "pages": Infinity}',
    "beyond numbers": b'{"visit": "v1", "pages": 1e999}',
    "brackets": b"[" * 10_000_000,
    "braces": b'{"visit":' * 1_000_000,
}
WRONG_TYPES = {
    "a word for a number": {**RECORD, "pages": "three"},
    "an object for a text": {**RECORD, "visit": {"nested": 1}},
    "a word for a moment": {**RECORD, "came_at": "tomorrow"},
}


@pytest.mark.parametrize("name", NO_RECORDS)
def test_what_is_no_record_is_said_so(client: httpx.Client, name: str) -> None:
    said = problem_of(client.post(SERVE, content=NO_RECORDS[name]), 422)
    assert said["error"] == "DataError"
    assert said["expected"]


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_named(client: httpx.Client, name: str) -> None:
    wrong = WRONG_TYPES[name]
    said = problem_of(client.post(SERVE, json=[wrong, wrong]), 422)
    assert said["error"] == "RejectedError"
    (column,) = {column for column, value in wrong.items() if value != RECORD[column]}
    assert [(one["record"], one["column"]) for one in said["set_aside"]] == [(0, column), (1, column)]


def test_a_bad_record_does_not_keep_its_neighbours_from_being_scored(client: httpx.Client) -> None:
    answer = client.post(SERVE, json=[RECORD, {**RECORD, "pages": "three"}]).json()
    assert len(answer["predictions"]) == 1
    assert [(one["record"], one["column"]) for one in answer["set_aside"]] == [(1, "pages")]


def test_a_request_has_at_most_so_many_records(client: httpx.Client) -> None:
    body = b"[" + b",".join([b'{"visit":"v"}'] * (MOST + 1)) + b"]"
    assert problem_of(client.post(SERVE, content=body), 413)["given"] == f"{MOST + 1:,}"


def test_a_column_of_nothing_is_counted_too(client: httpx.Client) -> None:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"visit": pa.nulls(1_000_000_000)})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    headers = {"content-type": "application/vnd.apache.arrow.stream"}
    answer = client.post(SERVE, content=sink.getvalue().to_pybytes(), headers=headers)
    assert problem_of(answer, 413)["given"] == "1,000,000,000"


def test_what_is_no_arrow_stream_is_said_so(client: httpx.Client) -> None:
    headers = {"content-type": "application/vnd.apache.arrow.stream"}
    assert problem_of(client.post(SERVE, content=b"no stream", headers=headers), 422)["error"] == "DataError"


def test_a_body_has_at_most_so_many_bytes(shop: Shop, client_of: Clients) -> None:
    small = client_of(shop.settings(bounds=Bounds(body_bytes=1000)))
    assert problem_of(small.post(SERVE, content=b" " * 1001), 413)["what"] == "the body is too large"
    assert small.post(SERVE, json=RECORD).status_code == 200


def test_a_body_that_comes_in_pieces_is_bounded_too(shop: Shop, client_of: Clients) -> None:
    small = client_of(shop.settings(bounds=Bounds(body_bytes=1000)))

    def pieces() -> Any:
        for _ in range(100):
            yield b" " * 100

    assert problem_of(small.post(SERVE, content=pieces()), 413)["status"] == 413


def test_nothing_is_scored_before_there_is_a_champion(empty_shop: Shop, client_of: Clients) -> None:
    answer = client_of(empty_shop.settings()).post(SERVE, json=RECORD)
    assert problem_of(answer, 503)["error"] == "NotReadyError"
    assert int(answer.headers["retry-after"]) > 0
