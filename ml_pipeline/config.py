"""The sections of a pipeline.yaml as frozen typed values; unknown keys are refused."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from ml_pipeline.contract import MODES, Mode
from ml_pipeline.errors import ConfigError

Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
Runner = Literal["docker", "process", "swarm", "kubernetes"]
"""What runs stages: an engine's containers, processes of this machine, a swarm's services, a cluster's pods."""
Notice = Literal["ok", "watch", "act"]
"""From which severity on somebody wants to be told."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: nothing but the keys below."""


class Join(_Strict, frozen=True):
    """How a source meets the driving one: equal keys, and the latest row no older than `tolerance`, if as-of."""

    on: list[Name] | dict[Name, Name]
    as_of: Name | None = None
    tolerance: str | None = None

    @property
    def keys(self) -> dict[str, str]:
        """Column of the driving source -> column of this source."""
        return {name: name for name in self.on} if isinstance(self.on, list) else self.on


class SourceConfig(_Strict, frozen=True, rename={"derived": "from"}):
    """Where records come from (`reader`, or another source's history: `from`) and what prepares them.

    `address` is where the reader finds them: a path (from the use case's folder on), `store:PATH` (in the use case's
    part of the object store), or the address of an object store, a database or a service. `known` names the column that
    says when a record became known; without one, a source is read whole. `drives` may name the one mode in which it
    does. `truth` names columns that are known only together with the label. `revised` records come again when more is
    known of them: the last one of a key counts (and of the keys it had before, which `former_keys` lists), and one
    without a label waits for it.
    """

    prepare: str
    reader: str = ""
    address: str = ""
    derived: str = ""
    known: Name | None = None
    drives: bool | Literal["offline", "online"] = False
    revised: bool = False
    former_keys: Name | None = None
    truth: list[Name] = []
    join: Join | None = None

    def drives_in(self, mode: Mode) -> bool:
        """Whether its rows are those that are predicted in a mode; where labels count, those of offline training."""
        return self.drives in (True, "online" if mode == "online" else "offline")


class Split(_Strict, frozen=True):
    """`by: time`: the last `test` and the `validation` before it, as durations. `by: hash`: shares of the keys."""

    by: Literal["time", "hash"] = "time"
    validation: str = "30d"
    test: str = "60d"


class Learning(_Strict, frozen=True):
    """Learning goes on from the champion with rows whose label became known since: `least` of them, or it waits.

    `test`: the share of the keys that judges candidate and champion, and is not learnt.
    """

    test: str = "20%"
    least: Annotated[int, msgspec.Meta(ge=2)] = 1000


class Levels(_Strict, frozen=True):
    """From where on an effect is to be watched, and from where on acted upon."""

    watch: Annotated[float, msgspec.Meta(gt=0)]
    act: Annotated[float, msgspec.Meta(gt=0)]


class Drift(_Strict, frozen=True):
    """How far columns may be from what the model was trained on; docs/monitoring.md says why these are the defaults.

    `psi` (population stability index), `jensen_shannon` (distance, 0 to 1), `wasserstein` (in standard deviations),
    `missing` (difference of shares), `new` (share of rows with words that training did not have). Of fewer rows than
    `least` nothing is said. `alpha`: the chance of any false alarm of all columns together, where nothing changed.
    """

    least: Annotated[int, msgspec.Meta(ge=20)] = 300
    alpha: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01
    psi: Levels = Levels(watch=0.1, act=0.25)
    jensen_shannon: Levels = Levels(watch=0.15, act=0.25)
    wasserstein: Levels = Levels(watch=0.2, act=0.5)
    missing: Levels = Levels(watch=0.05, act=0.2)
    new: Levels = Levels(watch=0.02, act=0.1)


class Monitoring(_Strict, frozen=True):
    """What was predicted within a `window` before the as-of is looked at again, as truth comes late.

    Of fewer rows than `least` nothing is said. `mature`: the share of a day's predictions whose truth must be known
    for the day to count as more than a first impression. Where things are clearly worse than they may be, training is
    asked for, and not again within `cooldown`.

    `rollback`: whether to go back to the model before the champion, where it does better on the same rows, is proposed
    to people, or done (`automatic`). `notify`: notifiers, by the names under which Airflow imports them
    (`module.name`), and from which severity on each is called.
    """

    window: str = "30d"
    least: Annotated[int, msgspec.Meta(ge=20)] = 200
    mature: str = "90%"
    cooldown: str = "7d"
    rollback: Literal["propose", "automatic"] = "propose"
    notify: dict[str, Notice] = {}
    drift: Drift = Drift()


