"""`ml-pipeline new`: a folder that runs as it stands, or a sentence and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ml_pipeline import discovery
from ml_pipeline.config_file import parse

pytestmark = pytest.mark.long

Command = Callable[..., Result]
ROOT = Path(__file__).parents[2]
NAMES = ("--label", "bought", "--time", "came_at", "--key", "visit")


def _made(command: Command, *arguments: str) -> None:
    result = command("new", *arguments)
    assert result.exit_code == 0, result.output
    discovery._packages.cache_clear()


def _runs(command: Command, name: str, as_of: str, store: Path) -> str:
    """Valid, trained, scored; the summary."""
    for words in (
        ("validate", name),
        ("run", name, "offline", "--as-of", as_of),
        ("run", name, "online", "--as-of", as_of),
    ):
        result = command(*words, "--store", store)
        assert result.exit_code == 0, result.output
    return command("summary", name, "--store", store).output


def _table(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join([*rows, ""]), encoding="utf-8")
    return path


def _letters(path: Path, labels: tuple[str, str] = ("yes", "no")) -> Path:
    """600 letters with words for labels, a text, a constant, an id, another moment and a column with a space."""
    header = "letter,sent,answered,body,channel,office,reference,seen at,words used"
    rows = [
        f"n{row},2024-{1 + row // 100:02d}-{1 + row % 28:02d}T{row % 24:02d}:00:00Z,{labels[int(row % 7 < 3)]},"
        f"{'please pay the overdue invoice now' if row % 7 < 3 else 'thank you for your very kind visit'} {row},"
        f"{('post', 'mail')[row % 2]},main,r-{row * 7919},2024-01-{1 + row % 28:02d},{row % 50}"
        for row in range(600)
    ]
    return _table(path, [header, *rows])


def test_without_a_file_it_runs_on_records_that_say_they_are_made_up(
    command: Command, use_cases: Path, tmp_path: Path
) -> None:
    result = command("new", "shop")
    assert result.exit_code == 0
    assert result.output.splitlines()[-3].strip() == "ml-pipeline run shop offline --as-of 2024-06-16"
    discovery._packages.cache_clear()
    shown = _runs(command, "shop", "2024-06-16", tmp_path / "store")
    assert "40 rows scored" in shown
    assert "synthetic data: the records of shop are made up" in shown
    assert "synthetic data of shop" in command("models", "list", "shop", "--store", tmp_path / "store").output


def test_a_file_of_ones_own_is_read_where_it_is_and_is_not_called_synthetic(
    command: Command, use_cases: Path, tmp_path: Path
) -> None:
    _made(command, "shop")
    file = (use_cases / "shop/data/visits.csv").rename(tmp_path / "visits.csv")
    _made(command, "visits", "--from", str(file), *NAMES)
    assert f"address: {file}" in (use_cases / "visits/pipeline.yaml").read_text()
    shown = _runs(command, "visits", "2024-06-16", tmp_path / "store")
    assert "40 rows scored" in shown
    assert "synthetic" not in shown


def test_words_texts_levels_numbers_and_what_is_left_out(command: Command, use_cases: Path, tmp_path: Path) -> None:
    file = _letters(tmp_path / "letters.csv")
    _made(command, "letters", "--from", str(file), "--label", "answered", "--time", "sent", "--key", "letter")
    models = (use_cases / "letters/models.py").read_text()
    assert 'worth = {"yes": 1.0, "no": 0.0}' in models
    assert 'Levels("channel", rare=20)' in models
    assert 'HashedText("body", buckets=1024, ngrams=2)' in models
    assert 'Spline("words_used", knots=6)' in models
    assert (
        "# Left out: office (it never varies), reference (nearly every value is another), seen_at (a moment" in models
    )
    shown = _runs(command, "letters", "2024-06-20", tmp_path / "store")
    assert "roc_auc 1.0000 1.0000 to 1.0000" in " ".join(shown.split())


def test_of_two_words_that_say_nothing_one_is_chosen_and_shown(
    command: Command, use_cases: Path, tmp_path: Path
) -> None:
    file = _letters(tmp_path / "letters.csv", ("stayed", "left"))
    _made(command, "letters", "--from", str(file), "--label", "answered", "--time", "sent", "--key", "letter")
    assert "Will answered be stayed?" in (use_cases / "letters/pipeline.yaml").read_text()


def test_too_few_rows_for_stretches_of_time_are_split_by_their_keys(
    command: Command, use_cases: Path, tmp_path: Path
) -> None:
    rows = [f"k{row},2024-01-{1 + row % 28:02d},{row % 9},{row % 2}" for row in range(120)]
    file = _table(tmp_path / "few.csv", ["key,day,size,bad", *rows])
    _made(command, "few", "--from", str(file), "--label", "bad", "--time", "day", "--key", "key")
    assert parse((use_cases / "few/pipeline.yaml").read_text(), "few").split.by == "hash"


def test_rows_whose_label_is_late_wait_for_it(command: Command, use_cases: Path, tmp_path: Path) -> None:
    rows = [f"k{row},2024-01-{1 + row // 40:02d},{row % 9},{'' if row % 10 == 3 else row % 2}" for row in range(1000)]
    file = _table(tmp_path / "late.csv", ["key,day,size,bad", *rows])
    _made(command, "late", "--from", str(file), "--label", "bad", "--time", "day", "--key", "key")
    assert "revised: true" in (use_cases / "late/pipeline.yaml").read_text()
    result = command("run", "late", "offline", "--as-of", "2024-01-25", "--store", tmp_path / "store")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--label", "basket", *NAMES[2:]), "the column for --label is no yes or no"),
        ((*NAMES[:2], "--time", "pages", *NAMES[4:]), "the column for --time holds no moments. Given: pages, such as"),
        (
            (*NAMES[:4], "--key", "device"),
            "does not tell the rows apart. Given: device: 3 different values in 2,044 rows",
        ),
        ((*NAMES[:4], "--key", "number"), "the file has no column for --key. Given: number. Expected: visit, came_at"),
        (NAMES[:4], "a file and its columns go together. Given: no --key. To do: add --key"),
    ],
)
def test_a_column_that_cannot_be_what_it_is_named_for(
    command: Command, use_cases: Path, arguments: tuple[str, ...], says: str
) -> None:
    _made(command, "shop")
    result = command("new", "wrong", "--from", use_cases / "shop/data/visits.csv", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert sorted(path.name for path in use_cases.iterdir()) == ["shop"]


@pytest.mark.parametrize("name", ["No", "with-dash", "1st", "a b", "..", "shop"])
def test_a_name_that_cannot_be_one_or_is_taken(command: Command, use_cases: Path, name: str) -> None:
    _made(command, "shop")
    assert command("new", name).exit_code == 2
    assert sorted(path.name for path in use_cases.iterdir()) == ["shop"]


def test_a_folder_that_is_not_there(command: Command, tmp_path: Path) -> None:
    result = command("new", "shop", "--folder", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "the folder for it is not there" in result.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\x00\x01\x02"])
def test_a_file_that_is_no_table(command: Command, use_cases: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.csv").write_bytes(content)
    result = command("new", "none", "--from", tmp_path / "no.csv", *NAMES)
    assert result.exit_code in (2, 65)
    assert "Traceback" not in result.output
    assert list(use_cases.iterdir()) == []


def test_what_it_writes_is_as_a_person_would_have_it(command: Command, use_cases: Path, tmp_path: Path) -> None:
    file = _letters(tmp_path / "letters.csv")
    _made(command, "letters", "--from", str(file), "--label", "answered", "--time", "sent", "--key", "letter")
    _made(command, "shop")
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--config", str(ROOT / "pyproject.toml"), str(use_cases)]
    lint = [*ruff, "check", *settings, "--config", 'lint.per-file-ignores={"*"=["TID253"]}']
    for command_line in (lint, [*ruff, "format", "--check", *settings]):
        done = subprocess.run(command_line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
