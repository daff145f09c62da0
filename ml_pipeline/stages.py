"""The one table of stages, and the graph that follows from it for a use case.

DAG edges, storage names, commands and routes all derive from `STAGES`. A per-source stage becomes one *step* for each
source (`prepare.weather`), any other stage is one step; a step depends on the steps that write what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.errors import ConfigError, UsageError

IMAGES = {
    "serve": frozenset({"serve"}),
    "train": frozenset({"serve", "train"}),
    "api": frozenset({"serve", "api"}),
    "data": frozenset({"serve", "train", "data"}),
}
"""Kinds of container images, from the leanest to the richest, and the kinds whose stages each can run."""


REPLAY = "replay"
"""The stage that a use case has only where its pipeline.yaml says so."""
PROMOTE, PROMOTION = "promote", "promotion"
"""The stage that makes a candidate champion, and what it leaves: an entry of the promotion log."""


class Flow(NamedTuple):
    """What a stage reads and writes, by name."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


class Stage(NamedTuple):
    """A row of the table. `handler` is `module:class` below `ml_pipeline.handlers`; `image` is the leanest for it.

    What an `interim` stage writes is there for the stages after it; what others write people and later runs look at.
    Those that may use a `gpu` compute with the model.
    """

    name: str
    does: str
    handler: str
    image: str
    offline: Flow | None
    online: Flow | None
    learning: Flow | None = None
    monitoring: Flow | None = None
    per_source: bool = False
    trains: bool = False
    interim: bool = False
    gpu: bool = False

    def flow(self, mode: Mode) -> Flow | None:
        """What it reads and writes in a mode; none where the mode does not have it."""
        flow: Flow | None = getattr(self, mode)
        return flow


STAGES = (
    Stage(
        "ingest",
        "Store what a source has new up to the as-of moment, unchanged.",
        "ingest:IngestHandler",
        "data",
        offline=Flow((), ("raw",)),
        online=Flow((), ("raw", "new")),
        learning=Flow((), ("raw", "new", "start")),
        monitoring=Flow((), ("raw",)),
        per_source=True,
    ),
    Stage(
        "prepare",
        "Clean, format and enrich the records of a source; set bad ones aside.",
        "prepare:PrepareHandler",
        "data",
        offline=Flow(("raw",), ("prepared", "history")),
        online=Flow(("raw", "new"), ("prepared", "history")),
        learning=Flow(("raw", "new", "start"), ("prepared", "history", "learnt")),
        monitoring=Flow(("raw",), ("prepared",)),
        per_source=True,
        interim=True,
    ),
    Stage(
        "combine",
        "Join the other sources to the driving one, each as known at the moment of prediction.",
        "combine:CombineHandler",
        "data",
        offline=Flow(("prepared",), ("combined",)),
        online=Flow(("prepared",), ("combined",)),
        learning=Flow(("prepared", "learnt"), ("combined",)),
        interim=True,
    ),
    Stage(
        "split",
        "Part the combined rows into those that train, that choose and that judge.",
        "split:SplitHandler",
        "data",
        offline=Flow(("combined",), ("train", "validation", "test")),
        online=None,
        learning=Flow(("combined",), ("train", "test")),
        interim=True,
    ),
    Stage(
        "train",
        "Fit the model on train, choose its settings on validation; or go on from the champion.",
        "train:TrainHandler",
        "train",
        offline=Flow(("train", "validation"), ("model",)),
        online=None,
        learning=Flow(("train", "start"), ("model",)),
        trains=True,
        gpu=True,
    ),
    Stage(
        "evaluate",
        "Measure candidate and champion on the test rows and reach a verdict.",
        "evaluate:EvaluateHandler",
        "train",
        offline=Flow(("model", "test"), ("verdict",)),
        online=None,
        learning=Flow(("model", "test"), ("verdict",)),
        gpu=True,
    ),
    Stage(
        PROMOTE,
        "Make the candidate champion if the verdict allows it, and if it predicts its golden rows where models serve.",
        "promote:PromoteHandler",
        "serve",
        offline=Flow(("model", "verdict"), (PROMOTION,)),
        online=None,
        learning=Flow(("model", "verdict"), (PROMOTION,)),
    ),
    Stage(
        "serve",
        "Predict with the champion.",
        "serve:ServeHandler",
        "serve",
        offline=None,
        online=Flow(("combined",), ("predictions",)),
        gpu=True,
    ),
    Stage(
        "postprocess",
        "Turn predictions into the table that people use.",
        "postprocess:PostprocessHandler",
        "serve",
        offline=None,
        online=Flow(("predictions", "combined"), ("scored",)),
    ),
    Stage(
        REPLAY,
        "Send the scored records through the REST door, and prove that it answers the same.",
        "replay:ReplayHandler",
        "api",
        offline=None,
        online=Flow(("new", "predictions", "scored"), ()),
    ),
    Stage(
        "monitor",
        "Judge what was predicted by what has become true since, and say whether to act.",
        "monitor:MonitorHandler",
        "train",
        offline=None,
        online=None,
        monitoring=Flow(("prepared",), ("performance", "health", "retrain", PROMOTION)),
    ),
)


