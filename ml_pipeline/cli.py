"""The command line: one door to the same function as all others."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

import click

from ml_pipeline.errors import ConfigError, NothingToDo, PipelineError, Terminated, UsageError

PATIENCE = 2
"""Seconds that a process which is told to stop waits for its workers."""


class Commands(click.Group):
    """Turns the error tree into a sentence (or JSON) and the exit code that belongs to it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of ours is never shown as a traceback, any other never as a traceback alone."""
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            _show(ctx, error)
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            if isinstance(error, click.UsageError) and ctx.meta.get("json"):
                _show(ctx, UsageError(error.format_message(), do=f"ask for help with `{ctx.command_path} --help`"))
            raise
        except Exception as error:
            logging.getLogger("ml_pipeline").exception("this should not have happened")
            what = f"something unexpected went wrong: {type(error).__name__}: {error}"
            _show(ctx, PipelineError(what, do="report it together with the lines above"))


def _show(ctx: click.Context, error: PipelineError) -> NoReturn:
    _say(ctx, error)
    ctx.exit(error.exit_code)


def _say(ctx: click.Context, error: PipelineError) -> None:
    if ctx.meta.get("json"):
        click.echo(json.dumps(error.as_dict()), err=True)
    else:
        click.secho(f"{type(error).__name__}: {error}", fg="red", err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Say more while working.")
def main(verbose: bool) -> None:
    """Nightly training and daily scoring of models made of stateless parts.

    The object store is named by ML_PIPELINE_STORE (s3://bucket, gs://bucket, az://container or a folder) and reached
    with the standard AWS_*, GOOGLE_* or AZURE_* settings. Exit codes: 0 done, 99 nothing to do, others a failure.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: workers are threads of ours
    _log(logging.DEBUG if verbose else logging.INFO)
    signal.signal(signal.SIGTERM, _terminate)


use_case_argument = click.argument("use_case", metavar="USE_CASE")


def _remember(ctx: click.Context, _: Any, on: bool) -> bool:
    """Errors follow the form of the answer."""
    ctx.meta["json"] = on
    return on


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.", is_eager=True, callback=_remember)
store_option = click.option("--store", metavar="URI", help="Object store; default $ML_PIPELINE_STORE.")


@main.command("run")
@use_case_argument
@click.argument("mode", type=click.Choice(["offline", "online"]))
@click.option(
    "--stages", metavar="A,B", default="", help="Only these stages or steps, such as train or prepare.weather."
)
@click.option(
    "--as-of", metavar="T", help="The moment the run pretends to be at: a date or a date with time. Default now."
)
@click.option("--run-id", metavar="R", help="Name of the run. Default: mode and as-of.")
@click.option("--force", is_flag=True, help="Do again what is stored already.")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="Another value for a key of pipeline.yaml.")
@store_option
@json_option
def run_command(use_case: str, mode: Any, **asked: Any) -> None:
    """Run a use case offline (train) or online (score)."""
    from ml_pipeline.contract import StageRequest, moment
    from ml_pipeline.discovery import find
    from ml_pipeline.run import default_run_id

    now = dt.datetime.now(dt.UTC).isoformat()
    parameters = dict(map(_change, asked["changes"]))
    as_of = moment(asked["as_of"] or now, find(use_case, parameters).config.timezone)
    request = StageRequest(
        use_case=use_case,
        mode=mode,
        stages=tuple(filter(None, asked["stages"].split(","))),
        run_id=asked["run_id"] or default_run_id(mode, as_of),
        as_of=as_of,
        store=_store_uri(asked["store"]),
        parameters=parameters,
        force=asked["force"],
    )
    results = _run(request)
    if asked["as_json"]:
        click.echo(_json(results))
    else:
        from ml_pipeline.terminal import results_table

        results_table(results)
    _exit(results)


def _change(text: str) -> tuple[str, Any]:
    """`split.test=122d`, the value as in YAML."""
    from ml_pipeline.config_file import value

    key, equals, written = text.partition("=")
    if not equals:
        raise UsageError("--set says nothing", given=text, expected="KEY=VALUE, such as split.test=122d")
    return key, value(written)


@main.command("stage", hidden=True)
@click.argument("request")
@click.pass_context
def stage_command(ctx: click.Context, request: str) -> None:
    """Run the stages of a StageRequest given as JSON: the door for machines. Errors are JSON."""
    import msgspec

    from ml_pipeline.contract import StageRequest

    _remember(ctx, None, True)
    try:
        order = msgspec.json.decode(request, type=StageRequest)
    except msgspec.DecodeError as error:
        raise UsageError(f"this is no StageRequest: {error}", given=request[:200]) from error
    _exit(_run(order))


