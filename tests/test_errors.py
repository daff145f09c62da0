from __future__ import annotations

import inspect
import json
import pickle
import re

import pytest

from ml_pipeline import errors
from ml_pipeline.errors import DataError, PipelineError

TREE = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, PipelineError)]


def drawn() -> dict[str, str]:
    """Class -> parent, as the drawing at the top of the file says."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^([│ ]*[├└]── )?([A-Z][A-Za-z]+)(?:  |$)", line):
            depth = len(found[1] or "") // 4
            path[depth:] = [found[2]]
            parents[found[2]] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == {error.__name__: error.__bases__[0].__name__ for error in TREE}


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_every_door_has_its_answer(error: type[PipelineError]) -> None:
    assert 0 < error.exit_code < 256
    assert error.exit_code != 1  # an exception that nobody foresaw
    assert error.http_status in {200, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503}
    if issubclass(error, DataError):
        assert error.exit_code == 65


def test_an_error_says_what_was_given_what_was_expected_and_what_to_do() -> None:
    error = DataError("there are no rows", given=0, expected="at least one", do="mend the source")
    assert str(error) == "there are no rows. Given: 0. Expected: at least one. To do: mend the source"
    assert str(DataError("There are no rows.")) == "There are no rows."


def test_sentences_end_with_one_full_stop() -> None:
    assert str(DataError("a.", given="b.", expected="c.")) == "a. Given: b. Expected: c."


def test_the_json_form_is_plain() -> None:
    error = DataError("there are no rows", given=[1, 2])
    assert json.loads(json.dumps(error.as_dict())) == {
        "error": "DataError",
        "what": "there are no rows",
        "given": "[1, 2]",
        "expected": "",
        "do": "",
        "exit_code": 65,
    }


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_an_error_may_cross_to_another_process(error: type[PipelineError]) -> None:
    made = error("what", given="given", expected="expected", do="do")
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is error
    assert again.as_dict() == made.as_dict()
