"""A query's records from a real PostgreSQL server and from SQLite: what holds for one must hold for the other."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi

from ml_pipeline.artifacts.store import Store
from ml_pipeline.connectors import SqlQuery
from ml_pipeline.connectors.selection import ROWS_PER_BATCH
from ml_pipeline.data.sources import Window
from ml_pipeline.errors import SchemaError, SourceError, StoreError, UsageError

TYPES = {"id": "int64", "name": "string", "size": "float64", "known": "timestamp"}
JANUARY = [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in range(1, 32)]
TABLE = "create table trials (id integer, name text, size double precision, known {})"
HOSTILE = """o'"Neil'; drop table trials; -- $1 ?1"""


class Database:
    """An address, and a way to prepare what is there."""

    def __init__(self, address: str, execute: Callable[..., None], moment: str, mark: str) -> None:
        self.address, self.execute, self.moment, self.mark = address, execute, moment, mark

    def fill(self, *rows: tuple[Any, ...]) -> None:
        """A new table `trials` with these rows; a row's moment is a text."""
        self.execute("drop table if exists trials")
        self.execute(TABLE.format(self.moment))
        for row in rows:
            values = ", ".join("null" if value is None else repr(value) for value in row)
            self.execute(f"insert into trials values ({values})")

    def query(self, query: str = "select * from trials", types: Any = TYPES, watermark: str = "") -> SqlQuery:
        return SqlQuery(types, query=query, watermark=watermark, address=self.address)


@pytest.fixture
def postgres(postgresql: str) -> Iterator[Database]:
    with dbapi.connect(postgresql, autocommit=True) as connection, connection.cursor() as cursor:

        def execute(statement: str) -> None:
            cursor.execute(statement)

        yield Database(postgresql, execute, "timestamptz", "$")
        cursor.execute("drop table if exists trials cascade")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "my trials?.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:

        def execute(statement: str) -> None:
            connection.execute(statement)

        yield Database(f"sqlite:{path}", execute, "text", "?")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """Either of the two."""
    found: Database = request.getfixturevalue(request.param)
    return found


def test_records_come_with_the_types_that_are_promised(database: Database, read: Callable[..., Any]) -> None:
    database.fill((1, "Zürich", 0.1, "2024-01-01 12:00:00.123456+00:00"), (None, None, None, None))
    table, rejects = read(database.query())
    assert rejects == []
    assert table.to_pylist() == [
        {"id": 1, "name": "Zürich", "size": 0.1, "known": dt.datetime(2024, 1, 1, 12, 0, 0, 123456, dt.UTC)},
        dict.fromkeys(TYPES),
    ]


def test_only_what_became_known_in_the_window_is_read_in_its_order(
    database: Database, read: Callable[..., Any]
) -> None:
    database.fill(
        *((day.day, "x", 1.0, f"{day:%Y-%m-%dT%H:%M:%SZ}") for day in reversed(JANUARY)), (99, "x", 1.0, None)
    )
    source = database.query(watermark="known")
    for since, until, ids in ((None, 3, [1, 2, 3]), (3, 5, [4, 5]), (5, 5, []), (29, 31, [30, 31])):
        window = Window(since and JANUARY[since - 1], JANUARY[until - 1])
        table, _ = read(source, window)
        kept = [row["id"] for row in table.to_pylist() if since is None or row["known"] > window.since]
        assert kept == ids


