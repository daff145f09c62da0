"""`ml-pipeline new` from files as companies have them: bad values, doubled keys, leaks, other programs' formats."""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from ml_pipeline import discovery
from ml_pipeline.columns import Category
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.config_file import parse

pytestmark = pytest.mark.long

Command = Callable[..., Result]
NAMES = ("--label", "late", "--time", "due", "--key", "parcel")
ROWS, TO_COME = 800, 40


def _columns(**more: Sequence[object]) -> dict[str, list[object]]:
    """Parcels every three hours, the last of them without a label; and columns more or in place of others."""
    chance = random.Random(5)
    weight = [round(chance.gammavariate(2, 5), 2) for _ in range(ROWS + TO_COME)]
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    columns: dict[str, list[object]] = {
        "parcel": [f"p{row}" for row in range(ROWS + TO_COME)],
        "due": [f"{start + dt.timedelta(hours=3 * row):%Y-%m-%dT%H:%M:%SZ}" for row in range(ROWS + TO_COME)],
        "weight": [*weight],
        "hub": [chance.choice(["north", "south"]) for _ in weight],
        "late": [int(chance.random() < min(0.9, each / 25)) for each in weight],
    }
    columns["late"][ROWS:] = [""] * TO_COME
    return columns | {name: list(values) for name, values in more.items()}


