"""The same records in the words of each contender, and the probabilities in its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import data
from tests.benchmarks.online_model import Learnt, Record

Words = Callable[[Learnt, Sequence[Record]], Any]
Reader = Callable[[Any], list[float]]
BODIES = {1: 128, 100: 16}
"""Rows of a request -> how many requests there are, sent in turn."""


def raw(_: Learnt, records: Sequence[Record]) -> Any:
    """An object for one, an array for many."""
    return records[0] if len(records) == 1 else list(records)


def listed(_: Learnt, records: Sequence[Record]) -> Any:
    """An array, also for one."""
    return list(records)


def in_records(_: Learnt, records: Sequence[Record]) -> Any:
    """For BentoML, by the name of the method's parameter."""
    return {"records": list(records)}


def in_array(known: Learnt, records: Sequence[Record]) -> Any:
    """For BentoML: numbers alone."""
    return {"x": [known.terms(record) for record in records]}


def tensor(known: Learnt, records: Sequence[Record]) -> Any:
    """For MLServer: numbers alone."""
    terms = [known.terms(record) for record in records]
    shape = [len(terms), len(terms[0])]
    return {**_probabilities(), "inputs": [{"name": "x", "shape": shape, "datatype": "FP64", "data": terms}]}


def frame(_: Learnt, records: Sequence[Record]) -> Any:
    """For MLServer: a tensor for each column, to be made a data frame."""
    numbers = [_input(name, "FP64", records) for name in data.NUMBERS]
    levels = [{**_input(name, "BYTES", records), "parameters": {"content_type": "str"}} for name in data.LEVELS]
    return {**_probabilities(), "parameters": {"content_type": "pd"}, "inputs": [*numbers, *levels]}


def columns(_: Learnt, records: Sequence[Record]) -> Any:
    """For the product's own door of the same protocol: combined features."""
    numbers = [_input(name, "FP64", records) for name in data.NUMBERS]
    return {"inputs": [*numbers, *(_input(name, "BYTES", records) for name in data.LEVELS)]}


def write(file: Path, words: Words, known: Learnt, records: Sequence[Record], rows: int) -> None:
    """A request a line, of so many rows each."""
    sent = ([records[(at * rows + row) % len(records)] for row in range(rows)] for at in range(BODIES[rows]))
    file.write_text("".join(f"{json.dumps(words(known, each))}\n" for each in sent))


def of_predictions(answer: Any) -> list[float]:
    """What the product answers to raw records."""
    return [float(each["prediction"]) for each in answer["predictions"]]


def of_outputs(answer: Any) -> list[float]:
    """The Open Inference Protocol: a probability a row, or one for each of two classes, of which the second counts."""
    found = next(own for own in answer["outputs"] if own["datatype"].startswith("FP"))
    return [float(each) for each in (found["data"][1::2] if found["shape"][1:] == [2] else found["data"])]


def of_list(answer: Any) -> list[float]:
    """An array of them."""
    return [float(each) for each in answer]


def _input(name: str, datatype: str, records: Sequence[Record]) -> dict[str, Any]:
    return {"name": name, "shape": [len(records), 1], "datatype": datatype, "data": [own[name] for own in records]}


def _probabilities() -> dict[str, Any]:
    return {"outputs": [{"name": "predict_proba"}]}
