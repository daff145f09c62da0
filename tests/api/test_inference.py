from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from ml_pipeline.api.tensors import InputTensor, from_columns, to_columns
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category
from ml_pipeline.discovery import find
from tests.api.conftest import Clients
from tests.api_site import Shop

INFER = "/v2/models/shop/infer"
ROWS: dict[str, list[Any]] = {
    "pages": [3.0, 1.0],
    "basket": [12.5, 80.0],
    "device": ["phone", "laptop"],
    "came_from": ["search", "nowhere"],
}
NULLS: dict[str, list[Any]] = {
    "pages": [None, 1.0],
    "basket": [None, 80.0],
    "device": [None, "laptop"],
    "came_from": [None, "nowhere"],
}


def predicted(shop: Shop, rows: dict[str, list[Any]]) -> list[float]:
    """What the model itself gives."""
    use_case, registry = find("shop"), Registry(Store(shop.store).within("shop"))
    columns = {
        name: Category.of(values) if name in ("device", "came_from") else np.array(values, np.float64)
        for name, values in rows.items()
    }
    model = use_case.load(use_case.config.model)
    found: list[float] = model.transform(columns, registry.parameters(registry.champion())).tolist()
    return found


def tensors(rows: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """As the protocol has them in JSON."""
    kinds = {"pages": "FP64", "basket": "FP64", "device": "BYTES", "came_from": "BYTES"}
    return [
        {"name": name, "shape": [len(values)], "datatype": kinds[name], "data": values} for name, values in rows.items()
    ]


def triton_inputs(rows: dict[str, list[Any]]) -> list[triton.InferInput]:
    """The same for the client of somebody else."""
    inputs = []
    for name, values in rows.items():
        text = isinstance(values[0], str)
        tensor = triton.InferInput(name, [len(values)], "BYTES" if text else "FP64")
        tensor.set_data_from_numpy(np.array(values, np.object_ if text else np.float64), binary_data=False)
        inputs.append(tensor)
    return inputs


@pytest.fixture
def served(shop: Shop, client_of: Clients) -> tuple[Shop, httpx.Client]:
    """A server, and the store behind it."""
    return shop, client_of(shop.settings())


def test_a_client_that_we_did_not_write_understands_us(served: tuple[Shop, httpx.Client]) -> None:
    shop, client = served
    version = Registry(Store(shop.store).within("shop")).champion()
    with triton.InferenceServerClient(client.base_url.netloc.decode()) as other:
        assert other.is_server_live()
        assert other.is_server_ready()
        assert other.is_model_ready("shop")
        assert other.is_model_ready("shop", version)
        assert not other.is_model_ready("nothing")
        assert other.get_server_metadata()["name"] == "ml-pipeline"
        metadata = other.get_model_metadata("shop")
        assert [(one["name"], one["datatype"], one["shape"]) for one in metadata["inputs"]] == [
            ("pages", "FP64", [-1]),
            ("basket", "FP64", [-1]),
            ("device", "BYTES", [-1]),
            ("came_from", "BYTES", [-1]),
        ]
        assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]
        assert metadata["versions"] == [version]
        outputs = [triton.InferRequestedOutput("prediction", binary_data=False)]
        for asked in ("", version):
            answer = other.infer("shop", triton_inputs(ROWS), model_version=asked, outputs=outputs, request_id="7")
            assert answer.as_numpy("prediction").tolist() == predicted(shop, ROWS)
            assert answer.get_response()["model_version"] == version
            assert answer.get_response()["id"] == "7"
        assert other.infer("shop", triton_inputs(ROWS)).as_numpy("prediction").tolist() == predicted(shop, ROWS)


def test_and_gets_an_error_it_understands(served: tuple[Shop, httpx.Client]) -> None:
    with triton.InferenceServerClient(served[1].base_url.netloc.decode()) as other:
        with pytest.raises(InferenceServerException, match="'came_from' is missing"):
            other.infer("shop", triton_inputs({"basket": [1.0]}))
        with pytest.raises(InferenceServerException, match="there is no such model"):
            other.get_model_metadata("nothing")


def test_its_binary_tensors_are_refused_in_words(served: tuple[Shop, httpx.Client]) -> None:
    tensor = triton.InferInput("pages", [1], "FP64")
    tensor.set_data_from_numpy(np.array([1.0]), binary_data=True)
    with (
        triton.InferenceServerClient(served[1].base_url.netloc.decode()) as other,
        pytest.raises(InferenceServerException, match="binary_data=False"),
    ):
        other.infer("shop", [tensor])


def test_null_is_what_is_missing(served: tuple[Shop, httpx.Client]) -> None:
    shop, client = served
    answer = client.post(INFER, json={"inputs": tensors(NULLS)})
    assert answer.json()["outputs"][0]["data"] == predicted(shop, NULLS)


def test_numbers_may_be_of_any_type(served: tuple[Shop, httpx.Client]) -> None:
    shop, client = served
    inputs = tensors({**ROWS, "pages": [3, 1], "basket": [True, None]})
    inputs[0]["datatype"], inputs[1]["datatype"] = "INT64", "BOOL"
    answer = client.post(INFER, json={"inputs": inputs})
    assert answer.json()["outputs"][0]["data"] == predicted(shop, {**ROWS, "basket": [1.0, None]})


