"""Commands about a use case itself: make one, check it, draw it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from ml_pipeline.cli.common import as_json_text, json_option, store_option, store_uri, use_case_argument
from ml_pipeline.errors import ConfigError, UsageError


@click.command("new")
@click.argument("name")
@click.option("--from", "path", type=click.Path(path_type=Path), help="A CSV file to learn from. Default: one made up.")
@click.option("--label", metavar="COLUMN", help="What is predicted: 0 and 1, true and false, or two words.")
@click.option("--time", metavar="COLUMN", help="When it happens.")
@click.option("--key", metavar="COLUMN", help="What tells the records apart.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to. Default: where use cases are looked for.")
def new_command(name: str, path: Path | None, folder: Path | None, **columns: str | None) -> None:
    """Make a use case: a folder that runs as it stands, from a CSV file or from records made up."""
    from ml_pipeline.discovery import folders
    from ml_pipeline.scaffold import new
    from ml_pipeline.scaffold.draft import Asked

    asked = None
    if path or any(columns.values()):
        missing = [f"--{option}" for option in ("from", *columns) if not {"from": path, **columns}[option]]
        if missing:
            raise UsageError("a file and its columns go together", given=f"no {missing[0]}", do=f"add {missing[0]}")
        asked = Asked(cast(Path, path), **cast(dict[str, str], columns))
    made = new(name, asked, folder or folders()[0])
    click.echo(f"{made.folder} is there. What was understood:")
    for line in made.understood:
        click.echo(f"  {line}")
    click.echo("Try it:")
    for command in ("validate {}", "run {} offline --as-of {}", "run {} online --as-of {}", "summary {}"):
        click.echo(f"  ml-pipeline {command.format(name, made.as_of)}")


@click.command("validate")
@use_case_argument
@store_option
@json_option
@click.pass_context
def validate_command(ctx: click.Context, use_case: str, store: str | None, as_json: bool) -> None:
    """Check a use case before it runs: configuration, code, sources, columns, images, store."""
    from ml_pipeline.terminal import checks_table
    from ml_pipeline.validation import validate

    checks = validate(use_case, store_uri(store))
    if as_json:
        click.echo(as_json_text(checks))
    else:
        checks_table(checks)
    if any(check.ok is False for check in checks):
        ctx.exit(ConfigError.exit_code)


@click.command("graph")
@use_case_argument
@click.option("--level", type=click.Choice(["services", "handlers", "models"]), default="services", show_default=True)
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), default="mermaid", show_default=True)
def graph_command(use_case: str, level: Any, form: str) -> None:
    """Draw a use case from the objects that run."""
    from ml_pipeline.discovery import find
    from ml_pipeline.graph import draw, mermaid
    from ml_pipeline.picture import svg

    drawing = draw(find(use_case), level)
    click.echo(mermaid(drawing) if form == "mermaid" else svg(drawing))


COMMANDS = (new_command, validate_command, graph_command)
