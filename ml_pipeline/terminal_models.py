"""What a person at a terminal sees of models: one, two side by side, and who was champion when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.markup import escape
from rich.table import Table

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.lineage.cause import Cause
from ml_pipeline.lineage.description import Description
from ml_pipeline.lineage.difference import Difference, Side
from ml_pipeline.lineage.history import Reign
from ml_pipeline.lineage.reproduction import Reproduction
from ml_pipeline.lineage.snapshots import Snapshot
from ml_pipeline.lineage.succession import Succession
from ml_pipeline.models.metric import interval, shown
from ml_pipeline.terminal import plain_table, screen

VERDICTS = {True: "passed", False: "rejected", None: "not evaluated"}
LISTED = 2
"""Metrics of each model that a list of models shows, the first ones."""
UNKNOWN = "before moments were written down"


def models_table(rows: Sequence[dict[str, Any]]) -> None:
    """One line per model."""
    names = _first_metrics(rows)
    table = plain_table("version", "", "as of", ">rows", *(f">{name}" for name in names), "verdict", "")
    for row in rows:
        metrics = (_interval(row["metrics"].get(name)) for name in names)
        table.add_row(
            row["version"], "champion" if row["champion"] else "", row["as_of"], f"{row['rows']:,}",
            *metrics, VERDICTS[row["passed"]], _synthetic(row["synthetic"]),
        )  # fmt: skip
    screen().print(table)


def _first_metrics(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Those that its list shows; more where a use case once predicted something else."""
    return list(dict.fromkeys(name for row in rows for name in list(row["metrics"])[:LISTED]))


def show_model(own: Description) -> None:
    """A model in a minute."""
    console = screen()
    role = f"champion since {own.champion_since or UNKNOWN}" if own.champion else "not champion"
    console.print(f"[bold]model {own.version}[/bold], {role}")
    console.print(escape(f"{own.question} Answered by {own.model}, as of {own.as_of}, seed {own.seed}"))
    before = f"went on from [bold]{own.start}[/bold]: " if own.start else ""
    console.print(f"{before}trained on {own.rows:,} rows, made from {own.snapshot_count:,} snapshots")
    if own.synthetic:
        console.print(f"[bold]{_synthetic(own.synthetic)}[/bold]: its records are made up")
    console.print(_sources(own.snapshots))
    _judged(own)
    if own.promotions:
        console.print("\n[bold]promotions[/bold]")
        log_table(own.promotions)
    console.print("\n[bold]files[/bold]")
    for name, address in own.files.items():
        console.print(f"{name:30} {escape(address)}")


def show_difference(own: Difference) -> None:
    """Causes first, then effects."""
    console = screen()
    console.print("\n".join(f"{word} {_side(side)}" for word, side in (("old", own.old), ("new", own.new))))
    console.print("\n[bold]why they differ[/bold]")
    console.print(_causes(own.causes, own.snapshots) if own.causes else "by nothing: they are the same model")
    if own.coefficients:
        console.print(f"\n[bold]the {len(own.coefficients)} coefficients that moved most[/bold]")
        console.print(_coefficients(own))
    if own.metrics:
        rows = "on the same test rows" if own.same_test_rows else "each model on test rows of its own"
        console.print(f"\n[bold]metrics[/bold], {rows}")
        table = plain_table("", ">old", ">new")
        for metric in own.metrics:
            table.add_row(metric.name, _interval(metric.old), _interval(metric.new))
        console.print(table)


def show_reign(own: Reign) -> None:
    """Who was champion, and by which entry."""
    screen().print(f"at {own.moment} the champion was [bold]{own.champion}[/bold], by this entry of the log:")
    log_table([own.entry])


def log_table(entries: Sequence[Promotion]) -> None:
    """One line per entry."""
    table = _folded(plain_table(">entry", "at", "", "champion", "in place of", "by", "run", "why"), 1)
    for entry in entries:
        table.add_row(
            str(entry.number), entry.at or UNKNOWN, entry.kind, entry.to, entry.previous or "none",
            escape(entry.actor), escape(entry.run), escape(entry.reason),
        )  # fmt: skip
    screen().print(table)