def _written(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def _with(values: Sequence[object], bad: object, *rows: int) -> list[object]:
    return [bad if row in rows else value for row, value in enumerate(values)]


@pytest.fixture
def made(command: Command, use_cases: Path, tmp_path: Path) -> Callable[..., str]:
    """Make the use case `parcels` of some columns, and say what was printed."""

    def make(columns: Mapping[str, Sequence[object]]) -> str:
        result = command("new", "parcels", "--from", _written(tmp_path / "parcels.csv", columns), *NAMES)
        assert result.exit_code == 0, result.output
        discovery._packages.cache_clear()
        return result.output

    return make


@pytest.fixture
def refused(command: Command, use_cases: Path, tmp_path: Path) -> Callable[..., str]:
    """What is said of columns or bytes of which no use case can be made."""

    def refuse(content: Mapping[str, Sequence[object]] | bytes, *names: str) -> str:
        file = tmp_path / "parcels.csv"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            _written(file, content)
        result = command("new", "parcels", "--from", file, *(names or NAMES))
        assert result.exit_code in (2, 65), result.output
        assert list(use_cases.iterdir()) == []
        return result.stderr

    return refuse


@pytest.fixture
def runs(command: Command, tmp_path: Path) -> Callable[[str], str]:
    """Carries out what was printed to try; gives the summary."""

    def run(printed: str) -> str:
        lines = [line.split()[1:] for line in printed.splitlines() if line.startswith("  ml-pipeline ")]
        for words in lines:
            result = command(*words, "--store", tmp_path / "store")
            assert result.exit_code == 0, result.output
        return result.output

    return run


def _config(use_cases: Path) -> UseCaseConfig:
    return parse((use_cases / "parcels/pipeline.yaml").read_text(encoding="utf-8"), "parcels")


def _code(use_cases: Path, name: str) -> str:
    return (use_cases / "parcels" / name).read_text(encoding="utf-8")


def test_a_few_bad_values_decide_no_type(made: Callable[..., str], runs: Callable[[str], str], use_cases: Path) -> None:
    plain = _columns()
    printed = made(
        _columns(weight=_with(plain["weight"], "heavy", 3, 40, 41), due=_with(plain["due"], "31.02.2025", 0, 77))
    )
    assert "  weight: 3 values cannot be read as a number, such as 'heavy'\n" in printed
    assert "  due: 2 values cannot be read as a moment, such as '31.02.2025'\n" in printed
    assert '"weight": "float64"' in _code(use_cases, "sources.py")
    assert '"due": "timestamp"' in _code(use_cases, "sources.py")
    assert "40 rows scored" in runs(printed)


def test_more_bad_values_than_a_run_takes_are_said_to_be(made: Callable[..., str]) -> None:
    printed = made(_columns(weight=_with(_columns()["weight"], "heavy", *range(0, 600, 20))))
    assert "weight: 30 values cannot be read" in printed
    assert "a run stops at more than 1% of them" in printed


def test_many_bad_values_make_it_a_column_of_words(made: Callable[..., str], use_cases: Path) -> None:
    made(_columns(weight=_with([row % 9 for row in range(ROWS + TO_COME)], "heavy", *range(0, 600, 10))))
    assert '"weight": "string"' in _code(use_cases, "sources.py")


def test_the_example_of_a_time_that_is_none_is_a_bad_value(refused: Callable[..., str]) -> None:
    said = refused(_columns(due=_with(_columns()["due"], "soon", *range(1, 400))))
    assert "the column for --time holds no moments. Given: due, such as 'soon'" in said


def test_the_example_of_a_label_that_is_none_is_a_bad_value(refused: Callable[..., str]) -> None:
    said = refused(_columns(late=_with(_columns()["late"], 7, 9)))
    assert "the column for --label is no yes or no. Given: late: 7.0 (1), 0.0 (496), 1.0 (303)" in said


def test_a_few_doubled_keys_stop_nothing(made: Callable[..., str], runs: Callable[[str], str]) -> None:
    printed = made(_columns(parcel=_with(_columns()["parcel"], "p0", 5, 6, 7)))
    assert "3 rows without parcel, or with that of a later row, which counts" in printed
    runs(printed)


def test_many_doubled_keys_are_named(refused: Callable[..., str]) -> None:
    said = refused(_columns(parcel=_with(_columns()["parcel"], "p0", *range(20))))
    assert "parcel: 821 different values in 840 rows, such as 'p0'" in said


def test_that_columns_are_there_is_asked_first(refused: Callable[..., str]) -> None:
    doubled = _columns(parcel=["p0"] * (ROWS + TO_COME))
    assert "no column for --time. Given: when" in refused(doubled, *NAMES[:2], "--time", "when", *NAMES[4:])


def test_names_that_only_quotes_can_hold(made: Callable[..., str], runs: Callable[[str], str], use_cases: Path) -> None:
    many = [f"name of a column with blanks {number}" for number in range(30)]
    levels: dict[str, list[object]] = {
        name: [("a", "b", "c")[(row * 7919 + at * row) % 3] for row in range(ROWS + TO_COME)]
        for at, name in enumerate([*many, "Größe \\ in cm"])
    }
    printed = made(_columns(**levels))
    compile(_code(use_cases, "models.py"), "models.py", "exec")
    assert max(map(len, _code(use_cases, "models.py").splitlines())) <= 120
    assert '"grosse_in_cm": "Größe \\\\ in cm"' in _code(use_cases, "sources.py")
    assert _config(use_cases).evaluate.slices == ["hub", *(f"name_of_a_column_with_blanks_{at}" for at in (0, 2))]
    runs(printed)


def test_names_and_words_as_people_write_them(
    command: Command, use_cases: Path, tmp_path: Path, runs: Callable[[str], str]
) -> None:
    plain = _columns()
    words = [{1: ("Yes", "yes ", "YES")[row % 3], 0: ("No", "no")[row % 2]}.get(late, "") for row, late in
             enumerate(plain["late"])]  # type: ignore[call-overload]  # fmt: skip
    gaps = [("n/a", "unknown", "-", "")[row // 9 % 4] if row % 9 == 0 else w for row, w in enumerate(plain["weight"])]
    columns = {
        "Loan ID": plain["parcel"], "borrowed at": plain["due"], "weight": gaps, "class": plain["hub"],
        "Is late": words,
        "late fee": [row % 11 if late == 1 else "" for row, late in enumerate(plain["late"])],
    }  # fmt: skip
    file = _written(tmp_path / "loans.csv", columns)
    named = ("--label", "Is late", "--time", "borrowed at", "--key", "Loan ID")
    result = command("new", "parcels", "--from", file, *named)
    assert result.exit_code == 0, result.output
    discovery._packages.cache_clear()
    assert "  names that code can use: loan_id for 'Loan ID', borrowed_at for 'borrowed at', " in result.output
    assert "  taken for no value, in every column: '-', 'n/a', 'unknown'\n" in result.output
    assert 'missing=("NA", "-", "n/a", "unknown"),' in _code(use_cases, "sources.py")
    config = _config(use_cases)
    assert (config.key, config.time, config.label) == ("loan_id", "borrowed_at", "is_late")
    assert config.sources["parcels"].truth == ["late_fee"]
    assert "40 rows scored" in runs(result.output)
    models = use_cases / "parcels/models.py"
    models.write_text(models.read_text().replace('"class_", "is_late"', '"class_", "late_fee", "is_late"'))
    for module in [module for module in sys.modules if module.startswith("ml_pipeline.use_cases.parcels")]:
        del sys.modules[module]
    discovery._packages.cache_clear()
    said = command("validate", "parcels", "--store", tmp_path / "store", "--json").output
    assert "lets the model see the truth: late_fee is truth" in said


def test_a_column_is_named_as_in_the_draft_too(command: Command, use_cases: Path, tmp_path: Path) -> None:
    plain = _columns()
    file = _written(tmp_path / "loans.csv", {"Is late": plain.pop("late"), **plain})
    assert command("new", "one", "--from", file, "--label", "is_late", *NAMES[2:]).exit_code == 0
    result = command("new", "two", "--from", file, "--label", "late", *NAMES[2:])
    assert "no column for --label. Given: late. Expected: Is late, parcel" in result.stderr


def test_a_third_word_in_the_label_is_counted(refused: Callable[..., str]) -> None:
    words = ["maybe" if row == 77 else ("Yes", "yes", "no")[row % 3] for row in range(ROWS + TO_COME)]
    said = refused(_columns(late=words))
    assert "the column for --label is no yes or no. Given: late: maybe (1), no (279), yes (560)" in said
    assert "empty where it is not known" in said


def test_a_word_that_a_label_did_not_have_is_not_a_no(made: Callable[..., str], use_cases: Path) -> None:
    made(_columns(late=["Yes" if row % 3 else "no" for row in range(ROWS + TO_COME)]))
    space: dict[str, Any] = {}
    exec(compile(_code(use_cases, "models.py"), "models.py", "exec"), space)
    assert np.array_equal(space["late"](Category.of(["yes", " NO", "maybe", None])), [1, 0, np.nan, np.nan], True)


def test_the_moment_to_try_it_at_is_a_plain_day(made: Callable[..., str], runs: Callable[[str], str]) -> None:
    """The first row without a label lies in the midst of a day of rows with one."""
    start = dt.datetime(2024, 1, 1, 9, tzinfo=dt.UTC)
    printed = made(_columns(due=[start + dt.timedelta(hours=3 * row) for row in range(ROWS + TO_COME)]))
    assert "offline --as-of 2024-04-10\n" in printed
    assert "40 rows scored" in runs(printed)


def test_where_a_day_is_most_of_the_file_it_is_a_moment(made: Callable[..., str]) -> None:
    due = [f"2024-01-0{1 + row // 600}T{row // 60 % 10:02d}:{row % 60:02d}:00Z" for row in range(ROWS + TO_COME)]
    assert "offline --as-of 2024-01-02T03:19:30Z\n" in made(_columns(due=due))


def test_a_quote_that_is_not_closed_is_seen_in_a_draft(made: Callable[..., str]) -> None:
    plain = _columns()
    printed = made(_columns(parcel=_with(plain["parcel"], '"p780', 780)))
    assert "780 records were looked at" in printed
    assert "60 lines set aside as no record" in printed


def test_columns_that_give_the_label_away(
    made: Callable[..., str], runs: Callable[[str], str], use_cases: Path
) -> None:
    label = _columns()["late"]
    printed = made(
        _columns(
            reason=[("lost", "snow")[row % 2] if late == 1 else "" for row, late in enumerate(label)],
            refund=[row % 11 if late == 1 else "" for row, late in enumerate(label)],
            minutes=["" if late == "" else 90 * int(str(late)) + row % 60 for row, late in enumerate(label)],
            verdict=[{1: "bad", 0: "good"}.get(late, "") for late in label],  # type: ignore[call-overload]
            returned=["2024-01-01" if late == 1 else "" for late in label],
            **{"why late": ["why" if late == 1 else "" for late in label]},
        )
    )
    assert _config(use_cases).sources["parcels"].truth == [
        "reason",
        "refund",
        "minutes",
        "verdict",
        "returned",
        "why_late",
    ]
    assert "  refund gives the label away: it stands in truth and is not learnt from; check\n" in printed
    assert "  why_late gives the label away: it stands in truth and is not learnt from; check\n" in printed
    assert 'keep("parcel", "due", "weight", "hub", "late")' in _code(use_cases, "models.py")
    assert "40 rows scored" in runs(printed)


def test_names_and_honest_columns_give_nothing_away(made: Callable[..., str], use_cases: Path) -> None:
    chance = random.Random(9)
    printed = made(
        _columns(
            customer=[f"c{chance.randrange(400)}" for _ in range(ROWS + TO_COME)],
            number=list(range(ROWS + TO_COME)),
        )
    )
    assert "gives the label away" not in printed
    assert _config(use_cases).sources["parcels"].truth == []


def test_what_nobody_can_know_from_a_file_is_not_said(made: Callable[..., str], use_cases: Path) -> None:
    made(_columns())
    source = _config(use_cases).sources["parcels"]
    assert (source.known, source.revised) == (None, True)
    assert "    # known: COLUMN              # when a record became known;" in _code(use_cases, "pipeline.yaml")


def test_rows_whose_label_is_empty_are_scored_however_old(
    made: Callable[..., str], runs: Callable[[str], str], use_cases: Path
) -> None:
    printed = made(_columns(late=_with(_columns()["late"], "", 300, 500)))
    config = _config(use_cases)
    assert (config.behind, config.ahead, config.timezone) == ("68d", "5d", "UTC")
    assert "42 rows scored" in runs(printed)


def test_where_every_label_is_known_the_last_day_is_scored(
    made: Callable[..., str], runs: Callable[[str], str], use_cases: Path
) -> None:
    weight = _columns()["weight"]
    printed = made(_columns(late=[int(float(str(each)) + row % 9 > 12) for row, each in enumerate(weight)]))
    assert _config(use_cases).behind == "0s"
    assert "rows scored" in runs(printed)


def test_what_was_understood_is_printed(command: Command, use_cases: Path, tmp_path: Path) -> None:
    due = [str(moment).removesuffix("Z") for moment in _columns()["due"]]
    file = _written(tmp_path / "parcels.csv", _columns(due=due, office=["main"] * (ROWS + TO_COME)))
    file.write_text(file.read_text() + "a broken,line\n")
    result = command("new", "parcels", "--from", file, *NAMES)
    assert result.output.splitlines()[1:6] == [
        "  840 records were looked at; learnt from: 1 column of numbers, 1 column of categories, 0 columns of texts",
        "  left out: office (it never varies)",
        "  times without an offset are taken as UTC: due (840)",
        "  1 line set aside as no record, such as 'a broken,line': the line has 2 fields instead of 6",
        "Try it:",
    ]


TEXT = "parcel,due,weight,late\np1,2024-01-01,3,1\np2,2024-01-02,3,0\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(TEXT.encode("utf-16"), "parcels.csv is not UTF-8", id="utf-16"),
        pytest.param(TEXT.replace(",", ";").encode(), "separated by semicolons", id="semicolons"),
        pytest.param(TEXT.replace(",", "\t").encode(), "separated by tabs", id="tabs"),
        pytest.param(TEXT.replace("weight", "due").encode(), "parcels.csv has the column 'due' twice", id="doubled"),
        pytest.param(b"", "parcels.csv cannot be read. Given: Empty CSV file", id="empty"),
        pytest.param(TEXT.splitlines(True)[0].encode(), "parcels.csv holds no records", id="header"),
        pytest.param(TEXT.splitlines()[0].encode() + b"\n1,2\n", "parcels.csv holds no records", id="broken lines"),
    ],
)
def test_files_as_other_programs_write_them(refused: Callable[..., str], content: bytes, says: str) -> None:
    assert says in refused(content)


def test_a_column_without_a_name_is_nobodys(made: Callable[..., str], use_cases: Path) -> None:
    made({**_columns(), "": [1] * (ROWS + TO_COME), " ": [2] * (ROWS + TO_COME)})
    assert '" "' not in _code(use_cases, "sources.py")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_later_delivery_in_another_encoding_is_a_sentence(
    made: Callable[..., str], command: Command, tmp_path: Path, encoding: str
) -> None:
    made(_columns())
    file = tmp_path / "parcels.csv"
    file.write_bytes(file.read_text(encoding="utf-8").encode(encoding))
    for words in (("validate", "parcels"), ("run", "parcels", "offline", "--as-of", "2024-04-09")):
        result = command(*words, "--store", tmp_path / "store")
        assert result.exit_code in (2, 65)
        assert "parcels.csv is not UTF-8" in " ".join(result.output.split())