class Step(NamedTuple):
    """One node of a use case's graph: a stage, for one source where the stage is per source."""

    stage: Stage
    source: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As in `--stages`, in task ids and in storage."""
        return f"{self.stage.name}.{self.source}" if self.source else self.stage.name


class Task(NamedTuple):
    """Steps that run in one container, of the kind of image named: a service of pipeline.yaml, or a step on its own."""

    name: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...]
    image: str


def steps(config: UseCaseConfig, mode: Mode) -> tuple[Step, ...]:
    """Every step of a mode, each after those it depends on."""
    return tuple(
        step
        for stage in _stages(config, mode)
        for step in (_per_source(config, stage, mode) if stage.per_source else [_whole(config, stage, mode)])
    )


def needs(step: Step, all_steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps that write what this one reads."""
    return tuple(other for other in all_steps if set(other.writes) & set(step.reads))


def tasks(config: UseCaseConfig, mode: Mode) -> tuple[Task, ...]:
    """The steps of a mode grouped into services as pipeline.yaml says; the rest each on its own.

    Raises:
        ConfigError: a group names a stage that is not there or that is in another group, or no image can run it.
        UsageError: a group needs another group that needs it.
    """
    service_of = _services(config, mode)
    all_steps = steps(config, mode)
    group = {step.name: service_of.get(step.stage.name, step.name) for step in all_steps}
    members: dict[str, list[Step]] = {}
    for step in all_steps:
        members.setdefault(group[step.name], []).append(step)
    made = tuple(
        Task(name, tuple(own), _upstream(name, own, all_steps, group), _image(config, mode, name, own))
        for name, own in members.items()
    )
    _refuse_cycles(made)
    if promotes(mode) and config.promotion.policy == "manual":
        _refuse_promotion_unasked(made, mode)
    return made


def passing(config: UseCaseConfig, mode: Mode, chosen: Iterable[Step]) -> frozenset[str]:
    """Names of the data that may stay in memory: all steps that read it are of the service that writes it, and chosen.

    Only what is interim may.
    """
    names, all_steps = {step.name for step in chosen}, steps(config, mode)
    found = set[str]()
    for task in tasks(config, mode):
        own = names & {step.name for step in task.steps}
        for name in {name for step in task.steps if step.stage.interim for name in step.writes}:
            readers = {step.name for step in all_steps if name in step.reads}
            found |= {name} if readers and readers <= own else set()
    return frozenset(found)


def select(config: UseCaseConfig, mode: Mode, names: Iterable[str]) -> tuple[Step, ...]:
    """The steps that names of stages or steps mean, in running order.

    Raises:
        UsageError: a name means nothing in this mode.
    """
    wanted, all_steps = set(names), steps(config, mode)
    known = {step.name for step in all_steps} | {step.stage.name for step in all_steps}
    if unknown := sorted(wanted - known):
        raise UsageError(
            f"{mode} has no stage {unknown[0]!r} in the use case {config.name}",
            given=", ".join(sorted(wanted)),
            expected="some of " + ", ".join(step.name for step in all_steps),
            do=f"draw them with `ml-pipeline graph {config.name}`",
        )
    return tuple(step for step in all_steps if not wanted or {step.name, step.stage.name} & wanted)


def promotes(mode: Mode) -> bool:
    """Whether a run of a mode may make a candidate champion."""
    return any(stage.name == PROMOTE for stage in STAGES if stage.flow(mode))


def _stages(config: UseCaseConfig, mode: Mode) -> list[Stage]:
    return [stage for stage in STAGES if stage.flow(mode) and (stage.name != REPLAY or config.replay)]


def _services(config: UseCaseConfig, mode: Mode) -> dict[str, str]:
    """Stage -> service, for the stages that are in one."""
    stages = {stage.name for stage in _stages(config, mode)}
    service_of: dict[str, str] = {}
    for service, members in config.services.of(mode).items():
        if service in stages - set(members):
            raise _no_group(config, mode, f"calls a group {service!r}, which is a stage outside of it", service)
        for name in members:
            if name not in stages:
                raise _no_group(config, mode, f"groups {name!r}, which is no stage of this mode", service)
            if service_of.setdefault(name, service) != service:
                raise _no_group(config, mode, f"groups {name!r} twice", f"{service_of[name]} and {service}")
    return service_of


