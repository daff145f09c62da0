"""Commands about models: words for people, JSON and exit codes for machines."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from ml_pipeline.artifacts.golden import GOLDEN
from ml_pipeline.artifacts.registry import METRICS, PARAMETERS
from ml_pipeline.cli import main

if TYPE_CHECKING:
    from tests.conftest import Parcels

Ask = Callable[..., Result]
REASON = ("--reason", "a person says so")
COMMANDS = {
    "": [
        "list",
        "show",
        "diff",
        "as-of",
        "promote",
        "rollback",
        "reproduce",
        "log",
        "`candidate`, the newest evaluated",
    ],
    "list": ["USE_CASE", "--last", "--json", "--store"],
    "show": ["USE_CASE MODEL", "--json", "--store"],
    "diff": ["USE_CASE OLD NEW", "--json", "--store"],
    "as-of": ["USE_CASE MOMENT", "wall clock", "--json", "--store"],
    "promote": ["USE_CASE MODEL", "--reason", "--json", "--store"],
    "rollback": ["USE_CASE", "--to MODEL", "--reason", "--json", "--store"],
    "reproduce": ["USE_CASE MODEL", "nothing stored is touched", "--json", "--store"],
    "log": ["USE_CASE", "--json", "--store"],
}


@pytest.fixture
def ask(champion: Parcels, command: Ask) -> Ask:
    """`models WORD parcels …` in the store where parcels has a champion."""
    return lambda word, *more: command("models", word, "parcels", *more, "--store", champion.store)


@pytest.fixture
def second(champion: Parcels) -> str:
    """The champion of the next night."""
    return champion.run("offline", as_of=champion.next_night)["train"].model_version


@pytest.fixture
def rejected(champion: Parcels, second: str) -> str:
    """A candidate that its floor rejects."""
    asked: dict[str, Any] = {"evaluate.floors": {"roc_auc": 0.99}, "seed": 5}
    return champion.run("offline", as_of=champion.next_night, parameters=asked)["train"].model_version


def answer(result: Result) -> Any:
    """What JSON says."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def error(result: Result) -> dict[str, Any]:
    """The error as JSON, the last line on standard error."""
    found: dict[str, Any] = json.loads(result.stderr.splitlines()[-1])
    assert result.exit_code == found["exit_code"]
    return found


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_says_what_it_does(word: str) -> None:
    result = CliRunner().invoke(main, ["models", *word.split(), "--help"])
    assert result.exit_code == 0
    assert [text for text in COMMANDS[word] if text not in words(result.output)] == []


def test_list_shows_the_newest_and_as_many_as_asked_for(ask: Ask, second: str) -> None:
    assert [row["version"] for row in answer(ask("list", "--last", "1", "--json"))] == [second]
    assert len(answer(ask("list", "--json"))) == 2


def test_show_tells_a_model_in_a_minute(champion: Parcels, ask: Ask, second: str) -> None:
    shown = ask("show", "champion").stdout
    model, found = champion.registry.model(second), champion.registry.metrics(second)
    for text in (
        f"model {second}, champion since {champion.registry.promotions()[-1].at}", "Will this parcel arrive late?",
        "models.LateModel, as of 2024-02-05T23:00:00+00:00", f"trained on {model.rows:,} rows, made from 5 snapshots",
        "parcels 2 2024-02-04T23:00:00+00:00 2024-02-05T23:00:00+00:00", "verdict: passed",
        *found["verdict"]["reasons"], f"on {found['rows']:,} unseen rows", "value (95 % interval)", "roc_auc",
        f"models/{second}/parameters.yaml", f"models/{second}/model.yaml", f"models/{second}/metrics.yaml",
    ):  # fmt: skip
        assert text in words(shown)


def test_show_says_of_a_former_champion_and_of_one_that_was_not_evaluated_what_they_are(
    champion: Parcels, ask: Ask, second: str
) -> None:
    first = champion.registry.promotions()[0].to
    former = answer(ask("show", first[:6], "--json"))
    assert (former["champion"], former["champion_since"], len(former["promotions"])) == (False, "", 1)
    trained = champion.run("offline", "ingest", "prepare", "combine", "split", "train", parameters={"seed": 9})
    version = trained["train"].model_version
    shown = ask("show", version).stdout
    assert "not champion" in shown
    assert "verdict: not evaluated" in shown
    assert "metrics.yaml" not in shown


def test_show_names_synthetic_data(champion: Parcels, ask: Ask) -> None:
    version = champion.registry.champion()
    key = champion.registry.key(version, "model.yaml")
    champion.room.put(key, champion.room.get(key).replace(b"synthetic: []", b"synthetic: [parcels]"))
    assert "synthetic data of parcels: its records are made up" in ask("show", version).stdout
    assert answer(ask("show", version, "--json"))["synthetic"] == ["parcels"]


