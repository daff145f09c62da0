"""What a server offers: use cases, and of each the stages, steps and services that may be ordered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from ml_pipeline.contract import Mode
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import UsageError
from ml_pipeline.stages import select, steps, tasks

SCORING, LEARNING = "online/serve", "online/train"
"""What takes records: to be scored, and to be learnt from."""


class Offer(NamedTuple):
    """Steps of a use case that are ordered under one name: a step, a stage of several, or a service."""

    use_case: str
    mode: Mode
    name: str
    steps: tuple[str, ...]

    @property
    def service(self) -> str:
        """As it is named in settings."""
        return f"{self.mode}/{self.name}"

    @property
    def path(self) -> str:
        """Its route."""
        return f"/{self.use_case}/{self.service}"


class Exposure:
    """The use cases of a server, and its offers by path.

    Raises:
        UsageError: there is no such use case, or none of them has one of the services.
    """

    def __init__(self, names: Iterable[str], services: Iterable[str] = ()) -> None:
        self.use_cases = {name: find(name) for name in names}
        wanted = set(services)
        everything = [offer for own in self.use_cases.values() for offer in _offers(own)]
        learners = [own for own in self.use_cases.values() if own.config.learning]
        _refuse_unknown(wanted, [*(offer.service for offer in everything), *([LEARNING] if learners else [])])
        self.offers = {offer.path: offer for offer in everything if not wanted or offer.service in wanted}
        self.learning = learners if not wanted or LEARNING in wanted else []

    @property
    def scoring(self) -> dict[str, UseCase]:
        """The use cases whose records are scored here."""
        return {name: own for name, own in self.use_cases.items() if f"/{name}/{SCORING}" in self.offers}

    def use_case(self, name: str) -> UseCase:
        """One of the use cases.

        Raises:
            UsageError: it is not offered here; in the words of every door where there is none of that name at all.
        """
        if name in self.use_cases:
            return self.use_cases[name]
        with _not_found():
            find(name)
            raise UsageError(
                f"the use case {name!r} is not offered here", given=name, expected="one of " + ", ".join(self.use_cases)
            )

    def offer(self, path: str) -> Offer:
        """What is ordered by a path.

        Raises:
            UsageError: nothing is; says what there is.
        """
        if path in self.offers:
            return self.offers[path]
        name, mode, service = path.strip("/").split("/")
        config = self.use_case(name).config
        here = [offer.service for offer in self.offers.values() if offer.use_case == name]
        with _not_found():
            if mode not in config.modes:
                raise UsageError(f"{name} has no such mode", given=mode, expected=" or ".join(config.modes))
            if f"{mode}/{service}" not in {offer.service for offer in _offers(self.use_cases[name])}:
                select(config, mode, [service])
            raise UsageError(
                f"{mode}/{service} of {name} is not offered here",
                given=path,
                expected="one of " + ", ".join(here),
                do="ask a server that offers it, or start one with --service",
            )


@contextmanager
def _not_found() -> Iterator[None]:
    """What cannot be carried out as asked is, of a route, what is not there."""
    try:
        yield
    except UsageError as error:
        error.http_status = 404
        raise


def _offers(use_case: UseCase) -> list[Offer]:
    """All there is to order of a use case, each name once: a service, a stage, then a step."""
    found: dict[tuple[Mode, str], tuple[str, ...]] = {}
    for mode in use_case.config.modes:
        services = {task.name: tuple(step.name for step in task.steps) for task in tasks(use_case.config, mode)}
        alone = {step.name: (step.name,) for step in steps(use_case.config, mode)}
        groups: Mapping[str, tuple[str, ...]] = services | _stages(use_case, mode) | alone | services
        found |= {(mode, name): own for name, own in groups.items()}
    return [Offer(use_case.config.name, mode, name, own) for (mode, name), own in found.items()]


def _stages(use_case: UseCase, mode: Mode) -> dict[str, tuple[str, ...]]:
    """Stages with a step for each source, as a whole; a service of the same name comes before."""
    services = {task.name for task in tasks(use_case.config, mode)}
    found: dict[str, tuple[str, ...]] = {}
    for step in steps(use_case.config, mode):
        if step.stage.name not in services:
            found[step.stage.name] = (*found.get(step.stage.name, ()), step.name)
    return found


def _refuse_unknown(wanted: set[str], known: list[str]) -> None:
    if unknown := sorted(wanted - set(known)):
        raise UsageError(
            "there is no such service",
            given=unknown[0],
            expected="some of " + ", ".join(dict.fromkeys(known)),
            do="correct --service",
        )
