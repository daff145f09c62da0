"""What all commands share: options, errors in words, exit codes."""

from __future__ import annotations

import json
import logging
from typing import Any, NoReturn

import click

from ml_pipeline.errors import PipelineError, UsageError


class Commands(click.Group):
    """Turns the error tree into a sentence (or JSON) and the exit code that belongs to it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of ours is never shown as a traceback, any other never as a traceback alone."""
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            show(ctx, error)
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            if isinstance(error, click.UsageError) and ctx.meta.get("json"):
                show(ctx, UsageError(error.format_message(), do=f"ask for help with `{ctx.command_path} --help`"))
            raise
        except Exception as error:
            logging.getLogger("ml_pipeline").exception("this should not have happened")
            what = f"something unexpected went wrong: {type(error).__name__}: {error}"
            show(ctx, PipelineError(what, do="report it together with the lines above"))


def show(ctx: click.Context, error: PipelineError) -> NoReturn:
    """Say an error and leave with its exit code."""
    say(ctx, error)
    ctx.exit(error.exit_code)


def say(ctx: click.Context, error: PipelineError) -> None:
    """An error in the form of the answer: JSON where that was asked for."""
    if ctx.meta.get("json"):
        click.echo(json.dumps(error.as_dict()), err=True)
    else:
        click.secho(f"{type(error).__name__}: {error}", fg="red", err=True)


use_case_argument = click.argument("use_case", metavar="USE_CASE")


def remember(ctx: click.Context, _: Any, on: bool) -> bool:
    """Errors follow the form of the answer."""
    ctx.meta["json"] = on
    return on


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.", is_eager=True, callback=remember)
store_option = click.option("--store", metavar="URI", help="Object store; default $ML_PIPELINE_STORE.")


def store_uri(given: str | None) -> str:
    """The store that is named, here or by the environment."""
    if given:
        return given
    from ml_pipeline.artifacts.store import from_environment

    return from_environment().uri


def as_json_text(value: Any) -> str:
    """A value as indented JSON."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