@main.command("runs")
@use_case_argument
@store_option
@json_option
def runs_command(use_case: str, store: str | None, as_json: bool) -> None:
    """List runs, with the URIs and digests of what they wrote."""
    from ml_pipeline.discovery import find
    from ml_pipeline.terminal import runs_table, stored_results

    find(use_case)
    results = stored_results(use_case, _store_uri(store))
    if as_json:
        click.echo(_json(results))
    else:
        runs_table(results)


@main.group("models")
def models_group() -> None:
    """Models of a use case."""


@models_group.command("list")
@use_case_argument
@store_option
@json_option
def models_list(use_case: str, store: str | None, as_json: bool) -> None:
    """List models: version, as-of, metrics, and which one is champion."""
    from ml_pipeline.terminal import model_rows, models_table

    rows = model_rows(use_case, _store_uri(store))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        models_table(rows)


@main.command("graph")
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


@main.command("summary")
@use_case_argument
@click.option("--as-of", metavar="T", help="As of which moment; default the last runs.")
@store_option
def summary_command(use_case: str, as_of: str | None, store: str | None) -> None:
    """Show what the last training and scoring left: the model, how good it is, and what it ranks first."""
    from ml_pipeline.terminal import summary

    summary(use_case, _store_uri(store), as_of)


@main.command("validate")
@use_case_argument
@store_option
@json_option
@click.pass_context
def validate_command(ctx: click.Context, use_case: str, store: str | None, as_json: bool) -> None:
    """Check a use case before it runs: configuration, code, sources, columns, images, store."""
    from ml_pipeline.terminal import checks_table
    from ml_pipeline.validation import validate

    checks = validate(use_case, _store_uri(store))
    if as_json:
        click.echo(_json(checks))
    else:
        checks_table(checks)
    if any(check.ok is False for check in checks):
        ctx.exit(ConfigError.exit_code)


@main.command("new")
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
    made, as_of = new(name, asked, folder or folders()[0])
    click.echo(f"{made} is there. Try it:")
    for command in ("validate {}", "run {} offline --as-of {}", "run {} online --as-of {}", "summary {}"):
        click.echo(f"  ml-pipeline {command.format(name, as_of)}")


@main.group("store")
def store_group() -> None:
    """The embedded object store, a real S3 server on this machine."""


folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(".ml-pipeline/store"), show_default=True
)


@store_group.command("start")
@folder_option
def store_start(folder: Path) -> None:
    """Start it (or find it running) and print the settings as shell lines: eval "$(ml-pipeline store start)"."""
    from ml_pipeline.artifacts import embedded

    endpoint = embedded.start(folder)
    for name, value in {"ML_PIPELINE_STORE": endpoint.uri, **endpoint.environment}.items():
        click.echo(f"export {name}={value}")


@store_group.command("stop")
@folder_option
def store_stop(folder: Path) -> None:
    """Stop it; what was written stays."""
    from ml_pipeline.artifacts import embedded

    click.echo("stopped" if embedded.stop(folder) else "it was not running")


@store_group.command("status")
@folder_option
def store_status(folder: Path) -> None:
    """Say whether it runs, and where."""
    from ml_pipeline.artifacts import embedded

    endpoint = embedded.status(folder)
    click.echo(f"{endpoint.uri} at {endpoint.url}" if endpoint else "it is not running")


def _run(request: Any) -> Any:
    from ml_pipeline.run import run

    if sys.stderr.isatty():
        from ml_pipeline.terminal import progress_bar

        with progress_bar() as shown:
            return run(request, shown)
    return run(request, _progress_lines())


def _progress_lines() -> Callable[[str, int, int], None]:
    """A line at most every five seconds, for logs."""
    import time

    said = [time.monotonic()]

    def say(step: str, done: int, of: int) -> None:
        if time.monotonic() - said[0] >= 5:
            said[0] = time.monotonic()
            logging.getLogger("ml_pipeline.run").info("%s: batch %d of %d", step, done, of)

    return say


def _exit(results: Any) -> None:
    if results and all(result.status == "skipped" for result in results):
        raise NothingToDo(" ".join(note for result in results for note in result.notes))


def _store_uri(given: str | None) -> str:
    if given:
        return given
    from ml_pipeline.artifacts.store import from_environment

    return from_environment().uri


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _log(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    logger = logging.getLogger("ml_pipeline")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)


def _terminate(number: int, _: object) -> None:
    """Stop in good order; but a worker in the middle of a batch cannot be interrupted, and may take long."""
    signal.signal(signal.SIGALRM, _abandon)
    signal.alarm(PATIENCE)
    raise Terminated("the process was told to stop", given=f"signal {number}")


def _abandon(*_: object) -> None:
    """End without waiting for workers: what they have not finished is not visible to anyone."""
    ctx = click.get_current_context(silent=True)
    if ctx:  # otherwise it was said already
        _say(ctx, Terminated("the process was told to stop", given="a batch was still at work"))
    sys.stderr.flush()
    os._exit(Terminated.exit_code)
