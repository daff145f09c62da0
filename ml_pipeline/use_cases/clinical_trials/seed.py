"""Writes the sponsor's trials that are to come, made up, into a database: `python -m …clinical_trials.seed`.

Without an address the database is a file of SQLite in the object store of `ML_PIPELINE_STORE`, where pipeline.yaml
looks for it; `postgresql://user@host/database` names another.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ml_pipeline.use_cases.clinical_trials.synthetic import sponsor_trials

if TYPE_CHECKING:
    import pyarrow as pa

COUNT = 200
TABLE = "trials"
FILE = "private_health_cloud.sqlite"


@click.command()
@click.argument("address", default="")
@click.option("--first", metavar="DAY", default="2024-07-01", show_default=True, help="Trials start in the year after.")
@click.option("--count", default=COUNT, show_default=True)
def main(address: str, first: str, count: int) -> None:
    """Write made-up trials into a table `trials`, in place of what it held."""
    click.echo(f"{count} synthetic trials in {seed(dt.date.fromisoformat(first), count, address)}")


def seed(first: dt.date, count: int = COUNT, address: str = "") -> str:
    """Write the trials, and say where they are now."""
    import pyarrow as pa

    trials = pa.Table.from_pylist(sponsor_trials(count, first=first))
    if address.startswith(("postgresql://", "postgres://")):
        _to_postgresql(trials, address)
        return address.rpartition("@")[2]
    return _to_sqlite(trials)


def _to_postgresql(trials: pa.Table, address: str) -> None:
    import pyarrow as pa
    from adbc_driver_postgresql import dbapi

    at = trials.column_names.index("updated_at")
    typed = trials.set_column(at, "updated_at", trials.column(at).cast(pa.timestamp("us", "UTC")))
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(TABLE, typed, mode="replace")
        connection.commit()


def _to_sqlite(trials: pa.Table) -> str:
    from ml_pipeline.artifacts.store import from_environment

    store = from_environment().within("clinical_trials")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        with closing(sqlite3.connect(path)) as database:
            names = ", ".join(trials.column_names)
            database.execute(f"create table {TABLE} ({names})")
            values = ", ".join("?" * trials.num_columns)
            rows = [tuple(row.values()) for row in trials.to_pylist()]
            database.executemany(f"insert into {TABLE} values ({values})", rows)  # noqa: S608 - of our own making
            database.commit()
        store.put(FILE, path.read_bytes())
    return store.address(FILE)


if __name__ == "__main__":
    main()
