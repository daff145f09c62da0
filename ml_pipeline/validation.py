"""Everything that can be checked of a use case before it runs; each finding says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from inspect import getattr_static
from typing import Any

import msgspec

from ml_pipeline.artifacts.store import Store
from ml_pipeline.chain import Chain, Preparation, check_links
from ml_pipeline.columns import Columns, count, kind
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.config_rules import METRICS
from ml_pipeline.contract import Mode
from ml_pipeline.data import naming, sampling
from ml_pipeline.data.leaks import ROWS, leaks
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import ConfigError, NothingToDo, PipelineError, QuarantineError, SchemaError
from ml_pipeline.graph import SAID
from ml_pipeline.models.evaluation import check_floor
from ml_pipeline.models.explanation import SIGNS
from ml_pipeline.stages import Step, Task, steps, tasks
from ml_pipeline.templates import BaseModel

CHECKS = "ml_pipeline.checks"
"""Entry points of further checks, such as that of the container images: a use case to what was found, or an error."""
Say = Callable[[str], None]


class Check(msgspec.Struct, frozen=True):
    """Something that was looked at. `ok`: as it must be; None where that cannot be said, or not yet."""

    what: str
    ok: bool | None
    says: str
    do: str = ""


class Report:
    """What has been found so far."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    @contextmanager
    def looking_at(self, what: str) -> Iterator[Say]:
        """Look at one thing: an error is a finding, and so is what is said otherwise."""
        said: list[str] = []
        try:
            yield said.append
        except _NotLookedAt as why:
            self.checks.append(Check(what, None, str(why)))
        except NothingToDo as yet:
            self.checks.append(Check(what, None, yet.what, yet.do))
        except PipelineError as error:
            given = f" Given: {error.given}." if error.given else ""
            expected = f" Expected: {error.expected}." if error.expected else ""
            self.checks.append(Check(what, False, f"{error.what}.{given}{expected}", error.do))
        else:
            self.checks.append(Check(what, True, " ".join(filter(None, said))))


class _NotLookedAt(Exception):
    """What it would be looked at with is not there."""


def validate(name: str, store: str) -> list[Check]:
    """Look at everything, in the order in which a run would meet it; what rests on a fault is not looked at."""
    report = Report()
    use_case: list[UseCase] = []
    with report.looking_at("pipeline.yaml") as say:
        use_case.append(find(name))
        say(_described(use_case[0].config))
    with report.looking_at("object store") as say:
        Store(store).folders("")
        say(store)
    for found in use_case:
        _further(report, found)
        _code(report, found, store)
    return report.checks


def _described(config: UseCaseConfig) -> str:
    made = "; ".join(f"{mode}: {_images(tasks(config, mode))}" for mode in config.modes)
    return f"sources: {', '.join(config.sources)}; tasks {made}"


def _images(made: Iterable[Task]) -> str:
    """How many tasks there are of each kind of container image."""
    return ", ".join(f"{count} in {image}" for image, count in Counter(task.image for task in made).items())


def _further(report: Report, use_case: UseCase) -> None:
    """What others have to say, who know more than this package may."""
    for entry in entry_points(group=CHECKS):
        with report.looking_at(entry.name) as say:
            try:
                check = entry.load()
            except (ImportError, AttributeError) as error:
                raise _NotLookedAt(f"not looked at: {error}") from error
            say(check(use_case))


def _code(report: Report, use_case: UseCase, store: str) -> None:
    loaded: dict[str, Any] = {}
    with report.looking_at("code") as say:
        loaded |= _load(use_case)
        say(f"{len(loaded)} names can be loaded")
    if loaded:
        prepared = _sources(report, use_case, loaded, store)
        for mode in use_case.config.modes:
            if combine := [step for step in steps(use_case.config, mode) if step.stage.name == "combine"]:
                with report.looking_at(f"{mode} chain") as say:
                    say(_chain(use_case.config, mode, combine[0], loaded, prepared))


def _load(use_case: UseCase) -> dict[str, Any]:
    config = use_case.config
    named = [own for source in config.sources.values() for own in (source.reader, source.prepare) if own]
    loaded = {name: use_case.load(name) for name in [*named, config.model, config.postprocess]}
    for name, wanted in ((config.model, Chain), (config.postprocess, Preparation)):
        if not isinstance(loaded[name], type) or not issubclass(loaded[name], wanted):
            what, expected = f"{name} is no {wanted.__name__}", f"a class that extends {wanted.__name__}"
            raise ConfigError(what, expected=expected, do="name another class in pipeline.yaml, or let it extend that")
    estimator = loaded[config.model].estimator
    for name in (*config.evaluate.floors, *config.evaluate.slice_floors):
        check_floor(name, METRICS[estimator.predicts])
    if config.learning:
        _goes_on(type(estimator))
    return loaded


