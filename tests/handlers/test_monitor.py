"""What was predicted is judged by what became true: each prediction once, as far as truth is known."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml_pipeline.columns import Category
from ml_pipeline.handlers import scored_runs
from ml_pipeline.handlers.archive import Archive
from tests.conftest import AS_OF

if TYPE_CHECKING:
    from tests.conftest import Parcels

DAY = dt.timedelta(days=1)
FEW: dict[str, Any] = {"monitoring": {"least": 20}}


@pytest.fixture
def scored(champion: Parcels) -> Parcels:
    """Three days are scored, each on its eve."""
    for day in range(3):
        champion.run("online", as_of=AS_OF + day * DAY)
    return champion


def watched(parcels: Parcels, as_of: dt.datetime, **settings: Any) -> Any:
    """What the stage left as of a moment."""
    parameters = {"monitoring": FEW["monitoring"] | settings}
    return parcels.run("monitoring", as_of=as_of, parameters=parameters)


def days(parcels: Parcels, results: Any) -> list[dict[str, Any]]:
    """The lines of the dataset."""
    columns = parcels.dataset(results, "performance").columns()
    plain = {name: own.values() if isinstance(own, Category) else own.tolist() for name, own in columns.items()}
    return [dict(zip(plain, line, strict=True)) for line in zip(*plain.values(), strict=True)]


def expected(parcels: Parcels, as_of: dt.datetime) -> tuple[list[float], list[bool]]:
    """Predictions and labels of the day after a moment, from the stored predictions and the source's own file."""
    predicted = parcels.dataset(parcels.run("online", as_of=as_of), "predictions").columns(["parcel_id", "prediction"])
    late = {fields[0]: float(fields[5]) > 15 for fields in (line.split(",") for line in parcels.lines("parcels")[1:])}
    keys = predicted["parcel_id"]
    assert isinstance(keys, Category)
    return np.asarray(predicted["prediction"]).tolist(), [late[str(key)] for key in keys.values()]


def test_each_day_is_judged_by_the_truth_of_its_predictions(scored: Parcels) -> None:
    found = watched(scored, AS_OF + 4 * DAY)
    lines = days(scored, found)
    assert [line["day"].isoformat() for line in lines] == [f"2024-02-0{day}T00:00:00" for day in (5, 6, 7)]
    for number, line in enumerate(lines):
        p, y = expected(scored, AS_OF + number * DAY)
        assert (line["predicted"], line["known"], line["state"]) == (len(p), len(p), "mature")
        assert line["roc_auc"] == pytest.approx(roc_auc_score(y, p))
        assert line["roc_auc_low"] < line["roc_auc"] < line["roc_auc_high"]
        assert line["model_version"] == scored.registry.champion()


def test_all_days_together_stand_beside_the_test_rows(scored: Parcels) -> None:
    found = watched(scored, AS_OF + 4 * DAY)["monitor"]
    each = [expected(scored, AS_OF + day * DAY) for day in range(3)]
    p, y = ([value for own in each for value in own[part]] for part in (0, 1))
    version = scored.registry.champion()
    assert found.metrics[version]["metrics"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(y, p))
    assert set(found.metrics[version]["slices"]["depot"]) == {"north", "south", "west"}
    first, second, *_ = found.verdict["reasons"]
    assert first == f"{version}: {len(p)} of {len(p)} predictions have come true or not."
    then = scored.registry.metrics(version)["metrics"]["roc_auc"]
    assert f"and was {then['value']:.4f}" in second


def test_a_day_counts_as_mature_once_most_of_its_truth_is_known(scored: Parcels) -> None:
    lines = days(scored, watched(scored, AS_OF + 2 * DAY + dt.timedelta(hours=18), mature="80%"))
    assert [line["state"] for line in lines] == ["mature", "mature", "immature"]
    assert 20 <= lines[2]["known"] < lines[2]["predicted"]
    assert not np.isnan(lines[2]["roc_auc"])


def test_without_truth_there_is_not_enough_data(scored: Parcels) -> None:
    found = watched(scored, AS_OF + dt.timedelta(hours=1), window="2h")
    assert found["monitor"].verdict["severity"] == "not enough data"
    assert found["monitor"].verdict["reasons"][0].endswith("fewer than 20, too few to judge.")
    (line,) = days(scored, found)
    assert (line["known"], line["state"]) == (0, "not enough data")
    assert np.isnan(line["roc_auc"])