def _no_group(config: UseCaseConfig, mode: Mode, what: str, given: str) -> ConfigError:
    return ConfigError(
        f"pipeline.yaml of {config.name}, services.{mode}, {what}",
        given=given,
        expected="groups of " + ", ".join(stage.name for stage in _stages(config, mode)),
        do="correct the group, or leave it out",
    )


def _per_source(config: UseCaseConfig, stage: Stage, mode: Mode) -> list[Step]:
    """Sources that have something to write, in the order of the file, but what is derived from another after it."""
    flow = stage.flow(mode) or Flow((), ())
    found = [
        Step(stage, name, _named(config, name, flow.reads, mode), _named(config, name, flow.writes, mode))
        for name, source in sorted(config.sources.items(), key=lambda item: bool(item[1].derived))
        if stage.name != "ingest" or not source.derived
    ]
    return [step for step in found if step.writes]


def _named(config: UseCaseConfig, source: str, artifacts: tuple[str, ...], mode: Mode) -> tuple[str, ...]:
    origin = config.sources[source].derived
    if origin and "raw" in artifacts:
        return (f"history.{origin}",)
    return tuple(f"{kind}.{source}" for kind in artifacts if kind in _kinds(config, source, mode))


def _kinds(config: UseCaseConfig, source: str, mode: Mode) -> set[str]:
    """What there is of a source: `new` records of the one that drives, `history` where others are derived.

    Where learning goes on, also the model to `start` from, and what of the same records was `learnt` before. Monitoring
    asks for the truth alone, which the records of the driving source hold.
    """
    own = config.sources[source]
    kinds: set[str] = set()
    if mode == "monitoring" and not own.drives_in(mode):
        return kinds
    if source in {other.derived for other in config.sources.values()}:
        kinds |= {"history", "raw"}
    if not own.drives or own.drives_in(mode):
        kinds |= {"prepared", *(("new", "start", "learnt") if own.drives else ())}
    if "prepared" in kinds and own.drives != "online":
        kinds.add("raw")
    return kinds


def _whole(config: UseCaseConfig, stage: Stage, mode: Mode) -> Step:
    flow = stage.flow(mode) or Flow((), ())
    per_source = {name for other in STAGES if other.per_source for name in (other.flow(mode) or flow).writes}
    reads = [
        [f"{name}.{source}" for source in config.sources if name in _kinds(config, source, mode)]
        if name in per_source
        else [name]
        for name in flow.reads
    ]
    writes = tuple(name for name in flow.writes if name != PROMOTION or _appoints(config, mode))
    return Step(stage, "", tuple(name for names in reads for name in names), writes)


def _appoints(config: UseCaseConfig, mode: Mode) -> bool:
    """Whether a run of a mode may change the champion; monitoring only where it goes back by itself."""
    return promotes(mode) or bool(config.monitoring and config.monitoring.rollback == "automatic")


def _upstream(name: str, own: list[Step], all_steps: tuple[Step, ...], group: dict[str, str]) -> tuple[str, ...]:
    found = {group[other.name]: None for step in own for other in needs(step, all_steps)}
    return tuple(other for other in found if other != name)


def _image(config: UseCaseConfig, mode: Mode, name: str, own: list[Step]) -> str:
    """The leanest image that can run all steps of a task."""
    asked = {step.stage.name: step.stage.image for step in own}
    for image, runs in IMAGES.items():
        if runs >= set(asked.values()):
            return image
    raise ConfigError(
        f"pipeline.yaml of {config.name} groups stages that no container image can run together",
        given=f"services.{mode}.{name}: " + ", ".join(f"{stage} in the image {kind}" for stage, kind in asked.items()),
        expected="stages of one of these: " + "; ".join(", ".join(sorted(runs)) for runs in IMAGES.values()),
        do="make two groups of them",
    )


def _refuse_promotion_unasked(made: tuple[Task, ...], mode: Mode) -> None:
    """A container cannot wait for a person between two of its stages."""
    for task in made:
        if {"evaluate", "promote"} <= {step.stage.name for step in task.steps}:
            raise ConfigError(
                "pipeline.yaml groups evaluate and promote, but by its promotion.policy a person decides in between",
                given=f"services.{mode}.{task.name}",
                expected="promote outside of the group",
                do="take it out of the group, or set the policy to auto",
            )


def _refuse_cycles(made: tuple[Task, ...]) -> None:
    done: set[str] = set()
    for _ in made:
        done |= {task.name for task in made if set(task.needs) <= done}
    if stuck := [task.name for task in made if task.name not in done]:
        raise UsageError(
            "the services of pipeline.yaml wait for one another",
            given=", ".join(stuck),
            do="group only stages that follow one another directly",
        )