def show_succession(own: Succession) -> None:
    """Who is champion now."""
    entry = own.entry
    screen().print(f"[bold]{entry.to}[/bold] is champion in place of {entry.previous or 'none'}, entry {entry.number}")
    for note in own.notes:
        screen().print(escape(note))


def show_reproduction(own: Reproduction) -> None:
    """Whether a model could be made again, and what is not as it was then."""
    console = screen()
    console.print(f"[bold]{own.version}[/bold] trained again: {_outcome(own)}")
    if own.causes:
        console.print("\n[bold]what differs today[/bold] (pipeline.yaml was taken as it was then)")
        console.print(_causes(own.causes, ()))


def _outcome(own: Reproduction) -> str:
    if own.outcome == "same bytes":
        return f"the same bytes, on this {own.processor}"
    if own.outcome == "close":
        how = f"{own.largest_difference:.1e}, at {own.at}" if own.at else "none but in the report on the fit"
        return f"other bytes, but all numbers are equal to 1e-9 (largest difference {how}), on this {own.processor}"
    if math.isinf(own.largest_difference):
        return f"another model: {own.at} is not the same"
    return f"another model: {own.at} differs by {own.largest_difference:.1e} of its size"


def _judged(own: Description) -> None:
    console = screen()
    console.print(f"\n[bold]verdict: {VERDICTS[own.verdict['passed']]}[/bold]")
    for reason in own.verdict["reasons"]:
        console.print(escape(reason))
    if own.metrics:
        table = plain_table(f"on {own.test_rows:,} unseen rows", ">value (95 % interval)")
        for name, metric in own.metrics.items():
            table.add_row(name, _interval(metric))
        console.print(table)


def _sources(found: Sequence[Snapshot]) -> Table:
    """One line for the snapshots of a source."""
    table = plain_table("source", ">snapshots", "first", "last", ">rows")
    for source, own in groupby(found, key=lambda snapshot: snapshot.source):
        chain = list(own)
        rows = f"{sum(snapshot.rows for snapshot in chain):,}"
        table.add_row(source, f"{len(chain):,}", chain[0].as_of, chain[-1].as_of, rows)
    return table


def _folded(table: Table, columns: int) -> Table:
    """On a narrow terminal the last columns take several lines; nothing is cut off."""
    for column in table.columns[-columns:]:
        column.no_wrap, column.overflow = False, "fold"
    return table


def _side(side: Side) -> str:
    made_up = f", {_synthetic(side.synthetic)}" if side.synthetic else ""
    return f"[bold]{side.version}[/bold], as of {side.as_of}, {side.rows:,} rows{made_up}"


def _causes(causes: Sequence[Cause], found: Sequence[Snapshot]) -> Table:
    places = {own.digest: f"{own.source}, as of {own.as_of}, {own.rows:,} rows" for own in found}
    table = _folded(plain_table("what", "", "", "old", "new"), 2)
    for cause in causes:
        values = ["", ""] if cause.kind == "snapshot" else [_value(cause.old), _value(cause.new)]
        name = (
            places.get(cause.name, f"{cause.name[:16]}, no longer stored") if cause.kind == "snapshot" else cause.name
        )
        table.add_row(cause.kind, escape(name), cause.change, *values)
    return table


def _value(value: Any) -> str:
    return "" if value is None else escape(str(value))


def _coefficients(own: Difference) -> Table:
    table = plain_table("", ">old", ">new", ">moved by", "")
    for moved in own.coefficients:
        unit = "standard errors" if moved.standard_error else ""
        table.add_row(escape(moved.name), _number(moved.old), _number(moved.new), f"{moved.move:+.2f}", unit)
    return table


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _interval(metric: Mapping[str, float] | None) -> str:
    return f"{shown(metric)} ({interval(metric)})" if metric else ""


def _synthetic(sources: Sequence[str]) -> str:
    return f"synthetic data of {', '.join(sources)}" if sources else ""