def test_without_predictions_there_is_nothing_to_do(champion: Parcels) -> None:
    found = watched(champion, AS_OF + 4 * DAY)["monitor"]
    assert (found.status, found.artifacts) == ("skipped", ())
    assert found.notes[0].startswith("nothing was predicted within 30d")


def test_what_was_predicted_before_the_window_or_after_the_as_of_is_left_out(scored: Parcels) -> None:
    lines = days(scored, watched(scored, AS_OF + DAY + dt.timedelta(hours=1), window="2h"))
    assert [line["day"].day for line in lines] == [6]


def test_truth_that_is_delivered_again_counts_once(scored: Parcels) -> None:
    before = days(scored, watched(scored, AS_OF + 4 * DAY))
    again = [line for line in scored.lines("parcels")[1:] if "2024-02-05" in line]
    scored.add("parcels", *again)
    after = days(scored, watched(scored, AS_OF + 5 * DAY))
    assert [line["known"] for line in after[:3]] == [line["known"] for line in before]
    assert [line["roc_auc"] for line in after[:3]] == [line["roc_auc"] for line in before]


def test_a_corrected_truth_replaces_the_one_before_where_records_are_revised(scored: Parcels) -> None:
    scored.replace("pipeline.yaml", "    known: delivered\n", "    revised: true\n")
    p, y = expected(scored, AS_OF)
    fields = [line.split(",") for line in scored.lines("parcels")[1:] if "2024-02-05T1" in line]
    flipped = [[*own[:-1], "5" if float(own[-1]) > 15 else "99"] for own in fields]
    scored.add("parcels", *map(",".join, flipped))
    lines = days(scored, watched(scored, AS_OF + 4 * DAY))
    assert len(flipped) > 10
    assert lines[0]["known"] == len(y)
    assert lines[0]["roc_auc"] != pytest.approx(roc_auc_score(y, p))


def test_truth_of_keys_that_nobody_predicted_changes_nothing(scored: Parcels) -> None:
    before = days(scored, watched(scored, AS_OF + 4 * DAY))
    scored.add("parcels", "p-unheard,c1,north,2.0,2024-02-08T10:00:00Z,99")
    assert days(scored, watched(scored, AS_OF + 5 * DAY)) == before


def test_the_same_day_scored_by_two_models_is_judged_for_each(scored: Parcels) -> None:
    old = scored.registry.champion()
    scored.run("offline", as_of=AS_OF + DAY)
    scored.run("online", as_of=AS_OF + 2 * DAY, run_id="again")
    lines = days(scored, watched(scored, AS_OF + 4 * DAY))
    assert [(line["day"].day, line["model_version"] == old) for line in lines if line["day"].day == 7] in (
        [(7, True), (7, False)],
        [(7, False), (7, True)],
    )


@pytest.fixture
def followed(scored: Parcels) -> Parcels:
    """Another champion scores two days more."""
    scored.run("offline", as_of=AS_OF + 3 * DAY)
    for day in (3, 4):
        scored.run("online", as_of=AS_OF + day * DAY)
    return scored


def test_champions_that_follow_one_another_are_judged_as_one(followed: Parcels) -> None:
    found = watched(followed, AS_OF + 6 * DAY)
    lines, reasons = days(followed, found), found["monitor"].verdict["reasons"]
    assert len({line["model_version"] for line in lines}) == 2
    known = sum(int(line["known"]) for line in lines)
    assert reasons[0] == f"What 2 champions served: {known:,} of {known:,} predictions have come true or not."
    assert sum(reason.endswith("have come true or not.") for reason in reasons) == 1
    assert all(own["metrics"] and not own["slices"] for own in found["monitor"].metrics.values())
    page = followed.room.get(max(key for key in followed.objects("monitoring/") if key.endswith("report.html")))
    assert "Models, the newest first" in page.decode()


def test_a_model_that_never_was_champion_is_counted_and_asks_nobody_to_act(followed: Parcels) -> None:
    followed.room.delete("promotions/000002.yaml")
    strict = FEW | {"evaluate.floors": {"roc_auc": 0.999}}
    found = followed.run("monitoring", as_of=AS_OF + 6 * DAY, parameters=strict)
    first = followed.registry.champion()
    lines = days(followed, found)
    assert {line["model_version"] for line in lines} > {first}
    reasons = [own for own in found["monitor"].verdict["reasons"] if own.endswith("have come true or not.")]
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{first}: ")


