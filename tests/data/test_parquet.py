from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category
from ml_pipeline.data.arrow import to_columns, to_table
from ml_pipeline.data.parquet import ROWS_PER_PART, decode, encode
from ml_pipeline.errors import IntegrityError


def table(rows: int = 500, seed: int = 0) -> pa.Table:
    chance = np.random.default_rng(seed)
    return to_table(
        {
            "number": np.where(chance.random(rows) < 0.1, np.nan, chance.normal(size=rows)),
            "at": chance.integers(0, 10**15, rows).astype("datetime64[us]"),
            "word": Category(chance.integers(-1, 3, rows).astype(np.int32), ("a", "b", "ü")),
            "block": chance.normal(size=(rows, 2)),
        }
    )


CONTENT = encode(table())


@pytest.mark.parametrize("rows", [0, 1, 500])
def test_a_part_there_and_back_is_the_same_table(rows: int) -> None:
    again = decode(encode(table(rows)))
    assert _plain(again).equals(_plain(table(rows)))
    assert again.schema == table(rows).schema


def _plain(made: pa.Table) -> pa.Table:
    """Words in place of codes: which of those that no row has are stored is left open."""
    return made.set_column(2, "word", made.column("word").cast(pa.string()))


def test_the_same_rows_give_the_same_bytes() -> None:
    assert encode(table()) == CONTENT
    pieces = pa.concat_tables([table().slice(0, 123), table().slice(123)]).combine_chunks()
    assert encode(pieces) == CONTENT
    assert encode(table(seed=1)) != CONTENT


def test_a_part_has_one_row_group_and_dictionaries_for_words_alone() -> None:
    metadata = pq.ParquetFile(pa.BufferReader(encode(table(ROWS_PER_PART)))).metadata
    assert metadata.num_row_groups == 1
    columns = [metadata.row_group(0).column(at) for at in range(metadata.num_columns)]
    assert {c.path_in_schema for c in columns if c.has_dictionary_page} == {"word"}
    assert {c.compression for c in columns} == {"ZSTD"}


@pytest.mark.parametrize(("decimals", "split"), [(None, True), (2, False)])
def test_numbers_are_stored_in_the_smaller_of_two_ways(decimals: int | None, split: bool) -> None:
    values = np.random.default_rng(0).normal(100, 20, ROWS_PER_PART).astype(np.float32).astype(np.float64)
    numbers = to_table({"n": values if decimals is None else np.round(values, decimals)})
    sizes = {}
    for way in (True, False):
        sink = pa.BufferOutputStream()
        pq.write_table(numbers, sink, compression="zstd", use_dictionary=False, use_byte_stream_split=way)
        sizes[way] = sink.getvalue().size
    assert sizes[split] < sizes[not split]
    content = encode(numbers)
    column = pq.ParquetFile(pa.BufferReader(content)).metadata.row_group(0).column(0)
    assert ("BYTE_STREAM_SPLIT" in column.encodings) == split
    assert decode(content).equals(numbers)


@pytest.mark.parametrize(("words", "repeated"), [(ROWS_PER_PART, False), (1000, True)])
def test_keys_are_stored_as_they_are_and_words_that_repeat_once(words: int, repeated: bool) -> None:
    keys = to_table({"k": Category.of([f"k{row % words}" for row in range(ROWS_PER_PART)])})
    content = encode(keys)
    column = pq.ParquetFile(pa.BufferReader(content)).metadata.row_group(0).column(0)
    assert column.has_dictionary_page == repeated
    assert decode(content).equals(keys)


def test_only_the_columns_asked_for_are_read() -> None:
    assert decode(CONTENT, ["word", "number"]).column_names == ["word", "number"]


@settings(max_examples=40)
@given(st.integers(0, len(CONTENT) - 1))
def test_a_truncated_part_is_never_taken_for_a_whole_one(length: int) -> None:
    with pytest.raises(IntegrityError, match=r"a Parquet file cannot be read. Given: raw/x/part, \d+ bytes"):
        decode(CONTENT[:length], where="raw/x/part")


@settings(max_examples=40)
@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_an_integrity_error_or_is_left_to_the_digest(at: int, flip: int) -> None:
    broken = bytearray(CONTENT)
    broken[at] ^= flip
    with suppress(IntegrityError):  # and no other
        to_columns(decode(bytes(broken)))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" * 10])
def test_what_is_no_parquet_is_told_so(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="a whole Parquet file"):
        decode(content)
