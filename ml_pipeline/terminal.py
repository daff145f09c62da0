"""What a person at a terminal sees: tables, progress bars, the summary after a night."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.registry import MODEL, PARAMETERS, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Artifact, StageResult, moment
from ml_pipeline.discovery import find
from ml_pipeline.errors import UsageError
from ml_pipeline.lineage.rejects import Rejected
from ml_pipeline.lineage.results import stored_results
from ml_pipeline.models.metric import interval, shown
from ml_pipeline.stopwatch import ACTIVITIES
from ml_pipeline.validation import Check

LISTED = 10
"""Rows of the scored table that the summary shows."""


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for the step at work, on standard error."""
    times = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(step: str, done: int, of: int) -> None:
            if step not in tasks:
                for old in tasks.values():
                    bars.remove_task(old)
                tasks.clear()
                tasks[step] = bars.add_task(step, total=of)
            bars.update(tasks[step], completed=done, total=of)

        yield show


def screen() -> Console:
    """As wide as the terminal; in a file wide enough for any table, so that nothing is cut off."""
    return Console() if sys.stdout.isatty() else Console(width=1000)


def plain_table(*titles: str) -> Table:
    """A plain table; a title that begins with > is aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left", no_wrap=True)
    return table


def results_table(results: Sequence[StageResult]) -> None:
    """One line per stage of one run."""
    table = plain_table("stage", "status", ">rows in", ">rows out", ">set aside", ">seconds", "model")
    for result in results:
        aside = sum(result.quarantined.values())
        table.add_row(
            result.stage, result.status, f"{result.rows_in:,}", f"{result.rows_out:,}", f"{aside:,}",
            f"{result.seconds:.2f}", result.model_version,
        )  # fmt: skip
    screen().print(table)
    for result in results:
        for note in result.notes:
            screen().print(f"{result.stage}: {note}")
    _warn(results)


def checks_table(checks: Sequence[Check]) -> None:
    """One line per finding, and beneath a fault what to do."""
    console, table = screen(), Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        mark = {True: "[green]ok[/green]", False: "[red]fault[/red]", None: "[yellow]–[/yellow]"}[check.ok]
        table.add_row(mark, check.what, escape(check.says) + (f"\n[bold]{escape(check.do)}[/bold]" if check.do else ""))
    console.print(table)
    faults = sum(check.ok is False for check in checks)
    console.print(f"{faults} to mend" if faults else "nothing to mend")


def runs_table(results: Sequence[StageResult]) -> None:
    """One line per artifact of every stage."""
    table = plain_table("run", "stage", "status", "artifact", ">rows", "digest", "uri")
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    for result in results:
        for artifact in result.artifacts or (Artifact("–", "", "", ""),):
            table.add_row(
                result.run_id,
                result.stage,
                result.status,
                artifact.name,
                f"{artifact.rows:,}",
                artifact.digest[:12],
                artifact.uri,
            )
    screen().print(table)


def rejects_list(found: Sequence[Rejected]) -> None:
    """For each step and reason how many records were set aside, and beneath them the first ones."""
    console = screen()
    for own in found:
        console.print(f"[bold]{own.stage}[/bold] of {own.run_id}: {own.count:,} set aside, {escape(own.reason)}")
        for record in own.records:
            console.print(escape(f"  {json.dumps(record, ensure_ascii=False)}"), highlight=False, soft_wrap=True)
        if own.count > len(own.records):
            console.print(f"  … and {own.count - len(own.records):,} more")
    if not found:
        console.print("nothing was set aside")


def summary(use_case: str, store: str, as_of: str | None) -> None:
    """What the last training and the last scoring left.

    Raises:
        UsageError: nothing has run yet.
    """
    config = find(use_case).config
    at = moment(as_of, config.timezone) if as_of else None
    results = [result for result in stored_results(Store(store).within(use_case)) if at is None or result.as_of == at]
    if not results:
        raise UsageError("nothing has run yet", given=use_case, do=f"run `ml-pipeline run {use_case} offline` first")
    room = Store(store).within(use_case)
    console = screen()
    last = {mode: _last_run(results, mode) for mode in config.modes}
    for run in last.values():
        _times(console, run)
    _model(console, Registry(room))
    _warn([result for run in last.values() for result in run])
    for result in last["online"]:
        if result.stage == "postprocess" and result.artifacts:
            _ranked_first(console, open_dataset(room, result.artifacts[0].key), config)


def _warn(results: Sequence[StageResult]) -> None:
    """Whatever rests on records that were made up is not to be taken for more."""
    if synthetic := sorted({source for result in results for source in result.synthetic}):
        screen().print(f"[bold]synthetic data[/bold]: the records of {', '.join(synthetic)} are made up")


def _last_run(results: Sequence[StageResult], mode: str) -> list[StageResult]:
    """The stages of the run that finished last, in the order they finished."""
    own = sorted((result for result in results if result.mode == mode), key=lambda result: result.finished)
    return [result for result in own if result.run_id == own[-1].run_id]


def _times(console: Console, results: Sequence[StageResult]) -> None:
    if not results:
        return
    console.print(f"\n[bold]{results[0].mode}[/bold] as of {results[0].as_of.isoformat()}, run {results[0].run_id}")
    table = plain_table("stage", ">seconds", *(f">{activity}" for activity in ACTIVITIES), ">rows", "")
    for result in results:
        aside = sum(result.quarantined.values())
        marks = [*([] if result.status == "done" else [result.status]), *([f"{aside:,} set aside"] if aside else [])]
        spent = [f"{result.spent[activity]:.2f}" if result.spent else "" for activity in ACTIVITIES]
        table.add_row(result.stage, f"{result.seconds:.2f}", *spent, f"{result.rows_out:,}", ", ".join(marks))
    console.print(table)


def _model(console: Console, registry: Registry) -> None:
    version = registry.champion()
    if not version:
        console.print("\nno champion yet")
        return
    found = registry.metrics(version)
    console.print(f"\n[bold]model {version}[/bold], as of {registry.model(version).as_of}")
    table = plain_table("on unseen rows", ">value", "95 % interval")
    for name, own in found["metrics"].items():
        table.add_row(name, shown(own), interval(own))
    console.print(table)
    console.print(f"{found['rows']:,} test rows. " + " ".join(found["verdict"]["reasons"]))
    console.print(f"parameters   {registry.store.address(registry.key(version, PARAMETERS))}")
    console.print(f"description  {registry.store.address(registry.key(version, MODEL))}")


def _ranked_first(console: Console, scored: Dataset, config: UseCaseConfig) -> None:
    frame = _plain(scored, config)
    order = sorted(range(scored.manifest.rows), key=lambda row: frame["rank"][row])[:LISTED]
    shown = [name for name in frame if name not in ("prediction", "model_version", "rank", config.key)]
    table = plain_table(config.key, *shown)
    for row in order:
        table.add_row(*(escape(_cell(frame[name][row])) for name in (config.key, *shown)))
    console.print(f"\n[bold]{scored.manifest.rows:,} rows scored[/bold], the {len(order)} ranked first:")
    console.print(table)
    console.print(f"predictions  {scored.store.address(scored.key)}")


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _plain(scored: Dataset, config: UseCaseConfig) -> dict[str, list[Any]]:
    """The scored rows as a person reads them: moments in the use case's time zone."""
    zone = ZoneInfo(config.timezone)
    columns: dict[str, list[Any]] = {}
    for part in scored.manifest.parts:
        for name, values in scored.table(part).to_pydict().items():
            columns.setdefault(name, []).extend(values)
    local = [value.astimezone(zone) if isinstance(value, dt.datetime) else value for value in columns[config.time]]
    return {**columns, config.time: [f"{value:%Y-%m-%d %H:%M}" for value in local]}
