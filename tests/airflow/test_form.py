from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError
from ml_pipeline_airflow.form import form

from ml_pipeline.discovery import find


def resolve(name: str, value: Any) -> Any:
    return form(find("demo").config, "offline")[name].resolve(value)


pytestmark = pytest.mark.usefixtures("demo")


@pytest.mark.parametrize(
    "text", [None, "2013-09-01", "2013-09-01T06:00", "2013-09-01 06:00:00", "2013-09-01T06:00:00.5+02:00"]
)
def test_moments_are_taken(text: str | None) -> None:
    assert resolve("as_of", text) == text


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2013-13-01", "2013-09-32", "1.9.2013", "2013-09-01T25:00", "2013-09-01; rm", 20130901]
)
def test_anything_else_is_refused_before_the_run(text: Any) -> None:
    with pytest.raises(ParamValidationError):
        resolve("as_of", text)


def test_force_names_stages_and_steps_of_this_use_case() -> None:
    assert resolve("force", ["train", "prepare", "prepare.weather"])
    for wrong in (["serve"], ["prepare.planes"], "train", ["train", "train"]):
        with pytest.raises(ParamValidationError):
            resolve("force", wrong)


def test_parameters_are_an_object() -> None:
    assert resolve("parameters", {"split.test": "122d"})
    with pytest.raises(ParamValidationError):
        resolve("parameters", ["split.test"])


def test_defaults_ask_for_nothing() -> None:
    fields = form(find("demo").config, "online")
    assert {name: field.resolve() for name, field in fields.items()} == {"as_of": None, "force": [], "parameters": {}}
