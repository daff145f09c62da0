"""Datasets: visible only when whole, the same bytes from the same rows, and every damage noticed."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.artifacts import manifest as manifest_file
from ml_pipeline.artifacts import part_queue
from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, DatasetWriter, open_dataset, profile_key
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Column, Columns, count, kind, take
from ml_pipeline.data import parquet
from ml_pipeline.data.profile import Profile, unpack
from ml_pipeline.errors import IntegrityError, NotFoundError, SchemaError, StoreFullError

ROWS = 97
WORDS = ("ñ", "a", "", "never used", "b")


def table_of(rows: int = ROWS, seed: int = 0) -> dict[str, Column]:
    """Every kind of column, with gaps."""
    chance = np.random.default_rng(seed)
    hours = np.datetime64("2013-01-01T05", "us") + chance.integers(0, 10_000, rows) * np.timedelta64(1, "h")
    return {
        "key": np.arange(float(rows)),
        "number": np.where(chance.random(rows) < 0.2, np.nan, chance.normal(size=rows)),
        "time": np.where(chance.random(rows) < 0.1, np.datetime64("NaT", "us"), hours),
        "word": Category(chance.choice([-1, 0, 1, 2, 4], rows).astype(np.int32), WORDS),
        "block": chance.normal(size=(rows, 3)),
    }


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_PART", 10)


def write(
    store: Store, batches: Sequence[Columns | pa.Table], key: str = "data/1", rejects: Sequence[tuple[str, Any]] = ()
) -> Dataset:
    writer = DatasetWriter(store, key, "prepared.flights", "time")
    for batch in batches:
        writer.write(batch)
    writer.set_aside(rejects)
    return writer.close({"step": "prepare"})


def plain(columns: Columns) -> dict[str, Any]:
    """Columns as values that can be compared, whatever their vocabularies."""
    return {
        name: column.values() if isinstance(column, Category) else column.tobytes() for name, column in columns.items()
    }


def cut(columns: Columns, borders: Sequence[int]) -> list[dict[str, Column]]:
    ends = [0, *sorted(borders), count(columns)]
    return [take(columns, slice(start, stop)) for start, stop in pairwise(ends)]


def test_what_is_written_is_read(store: Store) -> None:
    columns = table_of()
    write(store, [columns])
    dataset = open_dataset(store, "data/1")
    assert plain(dataset.columns()) == plain(columns)
    assert [kind(column) for column in dataset.columns().values()] == ["number", "number", "time", "category", "block"]
    assert dataset.manifest.rows == ROWS
    assert [part.rows for part in dataset.manifest.parts] == [10] * 9 + [7]
    assert dataset.manifest.bytes == sum(len(store.get(f"data/1/{part.name}")) for part in dataset.manifest.parts)


def test_only_the_columns_asked_for_are_read_in_the_order_asked(local: Store) -> None:
    columns = table_of()
    dataset = write(local, [columns])
    assert list(dataset.columns(["word", "key"])) == ["word", "key"]
    for load, batch in zip(dataset.batches(["number"]), cut(columns, range(10, 97, 10)), strict=True):
        assert plain(load()) == plain({"number": batch["number"]})


def test_a_column_it_lacks_is_named(local: Store) -> None:
    with pytest.raises(SchemaError, match=r"prepared\.flights has no column 'delay'") as caught:
        write(local, [table_of()]).batches(["key", "delay"])
    assert "number" in caught.value.given


@settings(max_examples=15)
@given(st.lists(st.integers(0, ROWS), max_size=12), st.lists(st.integers(0, 35), max_size=4))
def test_parts_and_bytes_follow_from_the_rows_alone(borders: list[int], reject_borders: list[int]) -> None:
    columns, rejects = table_of(), [(f"reason {n % 3}", {"n": n}) for n in range(35)]

    def digests(batches: list[dict[str, Column]], at: list[int]) -> tuple[str, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            writer = DatasetWriter(Store(folder), "data/1", "prepared.flights", "time")
            for batch in batches:
                writer.write(_other_vocabulary(batch))
            for start, stop in pairwise([0, *sorted(at), len(rejects)]):
                writer.set_aside(rejects[start:stop])
            made = writer.close({})
            return made.manifest.digest, Store(folder).keys("data/1")

    assert digests(cut(columns, borders), reject_borders) == digests([columns], [])


def _other_vocabulary(batch: Columns) -> dict[str, Column]:
    """The same words under other codes, as every batch of a source has them."""
    word = batch["word"]
    assert isinstance(word, Category)
    return {**batch, "word": Category.of(word.values())}


def test_the_manifest_tells_a_person_what_it_is(store: Store) -> None:
    columns = table_of()
    rejects = [("delay is not of type float", {"key": 1, "delay": "soon"}), ("key stands twice", {"key": 2})]
    write(store, [columns], rejects=[*rejects, rejects[0]])
    text = store.get(f"data/1/{MANIFEST}").decode()
    found = open_dataset(store, "data/1").manifest
    times = np.asarray(columns["time"])
    assert found.time == {
        "column": "time",
        "first": f"{np.nanmin(times).astype('datetime64[s]')}+00:00",
        "last": f"{np.nanmax(times).astype('datetime64[s]')}+00:00",
    }
    assert found.quarantined == {"delay is not of type float": 2, "key stands twice": 1}
    assert found.made_from == {"step": "prepare"}
    for words in ("name: prepared.flights", f"rows: {ROWS}", "number: double", "step: prepare", "sha256:"):
        assert words in text


def test_records_set_aside_are_stored_whole_with_their_reasons(store: Store) -> None:
    record = {"key": 1, "delay": "soon", "due": np.datetime64("2013-01-01T05")}
    rejects = [("not a number", record), ("twice", {"key": 2}), ("twice", {"key": 3})]
    made = write(store, [table_of()], rejects=rejects)
    rows = made.table(made.manifest.quarantine[0]).to_pylist()
    assert [row["reason"] for row in rows] == ["not a number", "twice", "twice"]
    assert json.loads(rows[0]["record"]) == {"key": 1, "delay": "soon", "due": "2013-01-01T05"}


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_the_time_range_is_in_utc_whatever_the_source_says(local: Store, zone: str | None, unit: str) -> None:
    moments = np.array(["2013-11-03T05:30", "2013-11-03T06:10", "NaT"], f"datetime64[{unit}]")  # the clock goes back
    times = pa.array(moments).cast(pa.timestamp(unit, zone))
    made = write(local, [pa.table({"time": times[1:]}), pa.table({"time": times[:1]})])
    assert made.manifest.time["first"] == "2013-11-03T05:30:00+00:00"
    assert made.manifest.time["last"] == "2013-11-03T06:10:00+00:00"
    np.testing.assert_array_equal(made.columns()["time"], moments[[1, 2, 0]].astype("datetime64[us]"))


@pytest.mark.parametrize(
    "column",
    [Category.of(["2013", "2014"]), np.array([2013.0, 2014.0]), np.full(2, np.datetime64("NaT", "us"))],
    ids=["words", "numbers", "all missing"],
)
def test_without_moments_there_is_no_time_range(local: Store, column: Column) -> None:
    made = write(local, [{"time": column}])
    assert made.manifest.time == {}
    assert made.manifest.rows == 2


def test_no_rows_still_have_columns(store: Store) -> None:
    write(store, [table_of(0)])
    dataset = open_dataset(store, "data/1")
    columns = dataset.columns()
    assert dataset.manifest.rows == 0
    assert dataset.batches() == []
    assert [kind(column) for column in columns.values()] == ["number", "number", "time", "category", "block"]
    assert count(columns) == 0
    assert np.asarray(columns["block"]).shape == (0, 3)
    assert list(dataset.columns(["word"])) == ["word"]


def test_no_batch_at_all_is_a_dataset_without_columns(local: Store) -> None:
    write(local, [])
    dataset = open_dataset(local, "data/1")
    assert dataset.columns() == {}
    assert dataset.manifest.rows == 0


@pytest.mark.parametrize("second", [{"key": np.zeros(3)}, {"key": np.zeros(3), "word": np.zeros(3)}])
def test_a_batch_unlike_the_first_is_refused(local: Store, second: Columns) -> None:
    writer = DatasetWriter(local, "data/1", "prepared.flights")
    writer.write({"key": np.zeros(3), "word": Category.of(["a", "b", "c"])})
    with pytest.raises(SchemaError, match=r"prepared\.flights") as caught:
        writer.write(second)
    assert "word: dictionary" in caught.value.expected


def test_a_dataset_is_not_there_before_its_manifest_is(store: Store) -> None:
    writer = DatasetWriter(store, "data/1", "prepared.flights")
    writer.write(table_of())
    with pytest.raises(NotFoundError, match="not there"):
        open_dataset(store, "data/1")
    writer.close({})
    assert open_dataset(store, "data/1").manifest.rows == ROWS


def test_the_manifest_is_written_when_all_parts_are_there(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    create, there = Store.create, []

    def watched(store: Store, key: str, content: bytes) -> bool:
        there.extend(store.keys("data/1"))
        return create(store, key, content)

    def slow(store: Store, key: str, content: bytes) -> None:
        time.sleep(0.02 * (5 - len(key) % 5))
        put(store, key, content)

    put = Store.put
    monkeypatch.setattr(Store, "put", slow)
    monkeypatch.setattr(Store, "create", watched)
    made = write(local, [table_of()], rejects=[("twice", {"key": 1})])
    parts = [*made.manifest.parts, *made.manifest.quarantine]
    assert there == sorted([*(f"data/1/{part.name}" for part in parts), profile_key("data/1", made.manifest)])
    assert [part.name[:10] for part in made.manifest.parts] == [f"part-{number:05d}" for number in range(10)]


@pytest.mark.parametrize("failing", [0, 4, 9])
def test_where_a_part_fails_nothing_is_visible_however_often_it_is_tried(
    local: Store, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    def put(store: Store, key: str, content: bytes) -> None:
        if f"part-{failing:05d}" in key:
            raise StoreFullError("the object store has no room left", given=key)
        original(store, key, content)

    original = Store.put
    monkeypatch.setattr(Store, "put", put)
    writer = DatasetWriter(local, "data/1", "prepared.flights")
    with pytest.raises(StoreFullError):
        _write_and_close(writer, table_of())
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(StoreFullError):
            writer.close({})
    with pytest.raises(NotFoundError):
        open_dataset(local, "data/1")


def _write_and_close(writer: DatasetWriter, columns: Columns) -> None:
    writer.write(columns)
    writer.close({})


@pytest.mark.parametrize("cores", [1, 2, 9])
def test_parts_are_the_same_on_any_number_of_cores(local: Store, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(part_queue, "available_cores", lambda: cores)
    made = write(local, [table_of(400)], f"data/{cores}")
    assert made.manifest.parts == write(local, [table_of(400)], "data/again").manifest.parts
    assert len({part.sha256 for part in made.manifest.parts}) == 40
    assert plain(made.columns()) == plain(table_of(400))


def test_what_a_dead_writer_left_does_no_harm(store: Store) -> None:
    abandoned = DatasetWriter(store, "data/1", "prepared.flights")
    abandoned.write(table_of(60, seed=1))
    made = write(store, [table_of()])
    assert plain(made.columns()) == plain(open_dataset(store, "data/1").columns()) == plain(table_of())


def test_the_first_of_two_writers_counts(store: Store) -> None:
    first = write(store, [table_of()])
    second = write(store, [table_of(seed=1)])
    assert second.manifest == first.manifest == open_dataset(store, "data/1").manifest
    assert plain(second.columns()) == plain(table_of())


def test_of_eight_writers_at_once_one_counts_for_all(store: Store) -> None:
    start = Barrier(8)

    def race(number: int) -> Dataset:
        start.wait()
        return write(store, [table_of(seed=number)])

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(race, range(8)))
    assert len({dataset.manifest.digest for dataset in made}) == 1
    assert plain(made[0].columns()) in [plain(table_of(seed=number)) for number in range(8)]


def test_a_forced_writer_takes_the_place_of_the_first(store: Store) -> None:
    write(store, [table_of()])
    writer = DatasetWriter(store, "data/1", "prepared.flights")
    writer.write(table_of(seed=1))
    writer.close({}, replace=True)
    assert plain(open_dataset(store, "data/1").columns()) == plain(table_of(seed=1))


def test_a_profile_lies_beside_the_dataset_and_is_not_part_of_its_digest(local: Store) -> None:
    columns = table_of(40)
    made = write(local, [columns])
    stored = unpack(local.get(profile_key("data/1", made.manifest)), "here")
    assert stored == open_dataset(local, "data/1").profile()
    assert stored.rows == 40
    assert list(stored.columns) == list(made.manifest.columns)
    assert stored.described() == Profile.of(columns).described()
    local.delete(profile_key("data/1", made.manifest))
    assert open_dataset(local, "data/1").manifest.digest == made.manifest.digest


@pytest.mark.parametrize("left", [None, b"", b"nonsense"])
def test_a_profile_that_cannot_be_read_is_made_again_from_the_rows(local: Store, left: bytes | None) -> None:
    made = write(local, [table_of(40)])
    key, stored = profile_key("data/1", made.manifest), made.profile()
    local.delete(key)
    if left is not None:
        local.put(key, left)
    assert open_dataset(local, "data/1").profile() == stored


def test_of_two_writers_of_other_rows_the_one_that_counts_has_its_own_profile(local: Store) -> None:
    first, second = (DatasetWriter(local, "data/1", "prepared.flights") for _ in range(2))
    first.write(table_of(seed=1))
    second.write(table_of(20, seed=2))
    first.close({})
    assert second.close({}).profile() == open_dataset(local, "data/1").profile()
    assert open_dataset(local, "data/1").profile().rows == open_dataset(local, "data/1").manifest.rows


def test_a_dataset_without_rows_has_a_profile_of_its_columns(local: Store) -> None:
    made = write(local, [{name: own[:0] for name, own in table_of().items()}])
    assert list(made.profile().columns) == list(made.manifest.columns)
    assert made.profile().rows == 0


def test_parts_of_an_earlier_dataset_are_not_stored_again(store: Store) -> None:
    columns = table_of(40)
    first = write(store, [take(columns, slice(0, 25))], "raw/1")
    grown = _after(store, first, columns, "raw/2")
    again = _after(store, open_dataset(store, "raw/2"), columns, "raw/3")
    assert [part.elsewhere for part in grown.manifest.parts] == [
        *(f"raw/1/{part.name}" for part in first.manifest.parts[:2]), "", ""
    ]  # fmt: skip
    assert len(store.keys("raw/2")) == 4
    assert store.keys("raw/3") == [f"raw/3/{MANIFEST}", profile_key("raw/3", again.manifest)]
    for key in ("raw/2", "raw/3"):
        assert plain(open_dataset(store, key).columns()) == plain(columns)
        assert open_dataset(store, key).manifest.digest == write(store, [columns], "alone").manifest.digest
    assert again.manifest.parts[2].elsewhere == f"raw/2/{grown.manifest.parts[2].name}"


def _after(store: Store, earlier: Dataset, columns: Columns, key: str) -> Dataset:
    writer = DatasetWriter(store, key, "prepared.flights", "time")
    writer.share(earlier)
    writer.write(columns)
    return writer.close({})


def test_a_part_that_lies_elsewhere_is_verified_too(local: Store) -> None:
    first = write(local, [table_of(20)], "raw/1")
    grown = _after(local, first, table_of(20), "raw/2")
    key = grown.manifest.parts[1].elsewhere
    local.put(key, local.get(key)[:-1])
    grown.batches()[0]()
    with pytest.raises(IntegrityError, match="not what was written") as caught:
        grown.batches()[1]()
    assert key in caught.value.given


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b"", lambda b: bytes([b[0] ^ 1]) + b[1:]])
def test_a_part_that_was_changed_is_noticed(store: Store, change: Any) -> None:
    made = write(store, [table_of()])
    key = f"data/1/{made.manifest.parts[3].name}"
    store.put(key, change(store.get(key)))
    with pytest.raises(IntegrityError, match="not what was written") as caught:
        open_dataset(store, "data/1").columns()
    assert store.address(key) in caught.value.given
    assert "force" in caught.value.do


def test_a_part_that_is_lost_is_named(local: Store, tmp_path: Path) -> None:
    made = write(local, [table_of()])
    name = made.manifest.parts[3].name
    (tmp_path / "store/data/1" / name).unlink()
    with pytest.raises(NotFoundError, match="not there") as caught:
        made.columns()
    assert name in caught.value.given


def test_a_manifest_cut_off_anywhere_is_noticed(local: Store) -> None:
    write(local, [table_of(25)], rejects=[("twice", {"key": 1})])
    key = f"data/1/{MANIFEST}"
    whole = local.get(key)
    for length in range(len(whole.rstrip())):
        with pytest.raises(IntegrityError):
            manifest_file.load(whole[:length], key)


@pytest.mark.parametrize(
    ("old", "new"),
    [("rows: 25", "rows: many"), ("number: double", "number: float"), ("- name: part-00001", "- nam: part-00001")],
)
def test_a_manifest_that_was_changed_is_noticed(store: Store, old: str, new: str) -> None:
    write(store, [table_of(25)])
    text = store.get(f"data/1/{MANIFEST}").decode()
    assert old in text
    store.put(f"data/1/{MANIFEST}", text.replace(old, new).encode())
    with pytest.raises(IntegrityError, match="a manifest is not what was written") as caught:
        open_dataset(store, "data/1")
    assert store.address(f"data/1/{MANIFEST}") in caught.value.given


def test_a_manifest_with_a_python_tag_does_nothing(local: Store, tmp_path: Path) -> None:
    bait = tmp_path / "executed"
    local.put(f"data/1/{MANIFEST}", f"name: !!python/object/apply:os.system ['touch {bait}']\n".encode())
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        open_dataset(local, "data/1")
    assert not bait.exists()


def test_a_store_that_fills_up_shows_nothing_half_written(local: Store, short_files: None) -> None:
    chance = np.random.default_rng(0)
    writer = DatasetWriter(local, "data/1", "prepared.flights")
    writer.write({"block": np.zeros((10, 3_000))})
    with pytest.raises(StoreFullError, match="no room left"):
        _write_and_close(writer, {"block": chance.normal(size=(10, 3_000))})
    with pytest.raises(NotFoundError):
        open_dataset(local, "data/1")


@pytest.fixture
def short_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("text", "arrow"),
    [("int64", pa.int64()), ("date32[day]", pa.date32()), ("timestamp[ns]", pa.timestamp("us", "UTC"))],
)
def test_a_raw_dataset_without_rows_keeps_the_types_of_its_source(local: Store, text: str, arrow: pa.DataType) -> None:
    made = write(local, [pa.schema([("raw", arrow)]).empty_table()])
    assert open_dataset(local, "data/1").empty().schema.field("raw").type == arrow
    assert made.manifest.rows == 0


def test_results_refer_to_it_by_name_place_and_digest(local: Store) -> None:
    made = write(local, [table_of()])
    artifact = made.artifact()
    assert (artifact.name, artifact.key, artifact.rows) == ("prepared.flights", "data/1", ROWS)
    assert artifact.uri == local.address("data/1")
    assert artifact.digest == made.manifest.digest
    assert artifact.bytes == made.manifest.bytes


def test_the_digest_covers_content_not_the_way_to_it(local: Store) -> None:
    digests = {
        write(local, [table_of()], "a").manifest.digest,
        write(local, cut(table_of(), [13]), "b").manifest.digest,
    }
    assert len(digests) == 1
    others = [
        write(local, [table_of(seed=1)], "c"),
        write(local, [table_of()], "d", rejects=[("twice", {"key": 1})]),
        write(local, [{("n" if name == "number" else name): c for name, c in table_of().items()}], "e"),
    ]
    assert len(digests | {dataset.manifest.digest for dataset in others}) == 4
