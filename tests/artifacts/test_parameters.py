"""Parameters go to YAML and back exact to the last bit, and the file is what its published schema says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml_pipeline.artifacts import parameters
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Floats
from ml_pipeline.errors import ChainError, IntegrityError
from ml_pipeline.models import Impute, Levels, LogisticRegression, Spline, Standardise

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
dtypes = st.sampled_from(parameters.DTYPES)
long_arrays = dtypes.flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9))
).filter(lambda array: array.ndim > 1 or array.size > parameters.SHORT)
vectors = st.lists(st.floats(), max_size=70)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | words | long_arrays | vectors,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
coefficients = st.dictionaries(words, st.floats() | vectors | st.dictionaries(words, st.floats(), max_size=4))
documents = st.fixed_dictionaries(
    {
        "features": st.lists(st.fixed_dictionaries({"columns": st.lists(words)}, optional={"knots": values})),
        "estimator": st.fixed_dictionaries(
            {"bias": st.floats(), "coefficients": coefficients}, optional={"fit": values}
        ),
    }
)


@cache
def validator() -> Any:
    schema = json.loads(Path(parameters.__file__).with_name("parameters.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def bits(value: Any) -> Any:
    """A value as something that is equal only where every bit is; all NaN that stand in plain YAML are one."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, float):
        return "nan" if value != value else value.hex()
    if isinstance(value, dict):
        return [(key, bits(entry)) for key, entry in value.items()]
    return [bits(entry) for entry in value] if isinstance(value, list) else (type(value), value)


@settings(max_examples=40)
@given(st.dictionaries(words, values, max_size=5))
@example({"a": [-0.0, 5e-324, 2.2250738585072009e-308, float("nan"), float("inf"), float("-inf"), 1e17, 0.1]})
@example({"b": np.array([[-0.0, 5e-324], [np.nan, -np.inf]]), "c": np.frombuffer(bytes(range(256)) * 8, "<f8")})
@example({"NO": {"yes": 1.0, "1e3": 2.0, "null": 3.0, "": 4.0}})
def test_what_is_dumped_is_loaded_bit_for_bit(learnt: dict[str, Any]) -> None:
    assert bits(parameters.load(parameters.dump(learnt, "AnyModel"))) == bits(learnt)


@settings(max_examples=30)
@given(documents)
def test_every_file_follows_the_published_schema(learnt: dict[str, Any]) -> None:
    validator().validate(yaml.safe_load(parameters.dump(learnt, "AnyModel")))


@given(arrays.arrays("<f8", st.integers(0, parameters.SHORT)))
def test_a_short_vector_is_readable_and_comes_back_as_a_list(vector: Floats) -> None:
    text = parameters.dump({"v": vector}, "AnyModel")
    assert b"base64" not in text
    assert bits(parameters.load(text)["v"]) == bits(vector.tolist())


def test_numpy_scalars_and_tuples_are_plain_values() -> None:
    learnt = {"a": np.float64(0.1), "b": np.int32(3), "c": np.bool_(True), "d": (1, (2.5,))}
    assert parameters.load(parameters.dump(learnt, "AnyModel")) == {"a": 0.1, "b": 3, "c": True, "d": [1, [2.5]]}


@pytest.mark.parametrize("dtype", [">f8", ">i4"])
def test_bytes_are_little_endian_wherever_they_are_written(dtype: str) -> None:
    array = np.arange(100).astype(dtype)
    packed = yaml.safe_load(parameters.dump({"a": array}, "AnyModel"))["parameters"]["a"]
    assert packed["dtype"] == "<" + dtype[1:]
    restored = parameters.load(parameters.dump({"a": array}, "AnyModel"))["a"]
    np.testing.assert_array_equal(restored, array)


def test_an_array_that_is_a_view_is_stored_as_it_looks() -> None:
    view = np.arange(600.0).reshape(20, 30)[::2, ::-3].T
    np.testing.assert_array_equal(parameters.load(parameters.dump({"a": view}, "AnyModel"))["a"], view)


@pytest.mark.parametrize(
    "array",
    [np.array(["a"] * 100), np.array([object()] * 100), np.zeros(100, complex), np.zeros(100, "datetime64[us]")],
    ids=lambda array: str(array.dtype),
)
def test_an_array_the_file_has_no_room_for_is_refused(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ChainError, match="no room for") as caught:
        parameters.dump({"a": array}, "AnyModel")
    assert str(array.dtype) in caught.value.given


class Late(Chain):
    features = (Impute("wind"), Spline("wind", knots=6), Levels("carrier", rare=5), Standardise())
    estimator = LogisticRegression(ridge=(0.7, 2.0))


def batch(rows: int) -> tuple[dict[str, Column], Floats]:
    chance = np.random.default_rng(3)
    wind = np.where(chance.random(rows) < 0.1, np.nan, chance.gamma(2.0, 5.0, rows))
    carrier = Category(chance.integers(-1, 4, rows).astype(np.int32), ("NO", "yes", "1e3", "null"))
    return {"wind": wind, "carrier": carrier}, (chance.random(rows) < 0.3).astype(np.float64)


def test_a_fitted_model_scores_the_same_to_the_bit_and_follows_the_schema() -> None:
    x, y = batch(400)
    fitted = Late.fit(Late().parameters, x, y)
    text = parameters.dump(fitted, "Late")
    validator().validate(yaml.safe_load(text))
    assert Late.transform(x, parameters.load(text)).tobytes() == Late.transform(x, fitted).tobytes()
    assert parameters.dump(parameters.load(text), "Late") == text


GOOD = "format: ml-pipeline/parameters/1\nmodel: Late\nparameters: {}\n"
PACKED = "{{dtype: {}, shape: {}, base64: {}}}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "[1, 2]",
        GOOD.replace("/1", "/2"),
        GOOD.replace("format: ml-pipeline/parameters/1\n", ""),
        GOOD.replace("parameters: {}\n", ""),
        GOOD.replace("{}", "[1.0]"),
        GOOD.replace("{}", "!!python/object/apply:os.getcwd []"),
        GOOD.replace("{}", "{a: " + PACKED.format("O", "[1]", "AAAAAAAAAAA=") + "}"),
        GOOD.replace("{}", "{a: " + PACKED.format("<f8", "[2]", "AAAAAAAAAAA=") + "}"),
        GOOD.replace("{}", "{a: " + PACKED.format("<f8", "[1]", "AAAA") + "}"),
        GOOD.replace("{}", "{a: " + PACKED.format("<f8", "[1]", "'*AAAAAAAAAAA='") + "}"),
        GOOD.replace("{}", "{a: " + PACKED.format("<f8", "one", "AAAAAAAAAAA=") + "}"),
    ],
)
def test_what_is_no_parameters_file_is_told_by_name(text: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        parameters.load(text.encode(), "s3://bucket/models/1/parameters.yaml")
    assert "s3://bucket/models/1/parameters.yaml" in caught.value.given