def test_a_run_that_scored_twice_counts_once(scored: Parcels) -> None:
    before = days(scored, watched(scored, AS_OF + 4 * DAY))
    scored.run("online", as_of=AS_OF, run_id="once-more")
    assert days(scored, watched(scored, AS_OF + 4 * DAY, window="31d")) == before


def test_a_model_that_is_stored_no_more_is_worth_a_look(scored: Parcels) -> None:
    version = scored.registry.champion()
    for key in scored.objects(f"models/{version}/"):
        scored.room.delete(key)
    found = watched(scored, AS_OF + 4 * DAY)["monitor"]
    assert found.verdict["severity"] == "watch"
    assert found.verdict["reasons"][0] == f"{version} predicted, but is stored no more."


@pytest.fixture
def of_five_days(scored: Parcels) -> Parcels:
    """From five days on it is known how much days differ."""
    for day in (3, 4):
        scored.run("online", as_of=AS_OF + day * DAY)
    return scored


BROKEN: dict[str, Any] = FEW | {"evaluate.floors": {"roc_auc": 0.999}}


def test_a_broken_floor_asks_to_act(of_five_days: Parcels) -> None:
    found = of_five_days.run("monitoring", as_of=AS_OF + 6 * DAY, parameters=BROKEN)["monitor"]
    assert (found.verdict["severity"], found.verdict["passed"]) == ("act", False)
    assert "its floor is at least 0.999: clearly broken" in " ".join(found.verdict["reasons"])


def test_of_few_days_nothing_asks_to_act(scored: Parcels) -> None:
    found = scored.run("monitoring", as_of=AS_OF + 4 * DAY, parameters=BROKEN)["monitor"]
    assert (found.verdict["severity"], found.verdict["passed"]) == ("watch", True)
    (told,) = (reason for reason in found.verdict["reasons"] if "its floor is at least 0.999" in reason)
    assert told.endswith("It is of fewer than 5 days, and days differ: to be watched.")


def test_a_part_that_is_lost_is_told_of(scored: Parcels) -> None:
    folder = scored.dataset(scored.run("online", as_of=AS_OF), "predictions").key
    for key in scored.objects(f"{folder}/"):
        if key.endswith(".parquet"):
            scored.room.delete(key)
    reasons = watched(scored, AS_OF + 4 * DAY)["monitor"].verdict["reasons"]
    assert any(reason.startswith(f"{folder} cannot be read, and is left out") for reason in reasons)


def test_training_is_asked_for_once_within_the_cooldown(of_five_days: Parcels) -> None:
    scored = of_five_days
    broken = {"monitoring": {"least": 20, "cooldown": "2d"}, "evaluate.floors": {"roc_auc": 0.999}}

    def asked(days: int, run_id: str = "") -> bool:
        as_of = AS_OF + days * DAY
        named = {"run_id": run_id} if run_id else {}
        found = scored.run("monitoring", as_of=as_of, parameters=broken, **named)["monitor"]
        if not (asks := any(artifact.name == "retrain" for artifact in found.artifacts)):
            assert run_id or found.notes[-1].startswith("Training was asked for as of ")
        return asks

    assert [asked(6), asked(6), asked(6, "another-run"), asked(7), asked(8), asked(9)] == [
        True,
        True,  # the same run, again
        False,
        False,
        True,
        False,
    ]
    assert "retrain" not in {artifact.name for artifact in watched(scored, AS_OF + 12 * DAY)["monitor"].artifacts}


def test_the_index_names_the_runs_of_a_window(scored: Parcels) -> None:
    found = scored_runs.between(Archive(scored.room), AS_OF, AS_OF + 2 * DAY)
    assert [result.as_of for result in found] == [AS_OF + DAY, AS_OF + 2 * DAY]
    assert scored_runs.between(Archive(scored.room), AS_OF + 2 * DAY, AS_OF + 9 * DAY) == []


def test_a_page_says_it_to_people(scored: Parcels) -> None:
    found = watched(scored, AS_OF + 4 * DAY)["monitor"]
    page = scored.room.get("monitoring/20240208T230000Z/report.html").decode()
    assert "Will this parcel arrive late?" in page
    assert f"<li>ok: {found.verdict['reasons'][0]}</li>" in page