def test_a_window_may_be_asked_for_in_another_zone(database: Database, read: Callable[..., Any]) -> None:
    database.fill((1, "x", 1.0, "2024-01-01T01:30:00+02:00"), (2, "x", 1.0, "2024-01-01T00:30:00Z"))
    midnight = dt.datetime(2024, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    source = database.query(watermark="known")
    assert read(source, Window(None, midnight))[0].column("id").to_pylist() == [1]
    assert read(source, Window(midnight, JANUARY[5]))[0].column("id").to_pylist() == [2]


def test_nothing_is_built_from_data(database: Database, read: Callable[..., Any]) -> None:
    database.fill((1, "x", 1.0, "2024-01-01T00:00:00Z"))
    quoted = HOSTILE.replace("'", "''")
    database.execute(f"update trials set name = '{quoted}'")
    table, _ = read(database.query(watermark="known"))
    assert table.column("name").to_pylist() == [HOSTILE]
    assert read(database.query())[0].num_rows == 1


def test_names_may_hold_anything(database: Database, read: Callable[..., Any]) -> None:
    name = 'a "b"; c'
    database.fill((1, "x", 1.0, "2024-01-01T00:00:00Z"))
    query = f'select id as "{name.replace(chr(34), chr(34) * 2)}", known as "Known When" from trials; '
    source = database.query(query, {name: "int64", "Known When": "timestamp"}, "Known When")
    assert read(source)[0].to_pylist() == [{name: 1, "Known When": JANUARY[0]}]


def test_a_query_may_be_long_and_end_with_a_comment(database: Database, read: Callable[..., Any]) -> None:
    database.fill((1, "x", 2.0, None), (2, "y", 3.0, None))
    query = "with big as (select * from trials where size > 2) select * from big -- only big ones"
    assert read(database.query(query))[0].column("id").to_pylist() == [2]


def test_a_table_larger_than_a_batch_comes_in_several(database: Database, batches: Callable[..., Any]) -> None:
    rows = 2 * ROWS_PER_BATCH + 7
    query = f"""with recursive n(id) as (select 1 union all select id + 1 from n where id < {rows})
        select id, 'x' as name, 0.5 as size, null as known from n"""
    given = batches(database.query(query, {"id": "int64", "name": "string"}))
    assert sum(records.batch.num_rows for records in given) == rows
    assert max(records.batch.num_rows for records in given) == ROWS_PER_BATCH


def test_without_records_the_columns_are_still_told(database: Database, batches: Callable[..., Any]) -> None:
    database.fill()
    given = batches(database.query(watermark="known"))
    assert [(records.batch.num_rows, records.batch.schema.names) for records in given] == [(0, list(TYPES))]


@pytest.mark.parametrize("watermark", ["", "known"])
def test_a_column_dropped_overnight_is_named(database: Database, batches: Callable[..., Any], watermark: str) -> None:
    database.fill((1, "x", 1.0, "2024-01-01T00:00:00Z"))
    database.execute("alter table trials drop column size")
    with pytest.raises(SchemaError, match=r"the database lacks what the query names.*\bsize\b"):
        batches(database.query(watermark=watermark))


def test_a_watermark_that_is_no_column_is_named(database: Database, batches: Callable[..., Any]) -> None:
    database.fill()
    with pytest.raises(SchemaError, match="updated"):
        batches(database.query(watermark="updated"))


def test_a_table_that_is_not_there_is_named(database: Database, batches: Callable[..., Any]) -> None:
    with pytest.raises(SchemaError, match="no_such_table"):
        batches(database.query("select * from no_such_table"))


def test_a_query_that_is_no_sql_is_told(database: Database, batches: Callable[..., Any]) -> None:
    with pytest.raises(SourceError, match="syntax error"):
        batches(database.query("select from where"))


@pytest.mark.parametrize("address", ["mysql://root:hunter2@host/db", "trials.sqlite", "/tmp/trials.sqlite"])
def test_another_database_is_refused(batches: Callable[..., Any], address: str) -> None:
    with pytest.raises(UsageError, match=r"postgresql://user@host/database or sqlite:PATH") as caught:
        batches(SqlQuery(TYPES, query="select 1", address=address))
    assert "hunter2" not in str(caught.value)


def test_a_reader_that_stops_early_leaves_nothing_open(database: Database) -> None:
    database.fill((1, "x", 1.0, "2024-01-01T00:00:00Z"))
    reading = database.query().read(Window(None, JANUARY[5]))
    next(reading)
    reading.close()
    database.execute("drop table trials")  # which waits for whoever still reads


# PostgreSQL alone


@pytest.mark.postgres
def test_every_type_of_the_server_has_a_text(postgres: Database, read: Callable[..., Any]) -> None:
    query = """select 12345678901234567890.5::numeric as numeric, '{"a": 1}'::jsonb as jsonb, date '2024-01-31' as date,
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uuid, array['x', 'y'] as array, interval '1 day' as interval,
        timestamp '2024-01-31 12:00' as plain, true as bool, null as nothing"""
    names = ("numeric", "jsonb", "date", "uuid", "array", "interval", "plain", "bool", "nothing")
    table, _ = read(postgres.query(query, dict.fromkeys(names, "string")))
    assert list(table.to_pylist()[0].values()) == [
        "12345678901234567890.5", '{"a": 1}', "2024-01-31", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{x,y}", "1 day",
        "2024-01-31 12:00:00", "true", None,
    ]  # fmt: skip


@pytest.mark.postgres
def test_other_types_become_those_that_are_promised(postgres: Database, read: Callable[..., Any]) -> None:
    query = """select 1.5::numeric as n, 2::smallint as i, date '2024-01-31' as d, timestamp '2024-01-31 12:00' as t,
        1.5::real as f, false as b"""
    types = {"n": "float64", "i": "int64", "d": "timestamp", "t": "timestamp", "f": "float64", "b": "bool"}
    table, rejects = read(postgres.query(query, types))
    assert rejects == []
    noon = dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC)
    assert list(table.to_pylist()[0].values()) == [1.5, 2, JANUARY[30], noon, 1.5, False]