def test_data_may_be_nested_and_shapes_have_a_column(served: tuple[Shop, httpx.Client]) -> None:
    shop, client = served
    inputs = [{**tensor, "shape": [2, 1], "data": [[value] for value in tensor["data"]]} for tensor in tensors(ROWS)]
    assert client.post(INFER, json={"inputs": inputs}).json()["outputs"][0]["data"] == predicted(shop, ROWS)


def test_many_rows_take_the_long_way(served: tuple[Shop, httpx.Client]) -> None:
    shop, client = served
    many = {name: values * 4000 for name, values in ROWS.items()}
    answer = client.post(INFER, json={"inputs": tensors(many)}).json()
    assert answer["outputs"][0]["shape"] == [8000]
    assert answer["outputs"][0]["data"][:2] == predicted(shop, ROWS)


def change(at: int, **more: Any) -> list[dict[str, Any]]:
    """The inputs with one of them changed."""
    inputs = tensors(ROWS)
    inputs[at] |= more
    return inputs


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (tensors(ROWS)[:3], "'came_from' is missing"),
        (tensors(ROWS) + tensors(ROWS)[:1], "there twice"),
        ([*tensors(ROWS), {"name": "more", "shape": [2], "datatype": "FP64", "data": [1, 2]}], "not one of the model"),
        (change(0, datatype="BYTES", data=["1", "2"]), "the datatype BYTES"),
        (change(0, datatype="FP128"), "the datatype FP128"),
        (change(0, data=["1", "2"]), "Expected `float | null`"),
        (change(2, data=[1, 2]), "Expected `str | null`"),
        (change(0, data=[1, 2, 3]), "3 values"),
        (change(0, data=3), "Expected `array`"),
        (change(0, shape=[]), "the shape []"),
        (change(0, shape=[0], data=[]), "the shape [0]"),
        (change(0, shape=[-2]), "the shape [-2]"),
        (change(0, shape=[2, 2], data=[1, 2, 3, 4]), "the shape [2, 2]"),
        (change(0, shape=[3], data=[1, 2, 3]), "differ in rows"),
        (change(0, datatype="INT64", data=[1.5, 2]), "Expected `int | null`"),
        (change(0, shape=[1 << 62]), "too many records"),
    ],
)
def test_what_is_no_tensor_is_refused(client: httpx.Client, inputs: Any, words: str) -> None:
    answer = client.post(INFER, json={"inputs": inputs})
    assert answer.status_code in (413, 422)
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"inputs": 1}', b"[" * 1_000_000, b'{"inputs": [{"name": "pages", "data": NaN}]}']
)
def test_what_is_no_request_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post(INFER, content=body)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("DataError: the body is no inference request")


def test_an_output_that_is_not_there_is_refused(client: httpx.Client) -> None:
    answer = client.post(INFER, json={"inputs": tensors(ROWS), "outputs": [{"name": "loss"}]})
    assert (answer.status_code, "no such output" in answer.text) == (422, True)


def test_a_version_that_is_not_there_is_said_so(client: httpx.Client) -> None:
    for answer in (
        client.get("/v2/models/shop/versions/0123456789abcdef"),
        client.get("/v2/models/shop/versions/0123456789abcdef/ready"),
        client.post("/v2/models/shop/versions/0123456789abcdef/infer", json={"inputs": tensors(ROWS)}),
    ):
        assert answer.status_code == 404
        assert "there is no such model" in answer.json()["error"]


def test_without_a_champion_it_is_not_ready(empty_shop: Shop, client_of: Clients) -> None:
    client = client_of(empty_shop.settings())
    assert client.get("/v2/health/live").status_code == 200
    for path in ("/v2/health/ready", "/v2/models/shop/ready", "/v2/models/shop"):
        assert client.get(path).status_code == 503
    assert client.post(INFER, json={"inputs": tensors(ROWS)}).status_code == 503


def tensor(**fields: Any) -> InputTensor:
    """As it is decoded."""
    import msgspec

    return msgspec.json.decode(json.dumps({"name": "x", **fields}), type=InputTensor)


def test_moments_and_blocks_travel_too() -> None:
    times = tensor(shape=[2], datatype="BYTES", data=["2024-06-16T12:00:00Z", None])
    block = tensor(shape=[2, 3], datatype="FP64", data=[1, 2, 3, 4, None, 6])
    (when,) = to_columns([times], {"x": "time"}).values()
    (square,) = to_columns([block], {"x": "block"}).values()
    assert np.asarray(when)[0] == np.datetime64("2024-06-16T12:00")
    assert np.isnat(np.asarray(when)[1])
    assert np.asarray(square).shape == (2, 3)
    said = from_columns({"when": when, "square": square, "word": Category.of(["a", None])})
    assert [(one.name, one.datatype, one.shape) for one in said] == [
        ("when", "BYTES", [2]),
        ("square", "FP64", [2, 3]),
        ("word", "BYTES", [2]),
    ]
    assert said[0].data == ["2024-06-16T12:00:00.000000Z", None]
    assert said[2].data == ["a", None]