class Evaluate(_Strict, frozen=True):
    """What a model must reach on the test rows and on every slice of them, and how many bootstrap replicates."""

    floors: dict[str, float] = {}
    slices: list[Name] = []
    slice_floors: dict[str, float] = {}
    replicates: Annotated[int, msgspec.Meta(ge=20, le=10_000)] = 200


class Promotion(_Strict, frozen=True):
    """`auto`: a verdict that passes promotes. `manual`: then a person is asked."""

    policy: Literal["auto", "manual"] = "auto"


class Card(_Strict, frozen=True):
    """What only people know of a model: what it is for, what its label means, and where it fails."""

    intended_use: str = ""
    label: str = ""
    limits: list[str] = []


class Schedule(_Strict, frozen=True):
    """Cron expressions in the use case's time zone; `online: promotion` scores whenever a model is promoted."""

    offline: str | None = None
    online: str | None = None
    learning: str | None = None
    monitoring: str | None = None

    def of(self, mode: Mode) -> str | None:
        """When a mode runs; None where only on demand."""
        when: str | None = getattr(self, mode)
        return when


class Services(_Strict, frozen=True):
    """Stages that share a container, by the service's name."""

    offline: dict[Name, list[str]] = {}
    online: dict[Name, list[str]] = {}
    learning: dict[Name, list[str]] = {}
    monitoring: dict[Name, list[str]] = {}

    def of(self, mode: Mode) -> dict[str, list[str]]:
        """The groups of a mode."""
        groups: dict[str, list[str]] = getattr(self, mode)
        return groups


SEVERAL = 5
"""Records set aside below which their share says nothing: one of the 72 that a night may bring is more than 1 %."""


class Quarantine(_Strict, frozen=True):
    """The share of a stage's records that may be set aside before the run stops; less than `SEVERAL` always may."""

    at_most: str = "1%"

    @property
    def share(self) -> float:
        """As a fraction."""
        return float(self.at_most.removesuffix("%")) / 100


class Resources(_Strict, frozen=True):
    """What a stage may use: processes on this machine stay within them, containers are held to them.

    `gpus`: how many of the machine's a container gets whose stages compute with the model.
    """

    memory: str = "2GB"
    cpus: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    gpus: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def memory_bytes(self) -> int:
        """`512MB`, `2GB` (powers of 1024) as bytes."""
        match = re.fullmatch(r"([1-9]\d*)\s*(MB|GB)", self.memory)
        if not match:
            raise ConfigError(
                "resources.memory is not a size", given=self.memory, expected="a size such as 512MB or 2GB"
            )
        return int(match[1]) << (20 if match[2] == "MB" else 30)


class UseCaseConfig(_Strict, frozen=True):
    """All of pipeline.yaml. `replay`: a scoring run ends with the proof that REST would have scored the same.

    `runner`: what runs the stages where the installation does not say it.
    """

    name: str
    question: str
    key: Name
    time: Name
    label: Name
    model: str
    sources: dict[Name, SourceConfig]
    postprocess: str
    horizon: str = "0s"
    ahead: str = "1d"
    behind: str = "0s"
    explain: Annotated[int, msgspec.Meta(ge=0, le=50)] = 0
    timezone: str = "UTC"
    seed: int = 0
    split: Split = Split()
    learning: Learning | None = None
    monitoring: Monitoring | None = None
    replay: bool = False
    evaluate: Evaluate = Evaluate()
    promotion: Promotion = Promotion()
    card: Card = Card()
    schedule: Schedule = Schedule()
    services: Services = Services()
    quarantine: Quarantine = Quarantine()
    resources: Resources = Resources()
    runner: Runner = "docker"

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Those it has, each after those whose models it works with: it learns, and is watched, where it says so."""
        learns: tuple[Mode, ...] = ("learning",) if self.learning else ()
        watched: tuple[Mode, ...] = ("monitoring",) if self.monitoring else ()
        return (MODES[0], *learns, MODES[1], *watched)

    def driving(self, mode: Mode) -> str:
        """The name of the source whose rows are predicted in a mode."""
        return next(name for name, source in self.sources.items() if source.drives_in(mode))


# msgspec looks into a type when it first decodes one, and crashes where several threads are first at once: here is one.
msgspec.json.Decoder(UseCaseConfig)
