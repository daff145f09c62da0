"""A champion that does worse than the model before it: monitoring proposes to go back, or does, once and for good."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ml_pipeline.artifacts import golden, plain_yaml
from ml_pipeline.artifacts.registry import MODEL
from ml_pipeline.data.joins import MOMENT
from ml_pipeline.handlers import appointment
from tests.conftest import AS_OF
from tests.contrary import BAD, reign

if TYPE_CHECKING:
    from tests.conftest import Parcels

DAY = dt.timedelta(days=1)
MORNING = AS_OF + 5 * DAY


@pytest.fixture
def beaten(champion: Parcels) -> Parcels:
    """The champion says the opposite of the model that it replaced, and has scored five days."""
    reign(champion.registry)
    for day in range(5):
        champion.run("online", as_of=AS_OF + day * DAY, run_id=f"contrary-{day}")
    return champion


def watched(parcels: Parcels, rollback: str = "automatic", as_of: dt.datetime = MORNING, **named: Any) -> Any:
    """What the stage left."""
    parameters = {"monitoring": {"least": 20, "rollback": rollback}}
    return parcels.run("monitoring", as_of=as_of, parameters=parameters, **named)["monitor"]


def told(result: Any) -> str:
    """The sentence about both models."""
    (found,) = (reason for reason in result.verdict["reasons"] if "replaced" in reason)
    return str(found)


def entries(result: Any) -> list[str]:
    """Keys of the promotions that a result tells of."""
    return [artifact.key for artifact in result.artifacts if artifact.name == "promotion"]


def test_it_is_proposed_unless_pipeline_yaml_says_otherwise(beaten: Parcels) -> None:
    good = beaten.registry.promotions()[0].to
    found = watched(beaten, "propose")
    assert told(found).startswith("On the same ")
    assert f"beside {good}, which {BAD} replaced, roc_auc differs by -" in told(found)
    assert told(found).endswith("worse. Go back to it by `ml-pipeline models rollback parcels`, or train again.")
    assert (found.verdict["severity"], beaten.registry.champion(), entries(found)) == ("act", BAD, [])
    assert told(found) in found.verdict["urgent"]


def test_where_it_is_automatic_the_log_says_who_went_back_and_why(beaten: Parcels) -> None:
    good = beaten.registry.promotions()[0].to
    found = watched(beaten, run_id="morning")
    entry = beaten.registry.promotions()[-1]
    assert (entry.number, entry.kind, entry.to, entry.previous) == (3, "rollback", good, BAD)
    assert (entry.actor, entry.run) == ("monitoring", "morning")
    assert told(found).startswith(entry.reason)
    assert entry.reason.endswith(": worse.")
    assert f"{good} is champion again, by monitoring in entry 3 of the promotion log" in told(found)
    assert (found.verdict["severity"], entries(found)) == ("act", ["promotions/000003.yaml"])


def test_a_run_that_is_tried_again_goes_back_once_and_says_the_same(beaten: Parcels) -> None:
    first, again = (watched(beaten, attempt=f"try-{number}") for number in (1, 2))
    assert len(beaten.registry.promotions()) == 3
    assert (told(again), again.verdict["severity"]) == (told(first), "act")
    assert entries(again) == entries(first) == ["promotions/000003.yaml"]


def test_a_later_run_leaves_what_an_earlier_one_did(beaten: Parcels) -> None:
    watched(beaten)
    assert entries(watched(beaten, as_of=MORNING + DAY)) == []
    assert len(beaten.registry.promotions()) == 3


def test_of_two_runs_at_once_one_goes_back_and_both_say_so(beaten: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    both, prove = Barrier(2), appointment.prove

    def together(*proved: Any) -> str:
        both.wait(60)
        return prove(*proved)

    monkeypatch.setattr(appointment, "prove", together)
    with ThreadPoolExecutor(2) as runs:
        found = list(runs.map(lambda run_id: watched(beaten, run_id=run_id), ("one", "other")))
    assert len(beaten.registry.promotions()) == 3
    assert told(found[0]) == told(found[1])
    assert sorted(map(len, map(entries, found))) == [0, 1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"run": "", "actor": "ada"}, "entry 2 of the promotion log was made by hand, by ada."),
        ({"kind": "rollback"}, "entry 2 of the promotion log went back to contrary already."),
        (
            {"as_of": (MORNING + DAY).isoformat()},
            "it looked as of 2024-02-09T23:00:00+00:00, and contrary was promoted",
        ),
    ],
)
def test_what_people_decided_or_what_came_later_is_left_to_people(
    beaten: Parcels, change: dict[str, str], why: str
) -> None:
    entry = beaten.registry.promotions()[1]
    beaten.room.delete("promotions/000002.yaml")
    beaten.registry.promote(msgspec.structs.replace(entry, **change))
    found = watched(beaten)
    assert f"or train again; monitoring does not by itself: {why}" in told(found)
    assert (beaten.registry.champion(), entries(found)) == (BAD, [])


def test_a_moment_before_one_that_was_looked_at_decides_nothing(beaten: Parcels) -> None:
    watched(beaten, "propose", MORNING + DAY)
    assert "as of 2024-02-09T23:00:00+00:00, and was at 20240210T230000Z before." in told(watched(beaten))
    assert beaten.registry.champion() == BAD


def test_a_model_that_is_not_what_it_was_is_not_gone_back_to(beaten: Parcels) -> None:
    good = beaten.registry.promotions()[0].to
    beaten.room.put(beaten.registry.key(good, golden.GOLDEN), b"no Parquet")
    found = watched(beaten)
    assert "monitoring does not by itself: " in told(found)
    assert "golden.parquet" in told(found)
    assert beaten.registry.champion() == BAD


def test_parameters_that_were_tampered_with_are_not_compared(beaten: Parcels) -> None:
    good = beaten.registry.promotions()[0].to
    beaten.room.put(beaten.registry.key(good, "parameters.yaml"), b"bias: 0.0\n")
    assert f"{good}, which {BAD} replaced, cannot be compared with it" in told(watched(beaten))


def test_of_few_days_the_interval_is_taken_wider(champion: Parcels) -> None:
    reign(champion.registry)
    for day in range(4):
        champion.run("online", as_of=AS_OF + day * DAY)
    found = watched(champion)
    assert ", taken 3 times as wide as of days that are alike): not worse." in told(found)
    assert (champion.registry.champion(), entries(found)) == (BAD, [])


def test_what_either_model_may_have_learnt_from_is_left_out(beaten: Parcels) -> None:
    good = beaten.registry.promotions()[0].to
    before = told(watched(beaten, "propose"))
    made = msgspec.structs.replace(beaten.registry.model(good), as_of=(AS_OF + 2 * DAY).isoformat())
    beaten.room.put(beaten.registry.key(good, MODEL), plain_yaml.dump(msgspec.to_builtins(made)))
    assert _rows(told(watched(beaten, "propose"))) < _rows(before)


def test_what_is_scored_again_every_night_counts_once(champion: Parcels) -> None:
    champion.replace("pipeline.yaml", "horizon: 1h", "horizon: 1h\nbehind: 3d")
    reign(champion.registry)
    pairs: list[tuple[str | None, Any]] = []
    for day in range(6):
        scored = champion.run("online", as_of=AS_OF + day * DAY)
        found = champion.dataset(scored, "predictions").columns(["parcel_id", MOMENT])
        pairs += zip(found["parcel_id"].values(), found[MOMENT].tolist(), strict=True)
    counted = _rows(told(watched(champion, "propose", as_of=MORNING + 4 * DAY)))
    assert counted == len(set(pairs)) < len(pairs)


def _rows(sentence: str) -> int:
    return int(sentence.removeprefix("On the same ").partition(" ")[0].replace(",", ""))