def test_diff_names_causes_and_effects(champion: Parcels, ask: Ask, rejected: str) -> None:
    first = champion.registry.promotions()[0].to
    shown = words(ask("diff", first, "candidate").stdout)
    for text in (
        f"old {first}, as of 2024-02-04T23:00:00+00:00", f"new {rejected}", "why they differ",
        "configuration evaluate.floors.roc_auc changed 0.6 0.99", "seed seed changed 0 5",
        "snapshot parcels, as of 2024-02-05T23:00:00+00:00, 60 rows added", "coefficients that moved most",
        "standard errors", "metrics, each model on test rows of its own", "roc_auc 0.",
    ):  # fmt: skip
        assert text in shown
    found = answer(ask("diff", first, "candidate", "--json"))
    assert [cause["kind"] for cause in found["causes"]] == ["configuration", "seed", "snapshot", "snapshot"]
    assert found["coefficients"][0].keys() == {"name", "old", "new", "standard_error", "move"}
    assert found["metrics"][0]["old"].keys() == {"value", "low", "high"}


def test_diff_of_a_model_with_itself_finds_nothing(ask: Ask) -> None:
    shown = ask("diff", "champion", "champion").stdout
    assert "by nothing: they are the same model" in shown
    assert "moved most" not in shown


def test_diff_names_snapshots_that_are_gone(champion: Parcels, ask: Ask, second: str) -> None:
    champion.room.delete("raw/parcels/20240205T230000Z/manifest.yaml")
    first = champion.registry.promotions()[0].to
    assert "no longer stored added" in words(ask("diff", first, second).stdout)


def test_as_of_names_the_champion_of_a_moment_and_its_entry(champion: Parcels, ask: Ask, second: str) -> None:
    log = champion.registry.promotions()
    found = answer(ask("as-of", log[-1].at, "--json"))
    assert (found["champion"], found["entry"]["number"]) == (second, 2)
    shown = words(ask("as-of", "2999-01-01").stdout)
    assert f"the champion was {second}, by this entry of the log" in shown
    assert f"2 {log[-1].at} promote {second} {log[0].to} gate offline-20240205T230000Z" in shown


def test_the_log_is_a_table(champion: Parcels, ask: Ask, second: str) -> None:
    assert [entry["to"] for entry in answer(ask("log", "--json"))][-1] == second
    assert len(ask("log").stdout.strip().splitlines()) == 3


def test_a_person_promotes_a_model_that_was_rejected_and_answers_for_it(
    champion: Parcels, ask: Ask, rejected: str, second: str
) -> None:
    result = ask("promote", "candidate", *REASON)
    assert result.exit_code == 0
    assert f"{rejected} is champion in place of {second}, entry 3" in result.stdout
    assert "Its verdict did not pass: roc_auc is" in result.stdout
    entry = champion.registry.promotions()[-1]
    assert (entry.kind, entry.actor, entry.reason, entry.previous) == ("promote", getpass.getuser(), REASON[1], second)
    assert champion.room.exists(champion.registry.key(rejected, f"evidence/{entry.evidence[:16]}.yaml"))


def test_rollback_goes_back_one_champion_and_to_a_named_one(champion: Parcels, ask: Ask, second: str) -> None:
    first = champion.registry.promotions()[0].to
    found = answer(ask("rollback", *REASON, "--json"))
    assert (found["entry"]["to"], found["entry"]["kind"], found["notes"]) == (first, "rollback", [])
    assert error(ask("rollback", *REASON, "--json"))["what"] == "there is no champion to go back to"
    assert ask("rollback", "--to", second[:8], *REASON).exit_code == 0
    assert [entry.to for entry in champion.registry.promotions()] == [first, second, first, second]


def test_rollback_to_a_model_without_golden_rows_says_so(champion: Parcels, ask: Ask, second: str) -> None:
    first = champion.registry.promotions()[0].to
    champion.room.delete(champion.registry.key(first, GOLDEN))
    assert "has no golden rows" in ask("rollback", *REASON).stdout
    assert champion.registry.champion() == first


@pytest.mark.parametrize("act", [("rollback",), ("promote", "candidate")])
@pytest.mark.parametrize("name", [GOLDEN, PARAMETERS])
def test_a_model_that_is_not_what_was_evaluated_never_becomes_champion(
    champion: Parcels, ask: Ask, second: str, act: tuple[str, ...], name: str
) -> None:
    key = champion.registry.key(champion.registry.promotions()[0].to, name)
    champion.room.put(key, champion.room.get(key)[:-9])
    found = error(ask(*act, *REASON, "--json"))
    assert found["error"] == "IntegrityError"
    assert key in found["given"]
    assert champion.registry.champion() == second
    assert len(champion.registry.promotions()) == 2


def test_code_that_no_longer_scores_the_model_keeps_it_from_coming_back(
    champion: Parcels, ask: Ask, second: str
) -> None:
    champion.replace("models.py", 'Levels("depot", "tier", rare=5), ', "")
    found = error(ask("rollback", *REASON, "--json"))
    assert found["exit_code"] in (3, 76)
    assert champion.registry.champion() == second


