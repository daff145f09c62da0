"""Records that are not what they were said to be: set aside and counted, or the run stops with words and a code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import Result

if TYPE_CHECKING:
    from ml_pipeline.contract import StageResult
    from tests.conftest import Parcels

Command = Callable[..., Result]
SetAside = Callable[..., list[tuple[str, Any]]]
GOOD = "px{},c1,north,2.5,2024-01-15T10:00:00Z,12"


def _run(parcels: Parcels, command: Command, mode: str = "offline") -> Result:
    return command("run", "parcels", mode, "--as-of", "2024-02-05", "--store", parcels.store)


def _stopped(parcels: Parcels, command: Command, code: int) -> str:
    """What the user sees where a run stops at its first step, of which nothing is left."""
    result = _run(parcels, command)
    assert result.exit_code == code
    assert "Traceback" not in result.stderr
    assert [name for name in parcels.visible() if "parcels" in name] == []
    return result.stderr.splitlines()[-1]


def _ingest(parcels: Parcels) -> StageResult:
    return parcels.run("offline", "ingest.parcels")["ingest.parcels"]


def _set_column(parcels: Parcels, source: str, column: str, value: str) -> None:
    header, *lines = (line.split(",") for line in parcels.lines(source))
    at = header.index(column)
    rows = [",".join([*line[:at], value, *line[at + 1 :]]) for line in lines]
    parcels.write(source, [",".join(header), *rows])


def test_a_missing_column_stops_the_run(parcels: Parcels, command: Command) -> None:
    parcels.write("parcels", [line.rpartition(",")[0] for line in parcels.lines("parcels")])
    said = _stopped(parcels, command, 65)
    assert said.startswith(
        "SchemaError: parcels.csv lacks the column 'delay'. Given: parcel_id, customer, depot, weight"
    )
    assert "To do: deliver the file with this column, or change the types in sources.py" in said


def test_values_of_another_type_are_set_aside_with_their_record(
    parcels: Parcels, command: Command, set_aside: SetAside
) -> None:
    parcels.add("parcels", GOOD.format(1).replace("2.5", "heavy"), GOOD.format(2).replace("2024-01-15", "mid January"))
    assert _run(parcels, command).exit_code == 0
    result = _ingest(parcels)
    assert result.quarantined == {"pickup is not of type timestamp": 1, "weight is not of type float64": 1}
    records = dict(set_aside(parcels.dataset({"": result}, "raw.parcels")))
    assert records["weight is not of type float64"]["weight"] == "heavy"
    assert records["weight is not of type float64"]["parcel_id"] == "px1"
    assert records["pickup is not of type timestamp"]["pickup"] == "mid JanuaryT10:00:00Z"


def test_a_whole_column_of_another_type_stops_the_run(parcels: Parcels, command: Command) -> None:
    _set_column(parcels, "parcels", "weight", "heavy")
    said = _stopped(parcels, command, 65)
    assert said.startswith("QuarantineError: ingest.parcels would set aside 2,000 of 2,000 records (100.0%)")
    assert "weight is not of type float64 (2,000); for example {'weight': 'heavy', 'parcel_id': 'p0'" in said
    assert "Expected: at most 5%" in said


def test_a_column_without_any_value_is_trained_and_scored(champion: Parcels, command: Command) -> None:
    _set_column(champion, "parcels", "weight", "NA")
    champion.store += "-2"
    for mode in ("offline", "online"):
        result = _run(champion, command, mode)
        assert result.exit_code == 0, result.stderr
    scored = champion.dataset(champion.run("online"), "scored").columns()
    assert np.isfinite(np.asarray(scored["prediction"])).all()


def test_a_line_with_too_many_or_too_few_fields_is_counted_and_kept(
    parcels: Parcels, command: Command, set_aside: SetAside
) -> None:
    parcels.add("parcels", GOOD.format(1) + ",more", "px2,c1", GOOD.format(3))
    assert _run(parcels, command).exit_code == 0
    result = _ingest(parcels)
    assert result.quarantined == {
        "the line has 2 fields instead of 6": 1, "the line has 7 fields instead of 6": 1,
    }  # fmt: skip
    lines = dict(set_aside(parcels.dataset({"": result}, "raw.parcels")))
    assert lines["the line has 7 fields instead of 6"].strip() == GOOD.format(1) + ",more"
    assert lines["the line has 2 fields instead of 6"].strip() == "px2,c1"


@pytest.mark.parametrize("column", range(6))
def test_a_quote_that_is_not_closed_swallows_no_line_in_silence(
    parcels: Parcels, set_aside: SetAside, column: int
) -> None:
    cells = GOOD.format(1).split(",")
    cells[column] = f'"{cells[column]}'
    parcels.add("parcels", ",".join(cells), GOOD.format(2), GOOD.format(3))
    kept = _ingest(parcels)
    assert kept.quarantined == {"a quote is not closed on its line": 3}
    told = str(set_aside(parcels.dataset({"": kept}, "raw.parcels")))
    assert all(key in told for key in ("px1", "px2", "px3"))


def test_a_quote_that_swallows_more_than_a_run_may_lose_stops_it(parcels: Parcels, command: Command) -> None:
    lines = parcels.lines("parcels")
    parcels.write("parcels", [*lines[:801], '"' + lines[801], *lines[802:]])
    said = _stopped(parcels, command, 65)
    assert said.startswith("QuarantineError: ingest.parcels would set aside 1,200 of 2,000 records (60.0%)")
    assert "a quote is not closed on its line (1,200)" in said


def test_bytes_that_are_no_text_are_set_aside(parcels: Parcels, set_aside: SetAside) -> None:
    path = parcels.path("parcels")
    path.write_bytes(path.read_bytes() + GOOD.format(1).encode().replace(b"north", b"n\xffrth") + b"\n")
    result = _ingest(parcels)
    assert sum(result.quarantined.values()) == 1
    ((_, record),) = set_aside(parcels.dataset({"": result}, "raw.parcels"))
    assert record["depot"] == "n\\xffrth"


def test_a_line_that_stands_twice_counts_once(parcels: Parcels, command: Command, set_aside: SetAside) -> None:
    parcels.add("parcels", parcels.lines("parcels")[5])
    assert _run(parcels, command).exit_code == 0
    result = parcels.run("offline", "combine")["combine"]
    assert result.quarantined == {"parcel_id came before": 1}
    ((_, record),) = set_aside(parcels.dataset({"": result}, "combined"))
    assert record["parcel_id"] == "p4"


def test_a_record_of_the_future_is_not_yet_known(parcels: Parcels) -> None:
    before = _ingest(parcels)
    parcels.add("parcels", GOOD.format(1).replace("2024-01", "2034-01"))
    parcels.store += "-2"
    after = _ingest(parcels)
    assert after.metrics["not_yet_known"] == before.metrics["not_yet_known"] + 1
    assert after.rows_out == before.rows_out


def test_a_record_that_does_not_say_when_is_set_aside(parcels: Parcels, command: Command, set_aside: SetAside) -> None:
    parcels.add("parcels", GOOD.format(1).replace("2024-01-15T10:00:00Z", "NA"))
    assert _run(parcels, command).exit_code == 0
    result = _ingest(parcels)
    assert result.quarantined == {"delivered is missing": 1}
    ((_, record),) = set_aside(parcels.dataset({"": result}, "raw.parcels"))
    assert record["parcel_id"] == "px1"


@pytest.mark.parametrize("delay", ["5", "99"])
def test_one_class_only_stops_at_training(parcels: Parcels, command: Command, delay: str) -> None:
    _set_column(parcels, "parcels", "delay", delay)
    result = _run(parcels, command)
    assert result.exit_code == 65
    assert "FitError: LogisticRegression needs rows of both classes to learn from" in result.stderr
    assert "train" not in [key.split("/")[2] for key in parcels.objects("runs/")]
    assert parcels.objects("models/") == []


def test_a_file_with_nothing_but_its_header_has_no_records(parcels: Parcels, command: Command) -> None:
    parcels.write("parcels", parcels.lines("parcels")[:1])
    assert _stopped(parcels, command, 65).startswith("DataError: parcels.csv holds no records")


def test_a_reference_without_rows_stops_the_run(parcels: Parcels, command: Command) -> None:
    parcels.write("customers", parcels.lines("customers")[:1])
    result = _run(parcels, command)
    assert result.exit_code == 65
    assert "DataError: customers.csv holds no records" in result.stderr


@pytest.mark.parametrize(("content", "words"), [(b"", "Empty CSV file"), (b"\n\n", "Empty CSV file")])
def test_an_empty_file_is_no_csv_file(parcels: Parcels, command: Command, content: bytes, words: str) -> None:
    parcels.path("parcels").write_bytes(content)
    said = _stopped(parcels, command, 65)
    assert said.startswith("DataError: parcels.csv cannot be read")
    assert words in said


def test_a_file_that_is_not_there_is_named(parcels: Parcels, command: Command) -> None:
    parcels.path("parcels").unlink()
    assert "parcels.csv cannot be read" in _stopped(parcels, command, 65)


def test_words_that_training_never_saw_are_scored(champion: Parcels, command: Command) -> None:
    champion.add("parcels", "px,nobody,moonbase,2.5,2024-02-05T10:00:00Z,NA")
    assert _run(champion, command, "online").exit_code == 0
    results = champion.run("online")
    assert all(not result.quarantined for result in results.values())
    scored = champion.dataset(results, "scored").columns()
    assert scored["parcel_id"].values()[-1] == "px"  # type: ignore[union-attr]
    assert 0 < np.asarray(scored["prediction"])[-1] < 1


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_parquet_file_is_not_read(champion: Parcels, command: Command, keep: int) -> None:
    combined = champion.dataset(champion.run("offline"), "combined")
    part = Path(champion.store, "parcels", combined.key, combined.manifest.parts[0].name)
    part.write_bytes(part.read_bytes()[:keep])
    result = command(
        "run", "parcels", "offline", "--stages", "split", "--force", "--as-of", "2024-02-05", "--store", champion.store
    )
    assert result.exit_code == 76
    assert "IntegrityError: a stored object is not what was written" in result.stderr
    assert part.name in result.stderr
    assert "run the stage that makes it with force" in result.stderr


def test_what_was_truncated_is_made_again_with_force(champion: Parcels, command: Command) -> None:
    combined = champion.dataset(champion.run("offline"), "combined")
    part = Path(champion.store, "parcels", combined.key, combined.manifest.parts[0].name)
    part.write_bytes(part.read_bytes()[:100])
    asked = ("run", "parcels", "offline", "--as-of", "2024-02-05", "--store", champion.store, "--force")
    assert command(*asked, "--stages", "combine,split").exit_code == 0
