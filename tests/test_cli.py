"""The command line: words for people, JSON and exit codes for machines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from ml_pipeline.cli import main
from ml_pipeline.contract import StageResult
from ml_pipeline.stages import REPLAY, STAGES

if TYPE_CHECKING:
    from tests.conftest import Parcels

Command = Callable[..., Result]
AS_OF = ("--as-of", "2024-02-05")
COMMANDS = {
    "": ["Nightly training and daily scoring", "ML_PIPELINE_STORE", "99 nothing to do", "run", "graph", "summary"],
    "run": [
        "USE_CASE {offline|online|learning|monitoring}",
        "--stages",
        "--as-of",
        "--run-id",
        "--force",
        "--store",
        "--json",
    ],
    "stage": ["Run the stages of a StageRequest given as JSON"],
    "runs": ["List runs, with the URIs and digests", "--json"],
    "models": ["list"],
    "models list": ["version, as-of, metrics, and which one is champion", "--json"],
    "graph": ["[services|handlers|models]", "[mermaid|svg]"],
    "summary": ["Show what the last training and scoring left", "--as-of"],
    "store": ["start", "stop", "status"],
    "store start": ['eval "$(ml-pipeline store start)"', "--folder"],
}


def _last(result: Result) -> dict[str, Any]:
    """The error, which is the last line on standard error."""
    found: dict[str, Any] = json.loads(result.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_says_what_it_does(words: str, option: str) -> None:
    result = CliRunner().invoke(main, [*words.split(), option])
    assert result.exit_code == 0
    said = " ".join(result.output.split())
    assert [text for text in COMMANDS[words] if text not in said] == []


def test_the_door_for_machines_is_not_shown_to_people() -> None:
    assert not re.search(r"^  stage ", CliRunner().invoke(main, ["--help"]).output, re.MULTILINE)


def test_a_run_shows_a_line_for_each_stage(champion: Parcels, command: Command) -> None:
    result = command("run", "parcels", "online", *AS_OF, "--store", champion.store)
    assert result.exit_code == 0, result.stderr
    lines = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert lines["stage"] == ["status", "rows", "in", "rows", "out", "set", "aside", "seconds", "model"]
    assert lines["ingest.traffic"][:4] == ["reused", "0", "2,523", "0"]
    assert lines["serve"][0] == "done"
    assert lines["serve"][-1] == champion.registry.champion()
    assert "serve begins" in result.stderr


def test_a_run_as_json_is_its_results(champion: Parcels, command: Command) -> None:
    result = command("run", "parcels", "online", *AS_OF, "--store", champion.store, "--json")
    results = msgspec.json.decode(result.stdout, type=list[StageResult])
    assert [own.stage for own in results][-2:] == ["serve", "postprocess"]
    assert {own.run_id for own in results} == {"online-20240204T230000Z"}
    assert {own.as_of for own in results} == {champion.as_of}


def test_the_store_may_stand_in_the_environment(
    champion: Parcels, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", champion.store)
    assert command("models", "list", "parcels").exit_code == 0
    assert champion.registry.champion() in command("models", "list", "parcels").stdout


def test_stages_run_and_force(champion: Parcels, command: Command) -> None:
    asked = ("run", "parcels", "offline", *AS_OF, "--store", champion.store, "--json")
    results = json.loads(command(*asked, "--stages", "split,prepare.traffic", "--force").stdout)
    assert [(own["stage"], own["status"]) for own in results] == [("prepare.traffic", "done"), ("split", "done")]
    named = json.loads(command(*asked, "--stages", "ingest", "--run-id", "my-run").stdout)
    assert {own["run_id"] for own in named} == {"my-run"}
    assert champion.room.exists("runs/my-run/ingest.parcels/result.json")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "nothing", "offline"), 2, "there is no use case 'nothing'. Given: nothing. Expected: one of "),
        (
            ("run", "parcels", "offline", "--as-of", "soon"),
            2,
            "the as-of is not a moment. Given: soon. Expected: a date",
        ),
        (("run", "parcels", "offline", "--stages", "tarin"), 2, "offline has no stage 'tarin' in the use case parcels"),
        (("run", "parcels", "online", "--stages", "serve", *AS_OF), 2, "there is no champion to predict with"),
        (
            ("run", "parcels", "offline", "--stages", "split", *AS_OF),
            2,
            "split needs 'combined', which this run has not",
        ),
        (("run", "parcels", "offline", "--run-id", "../up", *AS_OF), 2, "the run id is no name for a folder"),
        (("run", "parcels", "offline", "--store", "ftp://x", *AS_OF), 2, "the store's URI names no store"),
        (("runs", "nothing"), 2, "there is no use case 'nothing'"),
        (("models", "list", "nothing"), 2, "there is no use case 'nothing'"),
        (("graph", "nothing"), 2, "there is no use case 'nothing'"),
        (("summary", "nothing"), 2, "there is no use case 'nothing'"),
        (
            ("summary", "parcels"),
            2,
            "nothing has run yet. Given: parcels. To do: run `ml-pipeline run parcels offline`",
        ),
        (("summary", "parcels", "--as-of", "soon"), 2, "the as-of is not a moment"),
        (("stage", "{"), 2, "this is no StageRequest: "),
        (("stage", '{"use_case": "parcels"}'), 2, "this is no StageRequest: Object missing required field `mode`"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    parcels: Parcels, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: Any, code: int, words: str
) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", parcels.store)
    result = command(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_without_a_store_it_says_how_to_name_one(parcels: Parcels, command: Command) -> None:
    result = command("runs", "parcels")
    assert result.exit_code == 2
    assert "no object store is named" in result.stderr
    assert "set ML_PIPELINE_STORE or give --store" in result.stderr


def test_an_error_follows_the_form_of_the_answer(parcels: Parcels, command: Command) -> None:
    result = command("run", "parcels", "online", "--json", "--store", parcels.store, "--stages", "train")
    error = _last(result)
    assert (error["error"], error["exit_code"], result.exit_code) == ("UsageError", 2, 2)
    assert error["what"] == "online has no stage 'train' in the use case parcels"
    assert error["expected"].startswith("some of ingest.parcels, ")
    assert error.keys() == {"error", "what", "given", "expected", "do", "exit_code"}


def test_an_argument_that_is_none_is_json_too_where_json_is_asked(command: Command) -> None:
    result = command("run", "parcels", "sideways", "--json")
    assert result.exit_code == _last(result)["exit_code"] == 2
    assert "'sideways' is not one of 'offline', 'online'" in _last(result)["what"]
    assert "Usage: " in command("run", "parcels", "sideways").stderr


def test_a_link_that_fails_exits_3(parcels: Parcels, command: Command) -> None:
    parcels.replace("models.py", "delay >= 30)", "delay[:-1] >= 30)")
    result = command("run", "parcels", "offline", *AS_OF, "--store", parcels.store)
    assert result.exit_code == 3
    assert "ChainError: link 'late' failed: ValueError" in result.stderr
    assert "Traceback" not in result.stderr


def test_something_unexpected_is_an_error_in_words_after_its_traceback(
    parcels: Parcels, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("ml_pipeline.run.select", broken)
    result = command("run", "parcels", "offline", *AS_OF, "--store", parcels.store, "--json")
    assert result.exit_code == 70
    assert _last(result)["what"] == "something unexpected went wrong: ZeroDivisionError: on purpose"
    assert "Traceback" in result.stderr


def test_a_run_with_nothing_to_do_exits_99(champion: Parcels, command: Command) -> None:
    asked = ("run", "parcels", "online", "--as-of", "2024-03-30", "--store", champion.store, "--json")
    whole = command(*asked)
    assert whole.exit_code == 0, "sources that are joined did have something new"
    driving = command(*asked, "--stages", "ingest.parcels,prepare.parcels")
    assert driving.exit_code == _last(driving)["exit_code"] == 99
    assert _last(driving)["error"] == "NothingToDo"
    assert "the source parcels has no records to score" in _last(driving)["what"]


def test_a_candidate_that_is_not_promoted_exits_99_for_promote_alone(champion: Parcels, command: Command) -> None:
    champion.replace("pipeline.yaml", "roc_auc: 0.6", "roc_auc: 0.99")
    asked = ("run", "parcels", "offline", *AS_OF, "--store", champion.store)
    whole = command(*asked)
    assert whole.exit_code == 0
    assert "promote: the candidate is not promoted" in whole.stdout
    assert command(*asked, "--stages", "promote").exit_code == 99


def test_a_stage_request_runs_its_stages(champion: Parcels, command: Command) -> None:
    request = champion.request("online", "ingest", attempt="3")
    result = command("stage", msgspec.json.encode(request).decode())
    assert result.exit_code == 0
    stored = champion.room.get("runs/online-20240204T230000Z/ingest.parcels/result.json")
    assert msgspec.json.decode(stored, type=StageResult).attempt == "3"


def test_a_stage_request_that_fails_says_so_in_json(parcels: Parcels, command: Command) -> None:
    result = command("stage", msgspec.json.encode(parcels.request("offline", "combine")).decode())
    assert (result.exit_code, _last(result)["error"]) == (2, "UsageError")


def test_runs_are_listed_with_what_they_wrote(champion: Parcels, command: Command) -> None:
    shown = command("runs", "parcels", "--store", champion.store)
    assert shown.exit_code == 0
    results = json.loads(command("runs", "parcels", "--store", champion.store, "--json").stdout)
    assert {own["stage"] for own in results} >= {"ingest.parcels", "train", "promote"}
    for artifact in [artifact for own in results for artifact in own["artifacts"]]:
        assert artifact["uri"] in shown.stdout
        assert artifact["digest"][:12] in shown.stdout


def test_a_use_case_that_never_ran_has_no_runs_and_no_models(parcels: Parcels, command: Command) -> None:
    for asked in (("runs", "parcels"), ("models", "list", "parcels")):
        result = command(*asked, "--store", parcels.store, "--json")
        assert (result.exit_code, json.loads(result.stdout)) == (0, [])
        assert command(*asked, "--store", parcels.store).exit_code == 0


def test_a_result_that_is_none_is_named(champion: Parcels, command: Command) -> None:
    champion.room.put("runs/x/train/result.json", b'{"half": ')
    result = command("runs", "parcels", "--store", champion.store)
    assert result.exit_code == 76
    assert "this is no result of a stage" in result.stderr
    assert "runs/x/train/result.json" in result.stderr


def test_models_are_listed_newest_first_with_the_champion(champion: Parcels, command: Command) -> None:
    champion.run("offline", as_of=champion.next_night, parameters={"evaluate.floors": {"roc_auc": 0.99}})
    champion.run("offline", "ingest", "prepare", "combine", "split", "train", parameters={"seed": 5})
    rows = json.loads(command("models", "list", "parcels", "--store", champion.store, "--json").stdout)
    assert [row["as_of"] for row in rows] == sorted((row["as_of"] for row in rows), reverse=True)
    assert {row["passed"] for row in rows} == {True, False, None}
    assert [row["version"] for row in rows if row["champion"]] == [champion.registry.champion()]
    shown = command("models", "list", "parcels", "--store", champion.store).stdout
    assert all(word in shown for word in ("champion", "rejected", "passed", "not evaluated", "roc_auc"))


@pytest.mark.parametrize("level", ["services", "handlers", "models"])
def test_a_graph_is_drawn_at_every_level(parcels: Parcels, command: Command, level: str) -> None:
    drawn = command("graph", "parcels", "--level", level)
    assert drawn.exit_code == 0
    assert drawn.stdout.startswith("flowchart")
    picture = command("graph", "parcels", "--level", level, "--format", "svg")
    assert picture.stdout.startswith("<svg")


def test_the_graph_of_services_names_every_step(parcels: Parcels, command: Command) -> None:
    drawn = command("graph", "parcels").stdout
    assert [stage.name for stage in STAGES if stage.name not in drawn] == [REPLAY, "monitor"]


def test_the_graph_shows_that_what_is_predicted_is_watched(parcels: Parcels, command: Command) -> None:
    parcels.replace("pipeline.yaml", "quarantine:", "monitoring: {}\nquarantine:")
    for level in ("services", "handlers"):
        drawn = command("graph", "parcels", "--level", level).stdout
        assert "subgraph" in drawn
        assert '-->|"predictions"|' in drawn


def test_the_summary_shows_times_model_and_who_is_most_at_risk(champion: Parcels, command: Command) -> None:
    champion.run("online")
    shown = command("summary", "parcels", "--store", champion.store).stdout
    version = champion.registry.champion()
    for words in (
        "offline as of 2024-02-04T23:00:00+00:00, run offline-20240204T230000Z",
        "online as of", f"model {version}", "roc_auc", "95 % interval", "within its floor of at least 0.6",
        f"models/{version}/parameters.yaml", "66 rows scored, the 10 ranked first", "predictions ",
    ):  # fmt: skip
        assert words in shown
    listed = shown.partition("ranked first:")[2].splitlines()[2:12]
    scored = champion.dataset(champion.run("online"), "scored").columns()
    best = scored["parcel_id"].values()[list(scored["rank"]).index(1.0)]  # type: ignore[union-attr, arg-type]
    assert listed[0].split()[0] == best
    assert re.search(r"2024-02-05 \d\d:\d\d", listed[0]), "in the time zone of the use case"


def test_the_summary_of_a_moment_shows_that_moment(champion: Parcels, command: Command) -> None:
    champion.run("offline", as_of=champion.next_night)
    shown = command("summary", "parcels", "--store", champion.store, *AS_OF).stdout
    assert "run offline-20240204T230000Z" in shown
    assert "ranked first" not in shown
    assert "run offline-20240205T230000Z" in command("summary", "parcels", "--store", champion.store).stdout


def test_the_summary_says_that_there_is_no_champion_yet(parcels: Parcels, command: Command) -> None:
    parcels.run("offline", "ingest")
    shown = command("summary", "parcels", "--store", parcels.store)
    assert shown.exit_code == 0
    assert "no champion yet" in shown.stdout


def test_a_process_that_is_told_to_stop_says_so_and_exits_143_however_long_a_batch_takes(parcels: Parcels) -> None:
    parcels.replace(
        "models.py", "    return np.where(np", '    Path("there").touch()\n    time.sleep(60)\n    return np.where(np'
    )
    parcels.replace("models.py", "import numpy as np", "import time\nfrom pathlib import Path\n\nimport numpy as np")
    there = parcels.site / "there"
    request = msgspec.json.encode(parcels.request("offline", "ingest", "prepare")).decode()
    process = subprocess.Popen(
        [sys.executable, "-m", "ml_pipeline", "stage", request],
        cwd=parcels.site, env={**os.environ, "PYTHONPATH": str(parcels.site)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _wait_for(there)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143
    assert json.loads(said.splitlines()[-1])["what"] == "the process was told to stop"
    assert not parcels.room.exists("runs/offline-20240204T230000Z/prepare.parcels/result.json")


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)


SLEEPS_ONCE = """

