"""That what the benchmarks measure on is what it says, that they judge rightly, and that their tables are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.data.parquet import ROWS_PER_PART
from tests.benchmarks import data, judging, optimum, stored
from tests.benchmarks.jobs import JOBS, Contender, Job
from tests.benchmarks.table import Line, markdown, table


@pytest.fixture(scope="module")
def part() -> pa.Table:
    """The third part."""
    return data.events(2)


def test_a_part_follows_from_its_seed_and_number_alone(part: pa.Table) -> None:
    assert data.events(2).equals(part)
    for other in (data.events(2, seed=2), data.events(3)):
        assert not any(other.column(name).equals(part.column(name)) for name in (*data.NUMBERS, *data.LEVELS, "y"))


def test_parts_follow_one_another_in_key_and_time(part: pa.Table) -> None:
    after = data.events(3)
    assert (part.column("event")[-1].as_py(), after.column("event")[0].as_py()) == ("e0000196607", "e0000196608")
    assert pc.all(pc.less_equal(part.column("at")[:-1], part.column("at")[1:])).as_py()
    assert part.column("at")[-1].as_py() <= after.column("at")[0].as_py()
    assert part.num_rows == ROWS_PER_PART == data.ROWS


def test_columns_have_the_levels_and_the_precision_that_they_should_have(part: pa.Table) -> None:
    x = _numbers(part)
    single = (x == x.astype(np.float32)).all(axis=1)
    assert (single == ([True] * 10 + [False] * 10)).all()
    seen = {name: len(part.column(name).unique()) for name in data.LEVELS}
    assert {name: seen[name] for name in ("c10", "c50", "c100", "c1000")} == {
        "c10": 10, "c50": 50, "c100": 100, "c1000": 1000,
    }  # fmt: skip
    assert 9_000 < seen["c10000"] <= 10_000


def test_labels_come_from_the_known_coefficients(part: pa.Table) -> None:
    """At them, and not at others, the log-likelihood is level: no derivative is more than five deviations from 0."""
    truth = data.truth()
    assert _slope(part, truth) < 5
    assert _slope(part, truth._replace(numbers=truth.numbers * 1.2)) > 5
    assert _slope(part, truth._replace(bias=truth.bias + 0.1)) > 5


def test_the_latest_reading_is_the_one_that_a_search_finds() -> None:
    readings = pa.concat_tables([data.readings(step) for step in range(3)])
    at, station = np.array([1, 15_000_000_000, 29_999_999_999, 3_000_000_000]), np.array([7, 7, 999, 0])
    found = data.latest(at, station)
    for place, moment in enumerate(data.moments(at)):
        known = pc.less_equal(readings.column("known_at"), moment)
        own = pc.equal(readings.column("c1000").cast("string"), data.words("c1000")[station[place]])
        rows = readings.filter(pc.and_(known, own))
        expected = [rows.column(name)[-1].as_py() if rows.num_rows else np.nan for name in data.VALUES]
        np.testing.assert_array_equal(found[:, place], expected)
    assert np.isnan(found[:, 0]).all()


def test_a_stored_dataset_has_the_rows_of_its_parts(part: pa.Table, tmp_path: Path) -> None:
    room = Store(str(tmp_path)).within(stored.USE_CASE)
    stored.write(room, "events", data.ROWS + 10)
    dataset = open_dataset(room, "data/events")
    assert [own.rows for own in dataset.manifest.parts] == [data.ROWS, 10]
    assert dataset.table(dataset.manifest.parts[1]).column("y").equals(data.events(1).column("y")[:10])
    assert [pq.read_metadata(path).num_rows for path in data.files(tmp_path, "events")] == [data.ROWS, 10]


def test_at_the_optimum_the_penalised_gradient_is_nothing(part: pa.Table, tmp_path: Path) -> None:
    pq.write_table(part.slice(0, 5_000), tmp_path / "part.parquet")
    theta = optimum.find([tmp_path / "part.parquet"], ridge=2.0)
    x = np.vstack([np.ones(5_000), _numbers(part)[:, :5_000]])
    p = 1 / (1 + np.exp(-(theta @ x)))
    gradient = x @ (p - part.column("y").to_numpy()[:5_000]) + 2.0 * np.array([0, *theta[1:]])
    assert np.max(np.abs(gradient)) < 1e-8


def test_a_wrong_value_and_a_row_that_is_there_twice_are_found(tmp_path: Path) -> None:
    right = data.joined(0).slice(40_000, 100)
    wrong = right.set_column(right.schema.get_field_index("v2"), "v2", pa.array([1.0] * 100)).slice(0, 1)
    pq.write_table(pa.concat_tables([wrong, right.slice(1), right.slice(50, 1)]), tmp_path / "joined.parquet")
    assert {"rows": 101, "wrong rows": 2}.items() <= judging.joined(judging.parts(tmp_path)).items()


def test_the_table_has_medians_and_ratios_to_the_limit_and_the_best_good_peer() -> None:
    job = Job("A job", (), (), ("loss",), 0.1)
    lines = [
        Line(100, "limit", "limit", [_run(1.0), _run(2.0), _run(9.0)]),
        Line(100, "ours", "product", [_run(4.0, loss=0.5)]),
        Line(100, "fast but bad", "peer", [_run(3.0, loss=0.9)]),
        Line(100, "slow", "peer", [_run(16.0, loss=0.45)]),
        Line(100, "good", "peer", [_run(8.0, loss=0.5, peak=30e6), _run(8.0, loss=0.5, peak=20e6)]),
        Line(100, "gone", "peer", [], "> 900"),
    ]
    rows = {row[1]: row for row in table(job, lines)}
    assert rows["contender"] == ["rows", "contender", "seconds", "slowest", "× limit", "× best peer", "peak MB", "loss"]
    assert rows["limit"][2:] == ["2", "9", "1", "0.25", "10", "–"]
    assert rows["ours"][2:] == ["4", "4", "2", "0.5", "10", "0.5"]
    assert rows["good"][2:] == ["8", "8", "4", "1", "30", "0.5"]
    assert rows["gone"][2:] == ["> 900", "–", "–", "–", "–", "–"]
    assert list(rows) == ["contender", "limit", "fast but bad", "ours", "good", "slow", "gone"]


def test_sizes_are_compared_each_with_its_own_limit() -> None:
    lines = [
        Line(rows, name, kind, [_run(seconds)])
        for rows, name, kind, seconds in ((10, "limit", "limit", 1.0), (10, "ours", "product", 3.0),
                                          (100, "limit", "limit", 10.0), (100, "ours", "product", 25.0))
    ]  # fmt: skip
    assert [row[4] for row in table(Job("A job", (), ()), lines)] == ["× limit", "1", "3", "1", "2.5"]


def test_markdown_has_columns_of_even_width() -> None:
    lines = ["| a  | b | long |", "| -- | - | ---- |", "| xx | y |    1 |"]
    assert markdown([["a", "b", "long"], ["xx", "y", "1"]]).splitlines() == lines


def test_each_job_has_a_limit_the_product_and_what_it_names() -> None:
    for job in JOBS.values():
        kinds = [contender.kind for contender in job.contenders]
        assert kinds[:2] == ["limit", "product"]
        assert set(job.datasets) <= set(stored.NAMES)
        assert all(_is_there(contender) for contender in job.contenders)


def _is_there(contender: Contender) -> bool:
    """Whether its module defines it; the module may need a library that only peers have."""
    module, _, name = contender.does.partition(":")
    return f"\ndef {name}(" in (Path(stored.__file__).parent / f"contenders/{module}.py").read_text()


def _run(seconds: float, peak: float = 10e6, **quality: float) -> dict[str, Any]:
    return {"seconds": seconds, "peak": peak, "quality": quality}


def _numbers(part: pa.Table) -> data.Floats:
    return np.array([part.column(name).to_numpy() for name in data.NUMBERS])


def _slope(part: pa.Table, own: data.Coefficients) -> float:
    """The largest derivative of the log-likelihood, in standard deviations."""
    codes = {name: part.column(name).chunk(0).indices.to_numpy() for name in data.LEVELS}
    p = 1 / (1 + np.exp(-data.scores(_numbers(part), codes, own)))
    x = np.vstack([np.ones(len(p)), _numbers(part)])
    return float(np.max(np.abs(x @ (part.column("y").to_numpy() - p)) / np.sqrt(x**2 @ (p * (1 - p)))))
