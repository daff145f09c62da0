"""Commands about the models of a use case."""

from __future__ import annotations

import json

import click

from ml_pipeline.cli.common import json_option, store_option, store_uri, use_case_argument


@click.group("models")
def models_group() -> None:
    """Models of a use case."""


@models_group.command("list")
@use_case_argument
@store_option
@json_option
def models_list(use_case: str, store: str | None, as_json: bool) -> None:
    """List models: version, as-of, metrics, and which one is champion."""
    from ml_pipeline.terminal import model_rows, models_table

    rows = model_rows(use_case, store_uri(store))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        models_table(rows)