@pytest.mark.postgres
def test_only_records_that_do_not_fit_are_set_aside(postgres: Database, read: Callable[..., Any]) -> None:
    query = "select n, gen_random_uuid() as u from (values (1.5), (2), (1e30), (null)) as given(n)"
    table, rejects = read(postgres.query(query, {"n": "int64"}))
    assert table.column("n").to_pylist() == [2, None]
    assert [record["n"] for _, record in rejects] == ["1.5", "1000000000000000000000000000000"]
    table, rejects = read(postgres.query(query, {"u": "int64"}))
    assert (table.num_rows, len(rejects)) == (0, 4)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("kind", "ids"), [("timestamptz", range(9, 17)), ("timestamp", range(9, 17)), ("date", range(12, 20))]
)
def test_a_plain_timestamp_or_a_day_may_be_the_watermark(
    postgresql: str, read: Callable[..., Any], kind: str, ids: Any
) -> None:
    """In UTC, wherever the server thinks it is."""
    query = f"""select id, cast(timestamp '2024-01-01' + id * interval '6 hours' as {kind}) as known
        from generate_series(0, 99) as id"""
    if kind == "timestamptz":
        query = query.replace("timestamp '2024-01-01'", "timestamptz '2024-01-01T00:00Z'")
    source = SqlQuery(
        {"id": "int64"}, query=query, watermark="known", address=f"{postgresql}&options=-c%20timezone%3DAsia/Tokyo"
    )
    table, _ = read(source, Window(JANUARY[2], JANUARY[4]))
    assert sorted(table.column("id").to_pylist()) == list(ids)


@pytest.mark.postgres
def test_the_reader_cannot_write(postgres: Database, batches: Callable[..., Any]) -> None:
    postgres.fill((1, "x", 1.0, None))
    postgres.execute(
        "create or replace function writes() returns setof trials language sql as 'delete from trials returning *'"
    )
    with pytest.raises(SourceError, match="read-only transaction"):
        batches(postgres.query("select * from writes()"))


@pytest.mark.postgres
def test_a_connection_that_is_ended_while_it_is_read_is_told(postgres: Database) -> None:
    query = "select i as id, repeat('x', 500) as name, pg_backend_pid() as size from generate_series(1, 300000) as i"
    types = {"id": "int64", "name": "string", "size": "float64"}
    reading = postgres.query(query, types).read(Window(None, JANUARY[0]))
    backend = int(next(reading).batch.column("size")[0].as_py())
    postgres.execute(f"select pg_terminate_backend({backend}, 5000)")
    with pytest.raises(SourceError, match=r"the database did not give all records.*terminating connection"):
        list(reading)


