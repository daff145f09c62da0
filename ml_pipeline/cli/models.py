"""Commands about the models of a use case."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ml_pipeline.cli.common import as_json_text, json_option, store_option, store_uri, use_case_argument
from ml_pipeline.errors import StageError

if TYPE_CHECKING:
    from ml_pipeline.artifacts.registry import Registry
    from ml_pipeline.discovery import UseCase

Command = Callable[..., None]


@click.group("models")
def models_group() -> None:
    """Models of a use case.

    A model is named by its version, by the first characters of it (at least 4), or by its role: `champion`, or
    `candidate`, the newest evaluated model that is not champion.
    """


def _command(name: str) -> Callable[[Command], click.Command]:
    """A command of the group, about one use case in one store, that answers in words or JSON."""

    def add(function: Command) -> click.Command:
        return models_group.command(name)(use_case_argument(store_option(json_option(function))))

    return add


reason_option = click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the promotion log.")


@_command("list")
@click.option("--last", type=click.IntRange(min=1), default=50, show_default=True, help="How many, by as-of.")
def models_list(use_case: str, store: str | None, as_json: bool, last: int) -> None:
    """List models: version, as-of, metrics, and which one is champion."""
    from ml_pipeline.lineage.overview import overview
    from ml_pipeline.terminal_models import models_table

    _answer(overview(_open(use_case, store)[1], last), as_json, models_table)


@_command("show")
@click.argument("model")
def models_show(use_case: str, store: str | None, as_json: bool, model: str) -> None:
    """Show a model: what it was trained on, how good it is, whether it is champion, where its files are."""
    from ml_pipeline.lineage.description import describe
    from ml_pipeline.lineage.names import resolve
    from ml_pipeline.terminal_models import show_model

    own, registry = _open(use_case, store)
    _answer(describe(own, registry, resolve(registry, model)), as_json, show_model)


@_command("diff")
@click.argument("old")
@click.argument("new")
def models_diff(use_case: str, store: str | None, as_json: bool, old: str, new: str) -> None:
    """Say why two models differ (code, configuration, packages, images, data, seed), and what that does to them."""
    from ml_pipeline.lineage.difference import difference
    from ml_pipeline.lineage.names import resolve
    from ml_pipeline.terminal_models import show_difference

    _, registry = _open(use_case, store)
    _answer(difference(registry, resolve(registry, old), resolve(registry, new)), as_json, show_difference)


@_command("as-of")
@click.argument("moment")
def models_as_of(use_case: str, store: str | None, as_json: bool, moment: str) -> None:
    """Say which model was champion at a moment of the wall clock, and which entry of the log made it so."""
    from ml_pipeline import contract
    from ml_pipeline.lineage.history import reign
    from ml_pipeline.terminal_models import show_reign

    own, registry = _open(use_case, store)
    _answer(reign(registry, contract.moment(moment, own.config.timezone)), as_json, show_reign)


@_command("promote")
@click.argument("model")
@reason_option
def models_promote(use_case: str, store: str | None, as_json: bool, model: str, reason: str) -> None:
    """Make a model champion by hand, whatever its verdict."""
    from ml_pipeline.lineage.names import resolve
    from ml_pipeline.lineage.succession import promote
    from ml_pipeline.terminal_models import show_succession

    own, registry = _open(use_case, store)
    _answer(promote(own, registry, resolve(registry, model), reason), as_json, show_succession)


@_command("rollback")
@click.option("--to", metavar="MODEL", help="A former champion. Default: the one before the present champion.")
@reason_option
def models_rollback(use_case: str, store: str | None, as_json: bool, to: str | None, reason: str) -> None:
    """Make a former champion champion again, once it has proved that it still predicts as it did."""
    from ml_pipeline.lineage.names import resolve
    from ml_pipeline.lineage.succession import rollback
    from ml_pipeline.terminal_models import show_succession

    own, registry = _open(use_case, store)
    version = "" if to is None else resolve(registry, to)
    _answer(rollback(own, registry, version, reason), as_json, show_succession)


@_command("reproduce")
@click.argument("model")
def models_reproduce(use_case: str, store: str | None, as_json: bool, model: str) -> None:
    """Train a model again from what is stored of how it was made, and compare; nothing stored is touched."""
    from ml_pipeline.lineage.names import resolve
    from ml_pipeline.lineage.reproduction import reproduce
    from ml_pipeline.terminal_models import show_reproduction

    own, registry = _open(use_case, store)
    found = reproduce(own, registry, resolve(registry, model))
    _answer(found, as_json, show_reproduction)
    if found.outcome == "different":
        raise StageError(
            "the model was not reproduced",
            given=f"{found.at} is another",
            expected="the same bytes, or numbers equal to 1e-9",
            do="look at what differs today, listed above; check out that code, install those packages",
        )


@_command("log")
def models_log(use_case: str, store: str | None, as_json: bool) -> None:
    """Show the promotion log, oldest entry first."""
    from ml_pipeline.terminal_models import log_table

    _answer(_open(use_case, store)[1].promotions(), as_json, log_table)


def _open(use_case: str, store: str | None) -> tuple[UseCase, Registry]:
    """The use case, and its part of the registry."""
    from ml_pipeline.artifacts.registry import Registry
    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.discovery import find

    return find(use_case), Registry(Store(store_uri(store)).within(use_case))


def _answer(value: Any, as_json: bool, shown: Callable[[Any], None]) -> None:
    """As JSON, or as a person reads it."""
    if as_json:
        click.echo(as_json_text(value))
    else:
        shown(value)