def _goes_on(estimator: type[BaseModel]) -> None:
    """Raises: ConfigError: it does not say how to go on learning."""
    if getattr_static(estimator, "continued") is getattr_static(BaseModel, "continued"):
        raise ConfigError(
            f"pipeline.yaml says `learning`, but {estimator.__name__} does not say how to go on",
            expected="an estimator with a class method `continued`",
            do="write it, or leave `learning` out",
        )


def _sources(report: Report, use_case: UseCase, loaded: Mapping[str, Any], store: str) -> dict[str, Columns]:
    """Some records of every source, and what its preparation makes of them."""
    raw: dict[str, Columns] = {}
    prepared: dict[str, Columns] = {}
    for name, source in sorted(use_case.config.sources.items(), key=lambda item: bool(item[1].derived)):
        if source.reader:
            with report.looking_at(f"source {name}") as say:
                address = use_case.address(name, store)
                found = sampling.raw(loaded[source.reader], name, address)
                raw[name] = found.columns
                say(f"records can be read{f' from {address}' if address else ''}: {', '.join(raw[name])}.")
                naming.check_records(use_case.config, name, raw[name])
                say(_set_aside(use_case.config, f"the source {name}", found))
        with report.looking_at(f"preparation of {name}") as say:
            before = _there(prepared, source.derived) if source.derived else _there(raw, name)
            sample = sampling.prepared(loaded[source.prepare], before)
            made = sample.columns
            say(f"{count(before):,} records give {count(made):,} with {', '.join(made)}.")
            say(_slow(loaded[source.prepare]))
            naming.check_prepared(use_case.config, name, made)
            prepared[name] = made
            _no_leak(use_case.config, name, loaded[source.prepare], before)
            say(_set_aside(use_case.config, f"the preparation of {name}", sample))
    return prepared


def _set_aside(config: UseCaseConfig, what: str, sample: sampling.Sample) -> str:
    """What would be set aside, in words.

    Raises:
        QuarantineError: it is more than a run goes on with.
    """
    if sample.share <= config.quarantine.share:
        return sample.told()
    raise QuarantineError(
        f"{what} has more bad records than a run goes on with",
        given=sample.told(),
        expected=f"at most {config.quarantine.at_most}",
        do="mend the records or the check; or say in sources.py which words stand for no value (missing=…), or which "
        "other type the column has; or raise quarantine.at_most in pipeline.yaml",
    )


def _no_leak(config: UseCaseConfig, name: str, prepare: Any, records: Columns) -> None:
    """What is kept of a source that drives must be the same before its truth is known."""
    source = config.sources[name]
    if not source.drives or not (found := leaks(prepare, records, source.truth, config.label)):
        return
    rows = " If rows are chosen or set aside by it, do so by what is known before." if ROWS in found else ""
    raise SchemaError(
        f"the preparation of {name} lets the model see the truth: {found[0]} is truth, or follows from it",
        given=", ".join(found),
        expected=f"nothing but the label {config.label!r} to depend on {', '.join(source.truth)}",
        do=f"do not keep it, or make it of other columns.{rows} If it is known before the label, take it out of truth",
    )


def _slow(prepare: Any) -> str:
    """What a function that asks for a DataFrame costs; it shows only online."""
    frames = [link.name for link in getattr(prepare, "steps", ()) if link.frame]
    return f"{', '.join(frames)} work on a DataFrame: milliseconds for a record online." if frames else ""


def _there(columns: Mapping[str, Columns], name: str) -> Columns:
    if name not in columns:
        raise _NotLookedAt(f"not looked at, because {name} could not be")
    return columns[name]


def _chain(
    config: UseCaseConfig, mode: Mode, combine: Step, loaded: Mapping[str, Any], prepared: Mapping[str, Columns]
) -> str:
    """The columns that the join gives against those that model, slices and postprocessing need."""
    sources = {name: _there(prepared, name) for name in (read.partition(".")[2] for read in combine.reads)}
    columns = sampling.combined(config, mode, sources)
    model: type[Chain] = loaded[config.model]
    model.outputs(model.start(), {name: kind(column) for name, column in columns.items()})
    if mode == "online":
        said = [*model.predicted(), *SAID, *(SIGNS if config.explain else ())]
        check_links(loaded[config.postprocess].steps, {**columns, **dict.fromkeys(said)})
    elif missing := [name for name in config.evaluate.slices if name not in columns]:
        raise SchemaError(
            f"the preparation does not keep {missing[0]!r}, which evaluation needs",
            given=", ".join(columns),
            do="keep it",
        )
    return f"{len(columns)} joined columns; the model reads {len(model.inputs())} of them"
