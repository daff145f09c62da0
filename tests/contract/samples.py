"""A use case's own records, through its own functions: what each of its models is tried on."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Columns, Floats, count
from ml_pipeline.data import sampling
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.models.explanation import reasons
from ml_pipeline.templates import Parameters
from tests.contract.subjects import ROWS, Subject, first, link_name, started, with_gaps

FEW = 600
"""Rows that are enough for a function without parameters."""
NARROW = 128


def sample(name: str, store: Path) -> dict[str, Subject]:
    """The subjects of a use case, by name; what its readers look for is put into `store`."""
    use_case = _with_records(find(name), store)
    raw = {
        source: sampling.raw(use_case.load(own.reader), source, use_case.address(source, str(store)), ROWS).columns
        for source, own in use_case.config.sources.items()
        if own.reader
    }
    prepared = _prepared(use_case, raw)
    model: type[Chain] = use_case.load(use_case.config.model)
    x = sampling.labelled(use_case.config, sampling.combined(use_case.config, "offline", prepared))
    chain = Subject(model, narrowed(model.start()), x, np.asarray(x[use_case.config.label], np.float64))
    return {
        **_preparations(use_case, raw, prepared),
        f"{name}/{model.__name__}": chain,
        **_links(name, model, chain),
        f"{name}/postprocess": _postprocess(use_case, prepared, chain.parameters),
    }


def narrowed(start: Any) -> Any:
    """What a chain starts from, no option above NARROW: with thousands of hash buckets a fit would take seconds."""
    if isinstance(start, dict):
        return {name: narrowed(own) for name, own in start.items()}
    if isinstance(start, list):
        return [narrowed(own) for own in start]
    return min(start, NARROW) if isinstance(start, int) else start


def _with_records(use_case: UseCase, store: Path) -> UseCase:
    """With what the module `demo` puts in place where nothing outside can be reached, if the use case has one."""
    if importlib.util.find_spec(f"{use_case.package}.demo") is None:
        return use_case
    with _alone(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PIPELINE_STORE", str(store))
        return find(use_case.config.name, use_case.load("demo.prepare")())


@contextmanager
def _alone() -> Iterator[None]:
    """No host has an address."""

    def unknown(*_: Any, **__: Any) -> NoReturn:
        raise socket.gaierror("tests of the contract reach no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        yield


def _prepared(use_case: UseCase, raw: Mapping[str, Columns]) -> dict[str, Columns]:
    prepared: dict[str, Columns] = {}
    for source, own in _derived_last(use_case):
        before = prepared[own.derived] if own.derived else raw[source]
        prepared[source] = sampling.prepared(use_case.load(own.prepare), before).columns
    return prepared


def _derived_last(use_case: UseCase) -> list[tuple[str, Any]]:
    return sorted(use_case.config.sources.items(), key=lambda item: bool(item[1].derived))


def _preparations(use_case: UseCase, raw: Mapping[str, Columns], prepared: Mapping[str, Columns]) -> dict[str, Subject]:
    subjects = {}
    for source, own in use_case.config.sources.items():
        model, start = started(use_case.load(own.prepare))
        x = with_gaps(first(prepared[own.derived] if own.derived else raw[source], FEW))
        subjects[f"{use_case.config.name}/{source}"] = Subject(
            model, start, x, np.zeros(count(x)), by_row=not own.derived
        )
    return subjects


def _links(name: str, model: type[Chain], chain: Subject) -> dict[str, Subject]:
    """Each link on what those before it give."""
    subjects = {}
    flowing: Any = {column: chain.x[column] for column in model.inputs()}
    starts, learnt = ([*own["features"], own["estimator"]] for own in (chain.start, chain.parameters))
    for place, (link, start, own) in enumerate(zip(model.links(), starts, learnt, strict=True)):
        subjects[link_name(name, model, place, link)] = Subject(type(link), start, flowing, chain.y)
        flowing = link.transform(flowing, own)
    return subjects


def _postprocess(use_case: UseCase, prepared: Mapping[str, Columns], parameters: Parameters) -> Subject:
    """On predictions, as the stages serve and postprocess hand them over."""
    config = use_case.config
    model, post = use_case.load(config.model), use_case.load(config.postprocess)
    x = first(sampling.combined(config, "online", prepared), FEW)
    prediction: Floats = model.transform(x, parameters)
    said = {
        "prediction": prediction,
        "rank": (-prediction).argsort().argsort() + 1.0,
        "model_version": Category(np.zeros(len(prediction), np.int32), ("abcdef",)),
    }
    why = reasons(model, x, parameters, config.explain) if config.explain else {}
    return Subject(post, post().parameters, {**x, **said, **why}, np.zeros(len(prediction)))