def test_reproduce_says_that_the_bytes_are_the_same(champion: Parcels, ask: Ask, second: str) -> None:
    first = champion.registry.promotions()[0].to
    assert f"{first} trained again: the same bytes" in ask("reproduce", first).stdout
    assert answer(ask("reproduce", "champion", "--json"))["outcome"] == "same bytes"


def test_reproduce_says_what_differs_and_fails(champion: Parcels, ask: Ask) -> None:
    champion.replace("models.py", "delay >= 30", "delay >= 60")
    result = ask("reproduce", "champion")
    assert result.exit_code == 70
    assert "trained again: another model: " in result.stdout
    assert "source parcels/models.py changed" in words(result.stdout)
    assert "the model was not reproduced" in result.stderr
    asked = ask("reproduce", "champion", "--json")
    assert json.loads(asked.stdout)["outcome"] == "different"
    assert error(asked)["what"] == "the model was not reproduced"


BAD: list[tuple[tuple[str, ...], int, str]] = [
    (("show", "zzzz"), 66, "there is no such model"),
    (("show", "zz"), 66, "there is no such model"),
    (("show", "candidate"), 2, "there is no candidate"),
    (("show", "../x"), 2, "this cannot be the name of an object"),
    (("show",), 2, "Missing argument 'MODEL'."),
    (("diff", "champion"), 2, "Missing argument 'NEW'."),
    (("diff", "champion", "zzzz"), 66, "there is no such model"),
    (("as-of", "soon"), 2, "the as-of is not a moment"),
    (("as-of", "2000-01-01"), 2, "there was no champion then"),
    (("as-of",), 2, "Missing argument 'MOMENT'."),
    (("promote", "champion"), 2, "Missing option '--reason'."),
    (("promote", "champion", "--reason", " "), 2, "a reason is missing"),
    (("promote", "champion", "--reason", "x"), 2, "the model is champion already"),
    (("promote", "zzzz", "--reason", "x"), 66, "there is no such model"),
    (("rollback",), 2, "Missing option '--reason'."),
    (("rollback", "--reason", "x"), 2, "there is no champion to go back to"),
    (("rollback", "--to", "champion", "--reason", "x"), 2, "the model is champion already"),
    (("rollback", "--to", "", "--reason", "x"), 66, "there is no such model"),
    (("reproduce", "zzzz"), 66, "there is no such model"),
    (("list", "--last", "0"), 2, "Invalid value for '--last': 0 is not in the range x>=1."),
]


@pytest.mark.parametrize(("asked", "code", "what"), BAD)
def test_what_cannot_be_done_is_said_in_words_and_in_json(
    champion: Parcels, ask: Ask, asked: tuple[str, ...], code: int, what: str
) -> None:
    said = ask(*asked)
    assert (said.exit_code, said.stdout) == (code, "")
    assert what in said.stderr
    found = error(ask(*asked, "--json"))
    assert (found["what"], found["exit_code"]) == (what, code)
    assert len(champion.registry.promotions()) == 1


@pytest.mark.parametrize("word", [word for word in COMMANDS if word])
def test_a_use_case_that_is_not_there_is_said_first(command: Ask, parcels: Parcels, word: str) -> None:
    arguments = {"show": "a", "diff": "a b", "as-of": "a", "promote": "a --reason x", "rollback": "--reason x"}
    more = arguments.get(word, "a" if word == "reproduce" else "").split()
    result = command("models", word, "nothing", *more, "--store", parcels.store)
    assert result.exit_code == 2
    assert "there is no use case 'nothing'" in result.stderr


def test_a_model_that_was_never_evaluated_or_never_champion_is_not_switched_to(champion: Parcels, ask: Ask) -> None:
    stages = ("ingest", "prepare", "combine", "split", "train")
    version = champion.run("offline", *stages, parameters={"seed": 9})["train"].model_version
    assert not champion.room.exists(champion.registry.key(version, METRICS))
    assert error(ask("promote", version, *REASON, "--json"))["what"] == "the model was never evaluated"
    assert error(ask("rollback", "--to", version, *REASON, "--json"))["what"] == "the model never was champion"


def test_an_ambiguous_beginning_lists_its_matches(champion: Parcels, ask: Ask) -> None:
    version = champion.registry.champion()
    twin = version[:6] + "0" * 10
    champion.room.put(champion.registry.key(twin, "model.yaml"), b"")
    found = error(ask("show", version[:6], "--json"))
    assert found["expected"] == "one of " + ", ".join(sorted([version, twin]))


def test_a_log_that_was_meddled_with_is_named_by_every_command(champion: Parcels, ask: Ask) -> None:
    champion.room.put("promotions/000003.yaml", champion.room.get("promotions/000001.yaml"))
    for asked in (("log",), ("as-of", "2999-01-01"), ("list",), ("show", "champion"), ("rollback", *REASON)):
        found = error(ask(*asked, "--json"))
        assert found["what"] == "the promotion log has a gap"
        assert "promotions/000002.yaml" in found["given"]
