"""The join on disk finds what the join in memory finds, to the bit, in bounded memory, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category, Column, Columns, concat, take
from ml_pipeline.config import Join as JoinConfig
from ml_pipeline.data.joins import MATCHED, MOMENT, Join, Reference
from ml_pipeline.data.spilled_join import LargeReference, Load, size_in_memory
from ml_pipeline.data.spilling_query import Limits
from ml_pipeline.errors import IntegrityError, SchemaError, StoreFullError, Terminated

pytestmark = pytest.mark.long

START = np.datetime64("2013-09-01T00:00", "us").astype(np.int64)
NOT_A_TIME, FIRST, LAST = -(2**63), -(2**63) + 1, 2**63 - 1
LIMITS = Limits(256 << 20, 2)
WORD = st.sampled_from(["a", "b", "", "ä\U0001f600", "a\0b", "A", None])
TIME = st.integers(START - 3, START + 6) | st.sampled_from([NOT_A_TIME, FIRST, LAST])
NUMBER = st.sampled_from([0.0, -0.0, 1.0, 5e-324, np.inf, np.nan]) | st.floats()
ROWS = st.lists(st.tuples(WORD, WORD, TIME, NUMBER, WORD, TIME, NUMBER), max_size=8)
WANTED = st.lists(st.tuples(WORD, WORD, TIME), max_size=8)
ORDINARY = ("a", "b", START, 1.0, "x", START, 2.0)
Row = tuple[Any, ...]


def numbers(values: Sequence[float]) -> Any:
    """A missing one is the one that a null of Parquet becomes."""
    column = np.array(values, float)
    return np.where(np.isnan(column), np.nan, column)


def moments(times: Sequence[int]) -> Any:
    return np.array(times, np.int64).view("datetime64[us]")


def table(rows: Sequence[Row]) -> dict[str, Column]:
    """A reference with a column of each kind; names that differ in their case alone, and one that SQL would quote."""
    k, m, known, n, word, time, more = zip(*rows, strict=True) if rows else ((),) * 7
    return {
        "N": numbers(n),
        "key": Category.of(k),
        "n": Category.of(word),
        "known": moments(known),
        "from when": moments(time),
        "more": Category.of(m),
        'a "block"': np.stack([numbers(n), numbers(more)], axis=1),
        "flag": np.array([float(value > 0) for value in n]),
    }


def driving(rows: Sequence[Row]) -> dict[str, Column]:
    k, m, time = zip(*rows, strict=True) if rows else ((),) * 3
    return {"k": Category.of(k), "l": Category.of(m), MOMENT: moments(time)}


def loads(batches: Sequence[Columns]) -> Callable[[Sequence[str]], list[Load]]:
    def named(names: Sequence[str]) -> list[Load]:
        return [lambda own=own: {name: own[name] for name in names} for own in batches]  # type: ignore[misc]

    return named


def large(batches: Sequence[Columns], *how: Any) -> LargeReference:
    """A reference in batches, of which the first says what the columns are."""
    keys, as_of, tolerance = how
    empty = take(dict(batches[0]), slice(0, 0))
    return LargeReference(Reference.index("ref", empty, keys, as_of, tolerance), as_of, loads(batches))


def joined(reference: Any, wanted: Sequence[Columns]) -> list[dict[str, Any]]:
    found = [Join.transform(x, {"references": [reference.batch(at)]}) for at, x in enumerate(wanted)]
    return [{name: bits(column) for name, column in x.items()} for x in found]


def bits(column: Column) -> Any:
    if isinstance(column, Category):
        return column.values()
    return column.dtype.str, column.shape, np.ascontiguousarray(column).tobytes()


@settings(max_examples=60)
@given(
    st.lists(ROWS, min_size=1, max_size=4),
    st.lists(WANTED, max_size=4),
    st.sampled_from([{"k": "key"}, {"k": "key", "l": "more"}, {"l": "key"}]),
    st.sampled_from(["known", "from when", None]),
    st.none() | st.integers(0, 4),
)
@example([[]], [[("a", "b", START)]], {"k": "key"}, "known", None)
@example([[ORDINARY]], [], {"k": "key"}, "known", None)
@example([[ORDINARY]], [[], [("a", "b", START)], []], {"k": "key"}, "known", 0)
@example([[ORDINARY], [ORDINARY]], [[("a", "b", START - 1), ("a", "b", LAST)]], {"k": "key"}, "known", 1)
def test_both_ways_give_the_same_rows_to_the_bit(
    rows: list[list[Row]], wanted: list[list[Row]], keys: dict[str, str], as_of: str | None, tolerance: int | None
) -> None:
    own, batches = [table(batch) for batch in rows], [driving(batch) for batch in wanted]
    limit = None if tolerance is None else np.timedelta64(tolerance, "us")
    whole = Reference.index("ref", concat(own), keys, as_of, limit)
    with closing(large(own, keys, as_of, limit).join([lambda own=x: own for x in batches], LIMITS)) as spilled:
        assert joined(spilled, batches) == joined(whole, batches)
        assert spilled.duplicates == whole.duplicates


def test_batches_of_thousands_of_rows_and_words_join_alike(tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    own, batches = [_many(chance, 70_000) for _ in range(3)], [_many(chance, size) for size in (70_000, 1, 0, 9_999)]
    for batch in batches:
        batch[MOMENT] = batch.pop("known")
        del batch["value"]
    whole = Reference.index("ref", concat(own), {"key": "key"}, "known", None)
    found = large(own, {"key": "key"}, "known", None).join([lambda own=x: own for x in batches], LIMITS)
    with closing(found) as spilled:
        assert joined(spilled, batches) == joined(whole, batches)
        assert spilled.duplicates == whole.duplicates > 0
        assert joined(spilled, batches)[3] == joined(spilled, batches)[3], "a batch is there more than once"


def _many(chance: np.random.Generator, rows: int) -> dict[str, Column]:
    words = tuple(f"w{number}" for number in chance.permutation(5000).tolist())
    return {
        "key": Category(chance.integers(-1, 5000, rows).astype(np.int32), words),
        "known": moments(START + chance.integers(0, 50, rows)),
        "value": chance.normal(size=rows),
    }


def test_the_reference_of_memory_is_the_same_for_all_batches() -> None:
    reference = Reference.index("ref", table([ORDINARY]), {"k": "key"}, None, None)
    assert reference.batch(0) is reference.batch(7) is reference


@pytest.mark.parametrize(
    ("join", "columns", "words"),
    [
        (JoinConfig(on={"k": "nothing"}), table([]), "ref is joined on 'nothing', which its preparation does not keep"),
        (JoinConfig(on={"k": "N"}), table([]), "ref cannot be joined on 'N'"),
        (JoinConfig(on={"k": "key"}, as_of="N"), table([]), "ref cannot be joined as of 'N'"),
    ],
)
def test_what_cannot_be_joined_is_named_before_anything_is_read(join: JoinConfig, columns: Columns, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        LargeReference.of("ref", columns, join, lambda _: pytest.fail("read"))


def test_columns_of_the_same_name_clash_as_in_memory() -> None:
    x = {**driving([("a", "b", START)]), "N": np.ones(1)}
    with (
        closing(large([table([ORDINARY])], {"k": "key"}, None, None).join([lambda: x], LIMITS)) as spilled,
        pytest.raises(SchemaError, match="the source ref gives the column 'N', which is there already"),
    ):
        Join.transform(x, {"references": [spilled.batch(0)]})


def test_what_is_held_in_memory_follows_from_schema_rows_and_stored_bytes() -> None:
    text = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [("n", pa.float64()), ("t", pa.timestamp("us", "UTC")), ("c", text), ("b", pa.list_(pa.float64(), 3))]
    )
    assert size_in_memory(schema, 1000, 77) == 1000 * 8 * (1 + 1 + 1 + 3) + 77


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class TestNothingIsLeftBehind:
    def test_after_a_join_not_even_while_its_rows_are_read(self, room: Path) -> None:
        x = driving([("a", "b", START)])
        seen: list[str] = []

        def load() -> Columns:
            seen.extend(path.name for path in room.iterdir())
            return x

        with closing(large([table([ORDINARY])], {"k": "key"}, None, None).join([load], LIMITS)) as spilled:
            assert [name for name in seen if name.startswith("ml-pipeline-")], "the folder that DuckDB may spill to"
            assert list(room.iterdir()) == []
            assert joined(spilled, [x])[0][MATCHED + "ref"] == bits(np.ones(1))

    @pytest.mark.parametrize("side", ["driving", "reference"])
    def test_after_a_batch_that_cannot_be_read_and_its_error_comes_out_as_it_was(self, room: Path, side: str) -> None:
        own = table([ORDINARY])
        broken = IntegrityError("the bytes are not those that were written", given=side)

        def bad() -> Columns:
            raise broken

        def batches(names: Sequence[str]) -> list[Load]:
            return [lambda: own, *([bad] if side == "reference" and "N" in names else [])]

        like = Reference.index("ref", take(own, slice(0, 0)), {"k": "key"}, None, None)
        wanted: list[Load] = [lambda: driving([("a", "b", START)]), *([bad] if side == "driving" else [])]
        with pytest.raises(IntegrityError) as caught:
            LargeReference(like, None, batches).join(wanted, LIMITS)
        assert caught.value is broken
        assert list(room.iterdir()) == []

    def test_after_memory_and_disk_were_full(self, room: Path) -> None:
        chance = np.random.default_rng(0)
        own = [_many(chance, 65_536) for _ in range(8)]
        x = driving([("w1", "b", START)])
        with pytest.raises(StoreFullError, match=r"no room to join.*TMPDIR, or raise resources\.memory"):
            large(own, {"k": "key"}, "known", None).join([lambda: x], Limits(2 << 20, 2))
        assert list(room.iterdir()) == []

    def test_after_a_disk_that_took_no_more_of_what_was_found(
        self, room: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> Any:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pa.ipc, "new_stream", full)
        with pytest.raises(StoreFullError, match=r"Given: .*No space left on device"):
            large([table([ORDINARY])], {"k": "key"}, None, None).join([lambda: driving([("a", "b", START)])], LIMITS)
        assert list(room.iterdir()) == []

    def test_after_a_signal_whose_exception_comes_out_as_it_was(self, room: Path) -> None:
        def stop(number: int, _: FrameType | None) -> None:
            raise Terminated("the process was told to stop", given=f"signal {number}")

        def told() -> Columns:
            os.kill(os.getpid(), signal.SIGUSR1)
            return x

        x = driving([("a", "b", START)])
        before = signal.signal(signal.SIGUSR1, stop)
        try:
            with pytest.raises(Terminated):
                large([table([ORDINARY])], {"k": "key"}, None, None).join([told, *[lambda: x] * 3], LIMITS)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert list(room.iterdir()) == []


BOUNDED = """
import resource, sys
import numpy as np
from ml_pipeline.columns import Category
from ml_pipeline.data.joins import Reference
from ml_pipeline.data.spilled_join import LargeReference
from ml_pipeline.data.spilling_query import Limits