@pytest.mark.postgres
def test_a_query_that_fails_half_way_gives_no_end(postgres: Database, batches: Callable[..., Any]) -> None:
    query = f"select 1 / (i - {ROWS_PER_BATCH + 1}) as id from generate_series(1, 300000) as i"
    reading = postgres.query(query, {"id": "int64"}).read(Window(None, JANUARY[0]))
    assert next(reading).batch.num_rows == ROWS_PER_BATCH
    with pytest.raises(SourceError, match="division by zero"):
        next(reading)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("/postgres?", "/nowhere?"), 'database "nowhere" does not exist'),
        (("//postgres", "//nobody"), 'role "nobody" does not exist'),
        (("host=", "host=/nowhere"), "No such file or directory"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told(
    postgresql: str, batches: Callable[..., Any], change: tuple[str, str], says: str
) -> None:
    address = postgresql.replace(*change)
    with pytest.raises(SourceError, match=rf"the database cannot be reached.*{says}") as caught:
        batches(SqlQuery(TYPES, query="select 1", address=address))
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("password", ["hunter2", "hunter2@", "a@hunter2", "hun/ter2", "ter2?x=y", "%40ter2", "#ter2 "])
@pytest.mark.parametrize("address", ["postgresql://me:{}@127.0.0.1:1/db", "postgres://me@127.0.0.1:1/db?password={}"])
def test_a_password_is_never_shown(batches: Callable[..., Any], address: str, password: str) -> None:
    with pytest.raises(SourceError, match=r"the database cannot be reached.*127.0.0.1.*refused") as caught:
        batches(SqlQuery(TYPES, query="select 1", address=address.format(password)))
    assert "ter2" not in str(caught.value)


def test_a_password_that_cannot_be_told_from_the_rest_is_not_shown_either(batches: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"where the password .* ends cannot be told") as caught:
        batches(SqlQuery(TYPES, query="select 1", address="postgresql://me:hun@ter?2@host/db"))
    assert "ter" not in str(caught.value).replace("written", "")


# SQLite alone


def test_a_column_may_hold_anything_and_only_misfits_are_set_aside(sqlite: Database, read: Callable[..., Any]) -> None:
    sqlite.execute("create table trials (id, name, size, known)")
    empty = ", ".join(["(null, null, null, null)"] * 3)
    sqlite.execute(
        f"insert into trials values {empty}, (1, 'x', 2, null), (2.0, 7, '3.5', null), ('many', 'y', 1, null)"
    )
    sqlite.execute("insert into trials values (3, x'ff00', 1, null), (4, 'z', 1e300, 'yesterday'), (5, '', 1e16, null)")
    table, rejects = read(sqlite.query())
    assert table.column("id").to_pylist() == [None, None, None, 1, 2, 5]
    assert table.column("name").to_pylist() == [None, None, None, "x", "7", ""]
    assert table.column("size").to_pylist() == [None, None, None, 2.0, 3.5, 1e16]
    assert sorted(reason for reason, _ in rejects) == [
        "id is not of type int64", "known is not of type timestamp", "name is not of type string",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-300, 123456789.123456789, -2.5, 1.7976931348623157e308])
def test_a_number_keeps_every_bit(sqlite: Database, read: Callable[..., Any], value: float) -> None:
    sqlite.fill((1, "x", value, None))
    assert read(sqlite.query())[0].column("size").to_pylist() == [value]


