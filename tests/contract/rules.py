"""What holds of every model. A rule takes a subject and raises an AssertionError that says what is broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.chain import Chain, Preparation
from ml_pipeline.columns import Bag, Category, Column, Columns, Floats, count, kind, take
from tests.contract.compare import apart, bits, differing, joined, rows
from tests.contract.sandbox import isolated
from tests.contract.subjects import Recipe, Subject

Batches = list[tuple[dict[str, Column], Floats]]
Rule = Callable[[Subject], None]
MANY = 9001
"""More rows than any model works on at a time."""
SOME = 25
LONG = 300
"""Letters of an error that are shown: parameters may be thousands of numbers."""


def leaves_what_it_is_given(subject: Subject) -> None:
    """No method changes columns, labels, parameters or statistics."""
    model, x, y = subject.model, subject.x, subject.y
    given = {"columns": x, "labels": y, "start": subject.start, "parameters": subject.parameters}
    if model.learns:
        a, b = (model.accumulate(subject.start, *batch) for batch in _parts(subject, (0.5,)))
        given |= {"statistics": (a, b), "merged statistics": model.merge(a, b)}
    before = copy.deepcopy(given)
    model.transform(x, subject.parameters)
    if model.learns:
        model.update(subject.start, given["merged statistics"])
        model.merge(*given["statistics"])
        model.fit(subject.start, x, y)
    changed = [what for what in given if bits(given[what]) != bits(before[what])]
    assert not changed, f"{model.__name__} changes the {' and '.join(changed)} that it is given"


def needs_nothing_but_what_it_is_given(subject: Subject) -> None:
    """No clock, chance, environment, file or network, neither to learn nor to answer."""
    model, parameters = subject.model, subject.parameters
    model.transform(subject.x, parameters)  # imports what it imports when it is first called
    with isolated(model.__module__.partition(".")[0]):
        model.transform(subject.x, parameters)
        model.fit(subject.start, subject.x, subject.y)


def answers_the_same_twice(subject: Subject) -> None:
    """The very same bits."""
    again = subject.model.fit(subject.start, subject.x, subject.y)
    assert bits(again) == bits(subject.parameters), f"{subject.model.__name__} learns something else the second time"
    first, second = rows(subject.transform(subject.x)), rows(subject.transform(subject.x))
    assert first == second, f"{subject.model.__name__} gives other values the second time: {differing(first, second)}"


def treats_each_row_alone(subject: Subject) -> None:
    """A row gives the same bits alone, in slices, among others in any order, and as it comes online."""
    rng, number = np.random.default_rng(3), count(subject.x)
    whole = rows(subject.transform(subject.x))
    for cuts in ((1, 2, number // 2, number - 1), tuple(range(97, number, 97))):
        _same(subject, whole, joined(map(_answer(subject), _cut(subject.x, cuts))), "in slices")
    some = rng.permutation(number)[:SOME]
    alone = joined(_answer(subject)(take(subject.x, slice(place, place + 1))) for place in some)
    _same(subject, alone, rows(subject.transform(take(subject.x, some))), "in another order")
    many = rows(subject.transform(take(subject.x, np.concatenate([some, np.arange(MANY) % number]))))
    again = rows(subject.transform(take(subject.x, np.arange(MANY) % number)))
    _same(subject, joined([alone, again]), many, "in a large batch")
    _same(subject, whole, {name: own[: len(whole[name])] for name, own in again.items()}, "in a large batch")


def treats_rows_in_any_order(subject: Subject) -> None:
    """A table made of all rows is the same whatever their order and the order of their vocabularies."""
    turned = as_online(take(subject.x, np.random.default_rng(3).permutation(count(subject.x))))
    table, other = (
        sorted(map(str, zip(*rows(subject.transform(x)).values(), strict=True))) for x in (subject.x, turned)
    )
    assert table == other, f"{subject.model.__name__} gives another table when rows come in another order"


def goes_through_yaml(subject: Subject) -> None:
    """Parameters follow the published schema, and come back from their file to the last bit."""
    model, parameters = subject.model, subject.parameters
    try:
        content = parameters_file.dump(parameters, model.__name__)
        restored = parameters_file.load(content)
        answer = rows(model.transform(subject.x, restored))
    except Exception as error:
        raise AssertionError(f"{model.__name__} learns what its YAML cannot hold: {str(error)[:LONG]}") from error
    _follows_the_schema(subject, content)
    assert parameters_file.dump(restored, model.__name__) == content, "the file is another when it is written again"
    wrong = differing(answer, rows(subject.transform(subject.x)))
    assert not wrong, f"{model.__name__} gives other values after its parameters were stored: {wrong}"


def sums_up_in_parts(subject: Subject) -> None:
    """Statistics of parts merge to those of the whole, in any grouping; those of no rows change nothing."""
    model, parameters = subject.model, subject.start
    while not model.fitted(parameters):
        whole = model.accumulate(parameters, subject.x, subject.y)
        a, b, c, nothing = (model.accumulate(parameters, *batch) for batch in _parts(subject, (0.2, 0.7, 1.0)))
        merge = model.merge
        grouped = {
            "the whole and its parts": (whole, reduce(merge, (a, b, c))),
            "(a + b) + c and a + (b + c)": (merge(merge(a, b), c), merge(a, merge(b, c))),
            "a and a with no rows": (a, merge(a, nothing)),
            "a and no rows with a": (a, merge(nothing, a)),
        }
        for what, (one, other) in grouped.items():
            wrong = [*apart(one, other)][:3]
            assert not wrong, f"{model.__name__}: the statistics of {what} are not the same: {'; '.join(wrong)}"
        parameters = model.update(parameters, whole)


def learns_the_same_from_any_batches(subject: Subject) -> None:
    """Up to rounding, whatever the size of the batches, and whatever order their vocabularies are in."""

    def total(model: Any, parameters: Any, x: Batches, y: None) -> Any:
        return reduce(model.merge, [model.accumulate(parameters, *batch) for batch in x])

    for shares in ((0.01, 0.02, 0.6, 0.6), (0.3, 0.5, 0.9)):
        learnt = subject.model.fit(subject.start, _parts(subject, shares), None, total)
        wrong = [*apart(learnt, subject.parameters)][:3]
        assert not wrong, f"{subject.model.__name__} learns something else in other batches: {'; '.join(wrong)}"


def keeps_what_outputs_promises(subject: Subject) -> None:
    """The columns that `outputs` names leave `transform`, each of its kind; before and after it has learnt."""
    before = {name: kind(column) for name, column in subject.x.items()}
    given = {name: kind(column) for name, column in _columns(subject.transform(subject.x)).items()}
    for parameters in (subject.start, subject.parameters):
        promised = subject.model.outputs(parameters, before)
        assert promised == given, f"{subject.model.__name__} promises {promised} and gives {given}"


def gives_whole_columns(subject: Subject) -> None:
    """Each of a shape that columns may have, all of one length; only links of a chain may give bags."""
    result = subject.transform(subject.x)
    for columns in map(_columns, result if isinstance(result, list) else [result]):
        assert len({len(column) for column in columns.values()}) <= 1, "columns differ in length"
        bad = {name: fault for name, column in columns.items() if (fault := _fault(column))}
        assert not bad, f"{subject.model.__name__} gives what is no column: {bad}"


def makes_nothing_of_nothing(subject: Subject) -> None:
    """No rows give no rows, with the same columns of the same kinds."""
    some, none = subject.transform(subject.x), subject.transform(as_online(take(subject.x, slice(0, 0))))
    for one, other in zip(*([it] if not isinstance(it, list) else it for it in (some, none)), strict=True):
        columns, empty = _columns(one), _columns(other)
        assert {n: kind(c) for n, c in columns.items()} == {n: kind(c) for n, c in empty.items()}, "other columns"
        assert not any(map(len, empty.values())), f"{subject.model.__name__} makes rows of nothing"


def keeps_every_row(subject: Subject) -> None:
    """A preparation marks bad records and drops none; only those leave that it says are not in question."""
    after, before = count(subject.transform(subject.x)), count(subject.x)
    assert after == before, f"{subject.model.__name__} gives {after} rows for {before}"


def _chooses(model: Any) -> bool:
    return any(link.chooses for link in model.steps)


RULES: dict[Rule, Callable[[Recipe], bool]] = {
    leaves_what_it_is_given: lambda recipe: True,
    needs_nothing_but_what_it_is_given: lambda recipe: True,
    answers_the_same_twice: lambda recipe: True,
    gives_whole_columns: lambda recipe: True,
    makes_nothing_of_nothing: lambda recipe: True,
    treats_each_row_alone: lambda recipe: recipe.by_row,
    treats_rows_in_any_order: lambda recipe: not recipe.by_row,
    goes_through_yaml: lambda recipe: recipe.stored,
    keeps_what_outputs_promises: lambda recipe: recipe.stored and not issubclass(recipe.model, Preparation),
    sums_up_in_parts: lambda recipe: recipe.model.learns,
    learns_the_same_from_any_batches: lambda recipe: recipe.model.learns,
    keeps_every_row: lambda recipe: issubclass(recipe.model, Preparation) and not _chooses(recipe.model),
}
"""Each rule, and the models it is for."""


def cases(recipes: Sequence[Recipe]) -> Iterator[tuple[str, Rule, Recipe]]:
    """Every model with every rule for it, and a name for the pair; all rules of a model after one another."""
    for recipe in recipes:
        for rule, is_for in RULES.items():
            if is_for(recipe):
                yield f"{recipe.name}-{rule.__name__}", rule, recipe


def as_online(x: Columns) -> dict[str, Any]:
    """Rows as they come one by one: arrays of their own, a vocabulary of their own."""
    return {name: _own(column) for name, column in x.items()}


def _own(column: Any) -> Any:
    if isinstance(column, Category):
        return Category.of(column.values())
    return column[np.arange(len(column))] if isinstance(column, Bag) else column.copy()


def _answer(subject: Subject) -> Callable[[Columns], dict[str, list[Any]]]:
    return lambda x: rows(subject.transform(as_online(x)))


def _cut(x: Columns, cuts: Sequence[int]) -> list[dict[str, Column]]:
    ends = zip((0, *cuts), (*cuts, None), strict=True)
    return [take(x, slice(*own)) for own in ends]


def _parts(subject: Subject, shares: Sequence[float]) -> Batches:
    """The rows cut at some shares, every second batch with a vocabulary of its own."""
    cuts = [int(share * count(subject.x)) for share in shares]
    parts = zip(_cut(subject.x, cuts), _cut({"y": subject.y}, cuts), strict=True)
    return [(as_online(x) if place % 2 else x, y["y"]) for place, (x, y) in enumerate(parts)]  # type: ignore[misc]


def _same(subject: Subject, one: dict[str, Any], other: dict[str, Any], how: str) -> None:
    wrong = differing(one, other)
    assert not wrong, f"rows of {subject.model.__name__} are others {how}: {wrong}"


def _columns(result: Any) -> dict[str, Any]:
    return result if isinstance(result, dict) else {"prediction": result}


def _fault(column: Any) -> str:
    """Why something is no column."""
    if isinstance(column, Bag):
        return "" if (np.diff(column.offsets) >= 0).all() else "a bag whose rows end before they begin"
    if isinstance(column, Category):
        inside = column.codes.dtype == np.int32 and bool(
            ((column.codes >= -1) & (column.codes < len(column.vocabulary))).all()
        )
        return "" if inside and len(set(column.vocabulary)) == len(column.vocabulary) else "codes without words"
    if not isinstance(column, np.ndarray):
        return f"a {type(column).__name__}"
    shapes = {"float64": (1, 2), "datetime64[us]": (1,)}
    return "" if column.ndim in shapes.get(str(column.dtype), ()) else f"{column.dtype} of {column.ndim} dimensions"


def _follows_the_schema(subject: Subject, content: bytes) -> None:
    for fault in _validator().iter_errors(_document(subject, content)):
        said = f"{fault.json_path}: {fault.message[:LONG]}"
        raise AssertionError(f"the YAML of {subject.model.__name__} is not as the schema says: {said}")


@cache
def _validator() -> Any:
    schema = json.loads(Path(parameters_file.__file__).with_name("parameters.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def _document(subject: Subject, content: bytes) -> Any:
    """The file as it stands; a link's as it stands in that of a chain."""
    document = parameters_file.plain_yaml.load(content)
    if not issubclass(subject.model, Chain):
        own = document["parameters"]
        nothing = {"bias": 0.0, "coefficients": {}}
        estimates = "coefficients" in own
        document["parameters"] = {"features": [] if estimates else [own], "estimator": own if estimates else nothing}
    return document