ROWS, BATCHES, VALUES = 65_536, 28, 20
WORDS = tuple(f"word {number}" for number in range(1000))

def batch(number):
    chance = np.random.default_rng(number)
    keys = Category(chance.integers(0, 1000, ROWS).astype(np.int32), WORDS)
    return {"key": keys, "moment": chance.integers(0, 10**12, ROWS).view("datetime64[us]")}

def own(number, names):
    chance = np.random.default_rng(number + 1000)
    made = {**batch(number + 1000), **{f"v{at}": chance.normal(size=ROWS) for at in range(VALUES)}}
    made["known"] = made.pop("moment")
    return {name: made[name] for name in names}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

names = ["key", "known", *(f"v{at}" for at in range(VALUES))]
empty = {name: column[:0] for name, column in own(0, names).items()}
like = Reference.index("ref", empty, {"key": "key"}, "known", None)
loads = lambda names: [lambda at=at: own(at, names) for at in range(BATCHES)]
limit = 64 << 20
LargeReference(like, "known", lambda names: loads(names)[:1]).join([lambda: batch(0)], Limits(limit, 2)).close()
before = peak()
found = LargeReference(like, "known", loads).join([lambda at=at: batch(at) for at in range(4)], Limits(limit, 2))
rows = sum(len(found.batch(at).places) for at in range(4))
print(rows, 8 * (VALUES + 3) * ROWS * BATCHES, limit, peak() - before)
"""


def test_memory_is_bounded_where_the_reference_is_several_times_larger() -> None:
    """What is taken beyond one batch stays within the limit, and an allowance for batches on their way."""
    done = subprocess.run([sys.executable, "-c", BOUNDED], capture_output=True, text=True, check=True)
    rows, size, limit, more = map(int, done.stdout.split())
    assert rows > 0.99 * 4 * 65_536
    assert size > 5 * limit
    assert more < limit + (128 << 20)