def _update(cls, parameters, statistics, update=LateModel.update.__func__):
    if not Path({there!r}).exists():
        Path({there!r}).touch()
        time.sleep(60)
    return update(cls, parameters, statistics)


LateModel.update = classmethod(_update)
"""


def test_a_run_that_is_killed_while_it_trains_goes_on_from_what_is_stored(parcels: Parcels) -> None:
    there = parcels.site / "there"
    code = SLEEPS_ONCE.format(there=str(there)).splitlines()
    parcels.add("models.py", *code)
    parcels.replace("models.py", "import numpy as np", "import time\nfrom pathlib import Path\n\nimport numpy as np")
    request = msgspec.json.encode(parcels.request("offline")).decode()
    process = subprocess.Popen(
        [sys.executable, "-m", "ml_pipeline", "stage", request],
        cwd=parcels.site, env={**os.environ, "PYTHONPATH": str(parcels.site)},
    )  # fmt: skip
    try:
        _wait_for(there)
    finally:
        process.kill()
        process.wait()
    results = parcels.run("offline")
    assert {step: result.status for step, result in results.items() if result.status != "reused"} == {
        "train": "done", "evaluate": "done", "promote": "done",
    }  # fmt: skip
    assert [key for key in parcels.objects("models/") if key.endswith("model.yaml")] == [
        f"models/{results['train'].model_version}/model.yaml"
    ]
