"""YAML of plain values: what goes in comes out, bit for bit, and no file makes anything happen."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.errors import IntegrityError

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(words, inner, max_size=5), max_leaves=20
)


@settings(max_examples=50)
@given(plain)
@example({"NO": "no", "yes": "1", "1e3": "12:30", "2013-01-01": "null", "=": "<<", "~": " x ", "!t": "&a", "*a": "#"})
def test_what_is_dumped_is_loaded(value: Any) -> None:
    assert plain_yaml.load(plain_yaml.dump(value)) == value


@settings(max_examples=50)
@given(plain)
def test_any_other_yaml_reader_finds_the_same(value: Any) -> None:
    assert yaml.load(plain_yaml.dump(value), Loader=yaml.SafeLoader) == value


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["a", "b_c", "d"]), plain))
@example({"a": "x\nb_c: 1\n\nd: 2", "b_c": [["- d: 3"], {"d:": 4}], "d": ""})
def test_some_keys_are_cut_out_as_if_there_were_no_others(value: dict[str, Any]) -> None:
    kept = {name: own for name, own in value.items() if name != "b_c"}
    assert plain_yaml.load(plain_yaml.cut(plain_yaml.dump(value), ["a", "d"])) == (kept or None)


@given(st.floats())
@example(-0.0)
@example(5e-324)
@example(1e17)
@example(1e-7)
@example(float("inf"))
@example(float("-inf"))
def test_floats_are_exact_to_the_bit(value: float) -> None:
    loaded = plain_yaml.load(plain_yaml.dump([value]))[0]
    same = struct.pack("<d", loaded) == struct.pack("<d", value)
    assert isinstance(loaded, float)
    assert same or (value != value and loaded != loaded)


def test_a_person_can_read_it() -> None:
    value = {"name": "Zürich", "numbers": [1.0, 2.5], "parts": [{"rows": 1}, {"rows": 2}]}
    text = "name: Zürich\nnumbers: [1.0, 2.5]\nparts:\n- rows: 1\n- rows: 2\n"
    assert plain_yaml.dump(value).decode() == text


def test_a_value_that_stands_twice_is_written_twice() -> None:
    shared = {"a": [1]}
    assert b"&" not in plain_yaml.dump([shared, shared])


@pytest.mark.parametrize(
    "tagged",
    [
        "!!python/object/apply:pathlib.Path.touch [{}]",
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/object/new:os.system ['touch {}']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/tuple [1, 2]",
        "!Parameters {{a: 1}}",
    ],
)
def test_a_tag_is_refused_and_never_followed(tagged: str, tmp_path: Path) -> None:
    bait = tmp_path / "executed"
    with pytest.raises(IntegrityError, match="cannot be loaded") as caught:
        plain_yaml.load(f"a: {tagged.format(bait)}\n".encode(), "s3://bucket/parameters.yaml")
    assert not bait.exists()
    assert "s3://bucket/parameters.yaml" in caught.value.given
    assert caught.value.exit_code == 76


@pytest.mark.parametrize(
    "content",
    [
        b"a: [1, 2",
        b"a: 'open",
        b"a: b: c",
        b"\xff\xfe\x00",
        b"a: \xc3\x28",
        b"\x00\x01\x02PAR1",
        b"a: *nowhere",
        b"? [1]\n: 2",
        b"a: 2013-13-45",
        b"a: !!int ''",
        b"a: !!bool perhaps",
        b"a: !!timestamp noon",
        b"a: 1\n---\nb: 2",
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_yaml_of_plain_values_is_told(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        plain_yaml.load(content)


def test_an_alias_is_refused() -> None:
    """Ten lines of aliases of aliases would be a thousand million values."""
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        json.dumps(plain_yaml.load(bomb.encode())["a4"])