@pytest.mark.parametrize(
    "text",
    ["2024-01-02", "2024-01-02 00:00:00", "2024-01-02T00:00:00.000Z", "2024-01-02T02:00:00+02:00", "2024-01-02 00:00"],
)
def test_moments_are_texts_in_iso_format(sqlite: Database, read: Callable[..., Any], text: str) -> None:
    sqlite.fill((1, "x", 1.0, text))
    table, _ = read(sqlite.query(watermark="known"), Window(JANUARY[0], JANUARY[2]))
    assert table.column("known").to_pylist() == [JANUARY[1]]
    assert read(sqlite.query(watermark="known"), Window(JANUARY[2], JANUARY[3]))[0].num_rows == 0


def test_moments_to_the_microsecond_are_not_lost(sqlite: Database, read: Callable[..., Any]) -> None:
    edge = dt.datetime(2024, 1, 1, 12, 0, 0, 500, dt.UTC)
    moments = [edge + dt.timedelta(microseconds=step) for step in (-1, 0, 1)]
    sqlite.fill(*((row, "x", 1.0, moment.isoformat()) for row, moment in enumerate(moments)))
    source = sqlite.query(watermark="known")
    assert 2 in read(source, Window(edge, JANUARY[5]))[0].column("id").to_pylist()
    assert {0, 1} <= set(read(source, Window(None, edge))[0].column("id").to_pylist())


def test_a_watermark_that_is_no_moment_is_seen_and_set_aside(sqlite: Database, read: Callable[..., Any]) -> None:
    sqlite.fill((1, "x", 1.0, "2024-01-02T00:00:00Z"))
    sqlite.execute("insert into trials values (2, 'y', 1.0, 'it''s \"soon\"')")
    table, rejects = read(sqlite.query(watermark="known"), Window(JANUARY[0], JANUARY[2]))
    assert table.column("id").to_pylist() == [1]
    assert [(reason, record["known"]) for reason, record in rejects] == [
        ("known is not of type timestamp", 'it\'s "soon"')
    ]


def test_a_file_is_opened_for_reading_only(sqlite: Database, tmp_path: Path, batches: Callable[..., Any]) -> None:
    sqlite.fill((1, "x", 1.0, None))
    path = Path(sqlite.address.removeprefix("sqlite:"))
    before, files = path.read_bytes(), sorted(tmp_path.iterdir())
    batches(sqlite.query())
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == (before, files)


@pytest.mark.parametrize("content", [None, b"this is no database, and long enough to be sure of it" * 20])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, batches: Callable[..., Any], content: bytes | None) -> None:
    path = tmp_path / "trials.sqlite"
    if content:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"sqlite:{path}"):
        batches(SqlQuery(TYPES, query="select * from trials", address=f"sqlite:{path}"))
    assert content or not path.exists()


@pytest.mark.long
def test_a_damaged_file_gives_no_half_of_its_records(sqlite: Database, batches: Callable[..., Any]) -> None:
    sqlite.fill(*((row, "x" * 500, 1.0, None) for row in range(500)))
    path = Path(sqlite.address.removeprefix("sqlite:"))
    path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 20_000 + path.read_bytes()[28_192:])
    with pytest.raises(SourceError, match="did not give all records"):
        batches(sqlite.query())


@pytest.mark.store
def test_a_file_in_an_object_store_is_fetched_and_removed(
    s3: Store, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[..., Any]
) -> None:
    sqlite.execute("pragma journal_mode = wal")
    sqlite.fill((1, "x", 1.0, None))
    sqlite.execute("pragma wal_checkpoint(truncate)")
    s3.put("trials.sqlite", Path(sqlite.address.removeprefix("sqlite:")).read_bytes())
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    source = SqlQuery(TYPES, query="select * from trials", address=f"sqlite:{s3.address('trials.sqlite')}")
    reading = source.read(Window(None, JANUARY[0]))
    next(reading)
    assert list(room.iterdir())
    reading.close()
    assert list(room.iterdir()) == []
    assert read(source)[0].column("id").to_pylist() == [1]
    assert list(room.iterdir()) == []
    with pytest.raises(StoreError, match="the object is not there"):
        read(SqlQuery(TYPES, query="select 1", address=f"sqlite:{s3.address('none.sqlite')}"))
