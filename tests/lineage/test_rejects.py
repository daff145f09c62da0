"""`ml-pipeline rejects`: what was set aside, by whom and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

if TYPE_CHECKING:
    from tests.conftest import Parcels

Command = Callable[..., Result]


@pytest.fixture
def spoilt(parcels: Parcels) -> Parcels:
    """Three parcels weigh less than nothing, and one that was picked up at no time."""
    lines = parcels.lines("parcels")
    place = lines[0].split(",").index("weight"), lines[0].split(",").index("pickup")
    for row, (at, word) in enumerate([(place[0], "-1"), (place[0], "-2"), (place[0], "-3"), (place[1], "soon")], 1):
        cells = lines[row].split(",")
        lines[row] = ",".join([*cells[:at], word, *cells[at + 1 :]])
    parcels.write("parcels", lines)
    parcels.run("offline", "ingest", "prepare")
    return parcels


def test_steps_reasons_counts_and_records_are_shown(spoilt: Parcels, command: Command) -> None:
    shown = command("rejects", "parcels", "--store", spoilt.store, "--limit", "2").stdout
    assert "ingest.parcels of offline-20240204T230000Z: 1 set aside, " in shown
    assert "prepare.parcels of offline-20240204T230000Z: 3 set aside, the weight is negative\n" in shown
    assert shown.count('"weight": -') == 2
    assert shown.splitlines()[-1] == "  … and 1 more"


def test_as_json_of_one_stage_of_one_run(spoilt: Parcels, command: Command) -> None:
    asked = ("rejects", "parcels", "--store", spoilt.store, "--json", "--run-id", "offline-20240204T230000Z")
    (found,) = json.loads(command(*asked, "--stage", "prepare.parcels").stdout)
    assert (found["stage"], found["reason"], found["count"]) == ("prepare.parcels", "the weight is negative", 3)
    assert [record["weight"] for record in found["records"]] == [-1.0, -2.0, -3.0]
    assert {own["stage"] for own in json.loads(command(*asked, "--stage", "prepare").stdout)} == {"prepare.parcels"}
    assert len(json.loads(command(*asked).stdout)) == 2


def test_a_run_that_set_nothing_aside_says_so(champion: Parcels, command: Command) -> None:
    asked = ("rejects", "parcels", "--store", champion.store, "--stage", "ingest.traffic")
    assert command(*asked).stdout == "nothing was set aside\n"


def test_only_the_last_run_of_each_mode_is_looked_at(spoilt: Parcels, command: Command) -> None:
    spoilt.run("offline", "ingest", as_of=spoilt.next_night)
    shown = command("rejects", "parcels", "--store", spoilt.store).stdout
    assert "prepare" not in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--stage", "prepare.parcel"), "there is no such stage here. Given: prepare.parcel. Expected: ingest."),
        (("--run-id", "nightly"), "there is no such run here. Given: nightly. Expected: offline-20240204T230000Z"),
    ],
)
def test_what_is_not_there_is_said(spoilt: Parcels, command: Command, arguments: tuple[str, ...], says: str) -> None:
    result = command("rejects", "parcels", "--store", spoilt.store, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_before_any_run_it_says_what_to_do(parcels: Parcels, command: Command) -> None:
    result = command("rejects", "parcels", "--store", parcels.store)
    assert result.exit_code == 2
    assert "no stage of a run has finished yet" in result.stderr


def test_after_a_run_that_stopped_it_says_where_to_look(parcels: Parcels, command: Command) -> None:
    lines = parcels.lines("parcels")
    parcels.write("parcels", [lines[0], *(line.replace("2024-", "soon-") for line in lines[1:])])
    asked = ("parcels", "--store", parcels.store)
    stopped = command("run", *asked[:1], "offline", "--stages", "ingest.parcels", *asked[1:]).stderr
    assert "is not of type timestamp (1,998); for example {" in stopped
    result = command("rejects", *asked)
    assert result.exit_code == 2
    assert "no stage of a run has finished yet" in result.stderr
    assert "`ml-pipeline validate USE_CASE` shows them again" in result.stderr
